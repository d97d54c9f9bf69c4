"""Open-set object detection: which unknown objects a detector with an OoD score per detection finds and flags,
takes for known ones, or misses.

An unknown object is a labelled one of no class of the in-distribution set. A detection whose score is above the
threshold is flagged (called unknown); any other one claims its class. Overlap means IoU >= .5.

unknown_recall: R_U, share of unknown objects matched one to one by flagged detections.
unknown_precision: P_U, share of flagged detections that are matched; 0 where nothing is flagged. A lower bound where
    not every object is labelled.
unknown_ap: AP_U, area under P_U over R_U when the threshold falls, a step sum with ties grouped.
taken_for_known: share of unknown objects found by no flagged detection that one claiming a class overlaps.
missed: the rest; unknown_recall + taken_for_known + missed = 1.
aose: A-OSE (Miller et al., ICRA 2018), how many detections claiming a class overlap an unknown object.
nose: A-OSE / number of unknown objects; several detections on one object let it exceed 1.
wi: wilderness impact (Dhamija et al., WACV 2020), see `lsood.metrics.open_set.wilderness`.

A flagged detection that finds no object and lies on a crowd or a difficult object of no class (COCO's iscrowd, VOC's
difficult) counts neither as right nor as wrong; for the wilderness impact the same holds for a detection of a class on
a crowd of that class.

Against FMIYC (Montoya et al. 2025) and ORE (Joseph et al., CVPR 2021), whose evaluation it builds on: they match in the
order of the class's confidence and AP_U ranks flagged detections by it; here the OoD score orders both, so R_U and P_U
are a point of the curve whose area is AP_U. They need IoU > .5 of boxes one pixel larger, give a detection only the
object it overlaps most, and interpolate AP; FMIYC leaves out detections on images without a labelled object. They have
neither taken_for_known nor missed: A-OSE counts detections, not objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lsood.metrics.curve import Curve, check_scores
from lsood.metrics.intervals import Estimate, delong_interval, estimates, row_metrics
from lsood.metrics.open_set.box_matching import Array, Rows
from lsood.metrics.open_set.detection_set import UNKNOWN, DetectionSet
from lsood.metrics.open_set.image_bootstrap import LEVELS, Counts, curve, levels
from lsood.metrics.open_set.wilderness import Wilderness
from lsood.metrics.resampling import RESAMPLES, Blocks, alone, chunks
from lsood.metrics.table import OPEN_SET, ROWS, names

OPEN_SET_METRICS = names(OPEN_SET)
Flags = NDArray[np.bool_]


def detection_scores(of: DetectionSet, scores: ArrayLike, what: str) -> Array:
    """(N,) float64 anomaly scores of a set's detections.

    Raises:
        ValueError: another number of them, NaN or infinite.
    """
    found = np.asarray(scores, dtype=np.float64).ravel()
    if len(found) != len(of.boxes):
        raise ValueError(f"{len(found)} scores for {len(of.boxes)} {what} detections")
    if not np.isfinite(found).all():
        raise ValueError(f"{(~np.isfinite(found)).sum()} of {len(found)} {what} scores are NaN or infinite")
    return found


@dataclass(frozen=True)
class Outcomes:
    """What became of every unknown object of a set.

    Attributes:
        image: (U,) row of the image each lies on. flagged, taken: (U,) found and flagged, classified as known;
            missed where neither.
        hit: (N,) detections that are the first to find an unknown object, in the order of their scores.
        counted: (N,) all but those that find none and lie on a crowd or a difficult object of no class.
        owner, scores: (N,) row of the image each detection lies on, and its score.
        called_known: (N,) detections that claim a class and overlap an unknown object. threshold: flagged above it.
    """

    image: Rows
    flagged: Flags
    taken: Flags
    hit: Flags
    counted: Flags
    owner: Rows
    scores: Array
    called_known: Flags
    threshold: float

    @classmethod
    def of(cls, found: DetectionSet, scores: ArrayLike, threshold: float) -> Outcomes:
        """From OoD scores (N,) of the detections and the threshold they are flagged above.

        Raises:
            ValueError: scores that are not finite or of another number; no unknown object.
        """
        values = detection_scores(found, scores, "OoD")
        if not len(found.unknown):
            raise ValueError("no unknown objects are labelled")
        pairs = found.overlaps.only(found.object_labels[found.overlaps.thing] == UNKNOWN)
        detection, thing = pairs.match(found.ranks(values, found.confidence))
        above = values > threshold
        hit = np.zeros(len(values), dtype=bool)
        hit[detection] = True
        counted = hit | ~found.on_region(np.full(len(values), UNKNOWN))
        flagged = np.isin(found.unknown, thing[above[detection]])
        claimed = np.isin(found.unknown, pairs.thing[~above[pairs.detection]])
        image = found.object_image[found.unknown]
        return cls(
            image,
            flagged,
            claimed & ~flagged,
            hit,
            counted,
            found.image,
            values,
            found.on_unknown & ~above,
            threshold,
        )

    def counts(self) -> dict[str, int]:
        """Unknown objects, and how many of them were flagged, classified as known and missed."""
        unknown, flagged, taken = len(self.image), int(self.flagged.sum()), int(self.taken.sum())
        return {"unknown": unknown, "flagged": flagged, "taken": taken, "missed": unknown - flagged - taken}

    def metrics(self, weights: Array, exact: bool = False) -> dict[str, Array]:
        """{metric: (R,)} but for "wi", for resamples that draw the I images so often (R, I) and that hold an unknown
        object. AP_U at every score if exact, else at no more than 1000 levels.
        """

        def drawn(image: Rows) -> Array:
            return weights @ np.bincount(image, minlength=weights.shape[1])

        total, found = drawn(self.image), drawn(self.image[self.flagged])
        flagged = drawn(self.owner[self.counted & (self.scores > self.threshold)])
        errors = drawn(self.owner[self.called_known])
        return {
            "unknown_recall": found / total,
            "unknown_precision": found / np.maximum(flagged, 1),
            "unknown_ap": self._area(weights, exact) / total,
            "nose": errors / total,
            "aose": errors,
            "missed": drawn(self.image[~self.flagged & ~self.taken]) / total,
            "taken_for_known": drawn(self.image[self.taken]) / total,
        }

    def _area(self, weights: Array, exact: bool) -> Array:
        """(R,) sum of P_U over the objects found, each at its own threshold."""
        at = np.unique(self.scores) if exact else self._levels
        if not len(at):
            return np.zeros(len(weights))
        false, true = (
            Counts.of(self.owner[some], self.scores[some], at, weights.shape[1])
            for some in (self.counted & ~self.hit, self.hit)
        )
        found = curve(false, true, at, weights, weights)
        precision = found.hits / np.maximum(found.hits + found.alarms, 1)
        return (np.diff(found.hits, axis=1, prepend=0) * precision).sum(1)

    @cached_property
    def _levels(self) -> Array:
        return levels(self.scores, self.threshold)


def evaluate_open_set(
    known: DetectionSet,
    known_scores: ArrayLike,
    ood: DetectionSet,
    ood_scores: ArrayLike,
    threshold: float,
    resamples: int = RESAMPLES,
    seed: int = 0,
    blocks: Blocks | None = None,
) -> dict[str, Estimate]:
    """Every name in OPEN_SET_METRICS with a 95 % interval; "wi" is left out where no detection on the known side
    claims a class.

    The bootstrap draws images of each side, or blocks of them, each with all its objects; resamples without an unknown
    object do not count. Intervals from it: `lsood.metrics.intervals.Estimate.of`.

    Args:
        known, known_scores: detections on the in-distribution test images and their (N,) anomaly scores.
        ood, ood_scores: the same on an OoD set's images, which hold unknown objects.
        threshold: a detection is flagged when its score is above it; from in-distribution validation images, see
            `lsood.metrics.points.threshold_at`.
        resamples, seed: of the bootstrap.
        blocks: of the images of both sides; default independent images.

    Raises:
        ValueError: scores that are not finite or of another number; no unknown object.
    """
    outcomes = Outcomes.of(ood, ood_scores, threshold)
    silent = detection_scores(known, known_scores, "known") > threshold
    wilderness = Wilderness.of(known, silent, ood, outcomes.called_known)
    once = np.ones((1, len(known.keys))), np.ones((1, len(ood.keys)))
    values = outcomes.metrics(once[1], exact=True) | wilderness.impact(*once)
    draws: dict[str, list[Array]] = {name: [] for name in values if np.isfinite(values[name][0])}
    blocks = blocks or alone(len(known.keys), len(ood.keys))
    random, cells = np.random.default_rng(seed), len(known.boxes) + LEVELS + len(known.keys) + len(ood.keys)
    for count in chunks(resamples, cells) if not blocks.too_few else ():
        w_known, w_ood = blocks.weights(random, count)
        there = w_ood[:, outcomes.image].any(1)
        drawn = outcomes.metrics(w_ood[there]) | wilderness.impact(w_known[there], w_ood[there])
        for name, columns in draws.items():
            columns.append(drawn[name])
    return estimates(values, draws, OPEN_SET, blocks)


def separation(
    known: DetectionSet,
    known_scores: ArrayLike,
    ood: DetectionSet,
    ood_scores: ArrayLike,
    threshold: float,
    chosen: Flags | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    blocks: Blocks | None = None,
) -> dict[str, Estimate]:
    """Every name in `lsood.metrics.table.ROWS` with a 95 % interval: the detections on an OoD set's images against
    those on in-distribution images (VOS, Du et al., ICLR 2022). AUROC's interval is
    `lsood.metrics.intervals.delong_interval` with the images' blocks; for the others the bootstrap draws these, and
    sees no more than 1000 levels of the score. Values are exact.

    Args:
        known, known_scores, ood, ood_scores, threshold, resamples, seed, blocks: see `evaluate_open_set`.
        chosen: (N,) which detections of the OoD set count; default all, which is right where its images hold no known
            object; ``ood.on_unknown`` where they do.

    Raises:
        ValueError: scores that no metric is defined for (see `lsood.metrics.points.check_scores`).
    """
    scores_in = detection_scores(known, known_scores, "known")
    scores_out = detection_scores(ood, ood_scores, "OoD")
    chosen = np.ones(len(scores_out), dtype=bool) if chosen is None else chosen
    check_scores(scores_in, scores_out[chosen])
    values = row_metrics(Curve.of(scores_in, scores_out[chosen]), threshold)
    at = levels(np.concatenate([scores_in, scores_out[chosen]]), threshold)
    sides = (
        Counts.of(known.image, scores_in, at, len(known.keys)),
        Counts.of(ood.image[chosen], scores_out[chosen], at, len(ood.keys)),
    )
    images = blocks or alone(len(known.keys), len(ood.keys))
    detections = images.take(known.image, ood.image[chosen])
    draws: dict[str, list[Array]] = {name: [] for name in values}
    random, cells = np.random.default_rng(seed), 4 * len(at) + len(known.keys) + len(ood.keys)
    for count in chunks(resamples, cells) if not detections.too_few else ():
        drawn = curve(*sides, at, *images.weights(random, count))
        there = (drawn.n_in > 0) & (drawn.n_out > 0)
        whole = Curve(drawn.scores, drawn.hits[there], drawn.alarms[there])
        for name, column in row_metrics(whole, threshold).items():
            draws[name].append(column)
    found = estimates(values, draws, ROWS, detections)
    if not detections.too_few:
        interval = delong_interval(scores_in, scores_out[chosen], blocks=detections)
        found["auroc"] = Estimate(found["auroc"].value, *interval)
    return found
