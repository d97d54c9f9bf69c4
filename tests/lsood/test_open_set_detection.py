"""Open-set detection metrics: by hand, against loops in plain Python, against others' average precision."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from torchvision.ops import box_iou

from lsood.metrics.curve import Curve
from lsood.metrics.intervals import delong_interval, evaluate, row_metrics
from lsood.metrics.open_set.box_matching import Overlaps, iou
from lsood.metrics.open_set.detection_set import DetectionSet
from lsood.metrics.open_set.evaluation import OPEN_SET_METRICS, Outcomes, evaluate_open_set, separation
from lsood.metrics.open_set.image_bootstrap import Counts, curve, levels
from lsood.metrics.open_set.wilderness import Wilderness
from lsood.metrics.resampling import Blocks

BOX = np.array([0.0, 0.0, 10.0, 10.0])


def made(images):
    """{key: ([(box, class, confidence)], [(box, label)])} -> set of detections."""
    rows = [(key, *found) for key, (detections, _) in images.items() for found in detections]
    targets = [
        {"boxes": np.reshape([box for box, _ in things], (-1, 4)), "labels": [label for _, label in things]}
        for _, things in images.values()
    ]
    keys, boxes, classes, sure = (list(column) for column in zip(*rows, strict=True)) if rows else ([],) * 4
    return DetectionSet.of(list(images), targets, keys, boxes, classes, sure)


def random_set(random, images=12, classes=3, unknown=True, ties=False):
    found = {}
    for i in range(images):
        corners = random.uniform(0, 30, (random.integers(0, 5), 2))
        things = [(np.r_[c, c + random.uniform(8, 20, 2)], int(random.integers(-1 if unknown else 0, classes)))
                  for c in corners]  # fmt: skip
        near = [box + random.normal(0, 2, 4) for box, _ in things for _ in range(random.integers(0, 4))]
        near += [np.r_[c, c + 12] for c in random.uniform(0, 40, (random.integers(0, 3), 2))]
        near = [b for b in near if b[2] > b[0] and b[3] > b[1]]
        sure = random.integers(1, 6, len(near)) / 6 if ties else random.uniform(0.05, 1, len(near))
        found[f"{i}.png"] = (
            [(b, int(random.integers(classes)), s) for b, s in zip(near, sure, strict=True)],
            things,
        )
    return made(found)


def overlap(a, b):
    sides = [min(a[k + 2], b[k + 2]) - max(a[k], b[k]) for k in (0, 1)]
    shared = max(sides[0], 0) * max(sides[1], 0)
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return shared / (areas[0] + areas[1] - shared)


def greedy(of, order, allowed):
    """{detection: object} one detection after the other, the object overlapped most that is still free."""
    pairs = {}
    for d in order:
        free = [g for g in range(len(of.object_boxes)) if of.object_image[g] == of.image[d]]
        free = [g for g in free if allowed(d, g) and g not in pairs.values()]
        near = [(overlap(of.boxes[d], of.object_boxes[g]), -g) for g in free]
        if near and max(near)[0] >= 0.5:
            pairs[d] = -max(near)[1]
    return pairs


def by_hand(known, known_scores, ood, scores, threshold):
    """Every metric from its definition, in loops."""
    unknown = list(ood.unknown)
    order = sorted(range(len(scores)), key=lambda d: (-scores[d], -ood.confidence[d]))
    pairs = greedy(ood, order, lambda d, g: ood.object_labels[g] == -1)
    flagged = [d for d in order if scores[d] > threshold]
    found = {pairs[d] for d in flagged if d in pairs}

    def on(d, g):
        return ood.image[d] == ood.object_image[g] and overlap(ood.boxes[d], ood.object_boxes[g]) >= 0.5

    claims = [d for d in order if scores[d] <= threshold]
    errors = [d for d in claims if any(on(d, g) for g in unknown)]
    taken = [g for g in unknown if g not in found and any(on(d, g) for d in claims)]
    area, before = 0.0, 0
    for level in sorted(set(scores), reverse=True):
        above = [d for d in order if scores[d] >= level]
        hits = sum(d in pairs for d in above)
        area += (hits - before) * hits / len(above)
        before = hits
    n = len(unknown)
    kept = wrong = 0
    loud = [d for d in range(len(known_scores)) if known_scores[d] <= threshold]
    for label in {int(c) for c in known.object_labels if c >= 0}:
        mine = sorted((d for d in loud if known.predicted[d] == label), key=lambda d: -known.confidence[d])
        matched = greedy(known, mine, lambda d, g, label=label: known.object_labels[g] == label)
        total = (known.object_labels == label).sum()
        levels = sorted({known.confidence[d] for d in mine}, reverse=True)
        for level in levels:
            above = [d for d in mine if known.confidence[d] >= level]
            if sum(d in matched for d in above) >= 0.8 * total - 1e-9:
                break
        if mine:
            kept += len(above)
            wrong += sum(ood.predicted[d] == label and ood.confidence[d] >= level for d in errors)
    return {
        "unknown_recall": len(found) / n,
        "unknown_precision": len(found) / len(flagged) if flagged else 0.0,
        "unknown_ap": area / n,
        "nose": len(errors) / n,
        "aose": len(errors),
        "missed": (n - len(found) - len(taken)) / n,
        "taken_for_known": len(taken) / n,
    } | ({"wi": wrong / kept} if kept else {})


def test_iou_agrees_with_torchvision():
    corners = np.random.default_rng(0).uniform(0, 20, (40, 2))
    boxes = np.concatenate([corners, corners + np.random.default_rng(1).uniform(1, 20, (40, 2))], axis=1)
    expected = box_iou(torch.from_numpy(boxes[:20]), torch.from_numpy(boxes[20:])).numpy()
    first, second = np.repeat(boxes[:20], 20, axis=0), np.tile(boxes[20:], (20, 1))
    np.testing.assert_allclose(iou(first, second), expected.ravel(), atol=1e-12)


def test_a_detection_takes_the_next_best_object_when_its_best_is_taken():
    things = np.array([[0, 0, 10, 10], [0, 3, 10, 13], [100, 0, 110, 10]], float)
    boxes = np.array([[0, 1, 10, 11], [0, 0, 10, 10], [0, 0, 10, 10]], float)
    pairs = Overlaps.of(boxes, np.zeros(3, int), things, np.zeros(3, int))
    detection, thing = pairs.match(np.array([1, 0, 2]))
    assert dict(zip(detection.tolist(), thing.tolist(), strict=True)) == {1: 0, 0: 1}


def test_iou_of_one_half_matches_and_other_images_do_not():
    half = [0.0, 0.0, 10.0, 5.0]
    of = made({"a": ([(half, 0, 0.9)], [(BOX, -1)]), "b": ([], [(BOX, -1)])})
    assert Outcomes.of(of, [1.0], 0.0).counts() == {"unknown": 2, "flagged": 1, "taken": 0, "missed": 1}


@pytest.fixture
def toy():
    """Four unknown objects: flagged, taken for known by two detections, missed, flagged beside a known claim; a
    known object called unknown; a detection of nothing."""
    far = BOX + 50
    ood = made({
        "flagged": ([(BOX, 0, 0.4)], [(BOX, -1)]),
        "taken": ([(BOX, 0, 0.9), (BOX + 1, 1, 0.6)], [(BOX, -1)]),
        "missed": ([(far, 1, 0.3)], [(BOX, -1)]),
        "both": ([(BOX, 0, 0.5), (BOX, 1, 0.8)], [(BOX, -1), (far, 1)]),
        "known": ([(BOX, 1, 0.7)], [(BOX, 1)]),
    })  # fmt: skip
    known = made({"x": ([(BOX, 0, 0.7), (far, 0, 0.95), (BOX, 1, 0.65)], [(BOX, 0), (far, 1)])})
    return known, [0.0, 0.1, 0.2], ood, [0.9, 0.1, 0.2, 0.3, 0.8, 0.4, 0.7]


def test_toy_case_by_hand(toy):
    known, known_scores, ood, scores = toy
    assert Outcomes.of(ood, scores, 0.5).counts() == {"unknown": 4, "flagged": 2, "taken": 1, "missed": 1}
    found = {name: e.value for name, e in evaluate_open_set(known, known_scores, ood, scores, 0.5).items()}
    assert set(found) == set(OPEN_SET_METRICS)
    # falling scores: hit .9, hit .8, miss .7, a second detection .4, nothing .3, hit .2 (rank 6), second .1
    expected = {"unknown_recall": 2 / 4, "unknown_precision": 2 / 3, "unknown_ap": (1 + 1 + 3 / 6) / 4,
                "aose": 3, "nose": 3 / 4, "missed": 1 / 4, "taken_for_known": 1 / 4}  # fmt: skip
    # class 0 reaches recall 1 at .7, a false positive above it: error .9; class 1 never does: error .8, not .6
    expected["wi"] = 2 / 3
    assert found == pytest.approx(expected)


def test_nothing_flagged_and_everything_flagged(toy):
    known, known_scores, ood, scores = toy
    none = evaluate_open_set(known, known_scores, ood, scores, 2.0, resamples=20)
    assert none["unknown_recall"].value == none["unknown_precision"].value == 0 and none["aose"].value == 5
    assert none["taken_for_known"].value == 3 / 4
    every = evaluate_open_set(known, known_scores, ood, scores, -1.0, resamples=20)
    assert (
        every["aose"].value == every["taken_for_known"].value == 0 and every["unknown_recall"].value == 3 / 4
    )
    assert "wi" not in every, "no detection claims a class"
    assert every["unknown_ap"].value == none["unknown_ap"].value


@pytest.mark.parametrize("seed", range(25))
def test_against_loops(seed):
    random = np.random.default_rng(seed)
    known, ood = random_set(random, unknown=False, ties=seed % 2), random_set(random, ties=seed % 2)
    n, m = len(known.boxes), len(ood.boxes)
    scores_in, scores_out = (
        random.integers(0, 6, k) / 5 if seed % 3 == 0 else random.normal(0, 1, k) for k in (n, m)
    )
    found = evaluate_open_set(known, scores_in, ood, scores_out, 0.4, resamples=5)
    assert {name: e.value for name, e in found.items()} == pytest.approx(
        by_hand(known, scores_in, ood, scores_out, 0.4)
    )
    parts = [found[name].value for name in ("unknown_recall", "missed", "taken_for_known")]
    assert sum(parts) == pytest.approx(1)
    counts = Outcomes.of(ood, scores_out, 0.4).counts()
    assert counts["flagged"] + counts["taken"] + counts["missed"] == counts["unknown"]


def test_average_precision_is_scikit_learns_where_every_object_is_found():
    random = np.random.default_rng(5)
    images, truth = {}, []
    for i in range(60):
        real = bool(random.integers(2))
        images[str(i)] = ([(BOX, 0, 0.5)], [(BOX if real else BOX + 90, -1 if real else 0)])
        truth.append(real)
    ood, scores = made(images), random.integers(0, 20, 60)
    known = made({"x": ([(BOX, 0, 0.7)], [(BOX, 0)])})
    value = evaluate_open_set(known, [0.0], ood, scores, 5.0, resamples=5)["unknown_ap"].value
    assert value == pytest.approx(average_precision_score(truth, scores), abs=1e-12)


def test_matches_are_those_of_the_coco_evaluation():
    """The pairs its mAP50 counts on random boxes, unknown objects as the one class."""
    coco, cocoeval = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    ood = random_set(np.random.default_rng(21), images=80)
    scores = np.random.default_rng(22).normal(0, 1, len(ood.boxes))

    def rows(boxes, images, **more):
        sized = np.c_[boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]
        return [{"id": i + 1, "image_id": int(image), "category_id": 1, "bbox": box.tolist(), "area": 1.0,
                 "iscrowd": 0} | {k: float(v[i]) for k, v in more.items()}
                for i, (box, image) in enumerate(zip(sized, images, strict=True))]  # fmt: skip

    truth = coco.COCO()
    truth.dataset = {"images": [{"id": i} for i in range(80)], "categories": [{"id": 1}], "info": {},
                     "annotations": rows(ood.object_boxes[ood.unknown], ood.object_image[ood.unknown])}  # fmt: skip
    truth.createIndex()
    made = cocoeval.COCOeval(truth, truth.loadRes(rows(ood.boxes, ood.image, score=scores)), "bbox")
    made.evaluate()
    theirs = {
        d for e in made.evalImgs[:80] if e for d, g in zip(e["dtIds"], e["dtMatches"][0], strict=True) if g
    }
    assert {d - 1 for d in theirs} == set(np.flatnonzero(Outcomes.of(ood, scores, 0.0).hit)) and len(
        theirs
    ) > 20


@pytest.mark.parametrize("ties", [False, True])
def test_the_order_of_detections_objects_and_images_plays_no_part(ties):
    random = np.random.default_rng(8)
    known, ood = random_set(random, unknown=False), random_set(random, images=20, ties=ties)
    scores = random.integers(0, 4, len(ood.boxes)) / 3
    scores_in = random.normal(0, 1, len(known.boxes))
    straight = evaluate_open_set(known, scores_in, ood, scores, 0.5, resamples=5)
    rows, keys = random.permutation(len(scores)), random.permutation(len(ood.keys))
    targets = []
    for i in keys:
        things = random.permutation(np.flatnonzero(ood.object_image == i))
        targets.append({"boxes": ood.object_boxes[things], "labels": ood.object_labels[things]})
    other = DetectionSet.of(
        [ood.keys[i] for i in keys], targets, [ood.keys[ood.image[r]] for r in rows],
        torch.from_numpy(ood.boxes[rows]), ood.predicted[rows], ood.confidence[rows],
    )  # fmt: skip
    turned = evaluate_open_set(known, scores_in, other, scores[rows], 0.5, resamples=5)
    assert {n: e.value for n, e in turned.items()} == {n: e.value for n, e in straight.items()}


def test_no_detection_on_ood_images_misses_every_object():
    known = made({"x": ([(BOX, 0, 0.7)], [(BOX, 0)])})
    ood = made({"a": ([], [(BOX, -1)]), "b": ([], [])})
    found = {name: e.value for name, e in evaluate_open_set(known, [0.1], ood, [], 0.5, resamples=9).items()}
    assert found.pop("missed") == 1 and set(found.values()) == {0} and found["wi"] == 0


def test_no_detection_on_known_images_leaves_wilderness_impact_out():
    known = made({"x": ([], [(BOX, 0)])})
    ood = made({"a": ([(BOX, 0, 0.7)], [(BOX, -1)])})
    found = evaluate_open_set(known, [], ood, [0.1], 0.5, resamples=9)
    assert "wi" not in found and found["nose"].value == 1


def test_intervals_hold_the_value_and_shrink_with_images():
    random = np.random.default_rng(3)
    widths = []
    for images in (20, 400):
        known, ood = random_set(random, images, unknown=False), random_set(random, images)
        scores = random.normal(0.5, 1, len(ood.boxes))
        found = evaluate_open_set(
            known, random.normal(0, 1, len(known.boxes)), ood, scores, 0.5, resamples=200
        )
        assert all(e.low <= e.value <= e.high and np.isfinite([e.low, e.high]).all() for e in found.values())
        widths.append(found["unknown_recall"].high - found["unknown_recall"].low)
    assert widths[1] < widths[0] / 2


def test_resamples_equal_the_metrics_of_the_repeated_images():
    random = np.random.default_rng(11)
    known, ood = random_set(random, unknown=False, ties=True), random_set(random)
    scores, silent = random.normal(0, 1, len(ood.boxes)), random.random(len(known.boxes)) < 0.2
    weights = [random.integers(0, 3, len(side.keys)) for side in (known, ood)]

    def repeated(side, times, *columns):
        images = [(i, c) for i, count in enumerate(times) for c in range(count)]
        rows = [np.flatnonzero(side.image == i) for i, _ in images]
        targets = [{"boxes": side.object_boxes[side.object_image == i],
                    "labels": side.object_labels[side.object_image == i]} for i, _ in images]  # fmt: skip
        keys = [f"{i}-{c}" for i, c in images]
        flat = np.concatenate(rows)
        owners = [key for key, mine in zip(keys, rows, strict=True) for _ in mine]
        of = DetectionSet.of(
            keys, targets, owners, side.boxes[flat], side.predicted[flat], side.confidence[flat]
        )
        return of, *(column[flat] for column in columns)

    outcomes = Outcomes.of(ood, scores, 0.3)
    drawn = Wilderness.of(known, silent, ood, outcomes.called_known).impact(
        *(w[None].astype(float) for w in weights)
    )
    more_known, more_silent = repeated(known, weights[0], silent)
    more_ood, more_scores = repeated(ood, weights[1], scores)
    more = Outcomes.of(more_ood, more_scores, 0.3)
    once = np.ones((1, len(more_known.keys))), np.ones((1, len(more_ood.keys)))
    expected = Wilderness.of(more_known, more_silent, more_ood, more.called_known).impact(*once)
    assert drawn["wi"] == pytest.approx(expected["wi"])
    rest, alone = outcomes.metrics(weights[1][None].astype(float)), more.metrics(once[1], exact=True)
    assert {name: v[0] for name, v in rest.items()} == pytest.approx(
        {name: v[0] for name, v in alone.items()}
    )


def test_separation_draws_whole_images():
    random = np.random.default_rng(2)
    known, ood = random_set(random, 40, unknown=False), random_set(random, 40)
    scores_in = random.normal(0, 1, 40)[known.image]  # objects of an image say the same
    scores_out = 1 + random.normal(0, 1, 40)[ood.image]
    found = separation(known, scores_in, ood, scores_out, 0.5)
    alone = separation(known, scores_in, ood, scores_out, 0.5, chosen=ood.on_unknown)
    assert found["auroc"].value != alone["auroc"].value
    low, high = delong_interval(scores_in, scores_out)
    assert found["auroc"].high - found["auroc"].low > 1.2 * (high - low)


def test_separation_agrees_with_the_bootstrap_over_sources():
    random = np.random.default_rng(4)
    sides = [
        made({f"{s}{i}": ([(BOX + k, 0, 0.5) for k in range(1 + i % 3)], []) for i in range(30)})
        for s in "ab"
    ]
    scores = [random.normal(shift, 1, len(side.boxes)) for shift, side in enumerate(sides)]
    owners = [[side.keys[i] for i in side.image] for side in sides]
    mine = separation(
        sides[0], scores[0], sides[1], scores[1], 0.7, blocks=Blocks.of((sides[0].keys, sides[1].keys))
    )
    theirs = evaluate(*scores, 0.7, blocks=Blocks.of(tuple(owners)))
    assert {n: (e.value, e.low, e.high) for n, e in mine.items()} == {
        n: pytest.approx((e.value, e.low, e.high), abs=1e-12) for n, e in theirs.items()
    }


def test_a_thousand_levels_keep_the_curve_and_the_threshold():
    random = np.random.default_rng(6)
    scores_in, scores_out = random.normal(0, 1, 9000), random.normal(1, 1, 4000)
    at = levels(np.concatenate([scores_in, scores_out]), 1.2345)
    assert len(at) <= 1001
    owners = np.zeros(9000, int), np.zeros(4000, int)
    sides = [
        Counts.of(owner, scores, at, 1) for owner, scores in zip(owners, (scores_in, scores_out), strict=True)
    ]
    coarse, exact = (
        row_metrics(curve(*sides, at, *np.ones((2, 1, 1))), 1.2345),
        row_metrics(Curve.of(scores_in, scores_out), 1.2345),
    )
    for name in ("accuracy", "mcc", "f1"):
        assert coarse[name] == pytest.approx(exact[name])
    for name in ("auroc", "fpr95", "aupr_out", "detection_error"):
        assert coarse[name] == pytest.approx(exact[name], abs=3e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.update(owners=["z"]), "a detection lies on 'z', which is none of the 1 images"),
        (lambda a: a.update(boxes=[[5, 0, 0, 5]]), "detections: box 0 is no box: .5.0, 0.0, 0.0, 5.0"),
        (lambda a: a.update(boxes=[[0, 0, np.nan, 5]]), "detections: box 0 is no box"),
        (lambda a: a.update(confidence=[1.5]), "confidence must lie in"),
        (lambda a: a.update(predicted=[1, 2]), "1 boxes, 2 classes, 1 confidences of 1 detections"),
        (lambda a: a.update(targets=[{"boxes": [BOX], "labels": [0, 1]}]), "a: 1 boxes of objects, 2 labels"),
        (lambda a: a.update(keys=["a", "a"]), "2 images, 1 distinct"),
    ],
)
def test_bad_detections_are_refused_in_one_line(change, message):
    arguments = {"keys": ["a"], "targets": [{"boxes": [BOX], "labels": [-1]}], "owners": ["a"], "boxes": [BOX],
                 "predicted": [0], "confidence": [0.5]}  # fmt: skip
    change(arguments)
    with pytest.raises(ValueError, match=message):
        DetectionSet.of(**arguments)


def test_bad_scores_are_refused(toy):
    known, known_scores, ood, scores = toy
    with pytest.raises(ValueError, match="7 OoD scores are NaN or infinite"):
        evaluate_open_set(known, known_scores, ood, [*scores[:6], np.nan], 0.5)
    with pytest.raises(ValueError, match="2 scores for 7 OoD detections"):
        evaluate_open_set(known, known_scores, ood, scores[:2], 0.5)
    with pytest.raises(ValueError, match="no unknown objects are labelled"):
        evaluate_open_set(known, known_scores, known, known_scores, 0.5)
