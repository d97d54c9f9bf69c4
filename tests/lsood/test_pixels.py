"""Pixel-level metrics against scikit-learn, component metrics on hand-made masks, the streamed way to both."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from lsood import OnePass
from lsood.extraction.pixel_tally import PixelTally, enlarged
from lsood.metrics.pixel.components import component_metrics, components
from lsood.metrics.pixel.evaluators import best_threshold
from lsood.metrics.pixel.histogram import (
    BINS,
    counted,
    histogram,
    key_scores,
    pixel_metrics,
    random_baseline,
    score_keys,
    to_float16,
)
from lsood.metrics.pixel.pixel_set import PixelSet
from lsood.metrics.resampling import Blocks
from lsood.probes.image import PIXEL_SCORES, PixelMaps


def expected(labels, scores):
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    precision, recall, _ = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    return {
        "ap": average_precision_score(labels, scores),
        "auroc": roc_auc_score(labels, scores),
        "fpr95": fpr[tpr >= 0.95][0],
        "f1": f1.max(),
    }


def frames(n=6, seed=0, shape=(24, 32), shift=1.0):
    random = np.random.default_rng(seed)
    labels = (random.random((n, *shape)) < 0.1).astype(np.uint8)
    labels[:, :3] = 255
    scores = random.normal(size=(n, 2, *shape)) + shift * (labels[:, None] == 1)
    return to_float16(np.round(scores, 2)), labels


def tallied(maps, labels, names=("a", "b"), batch=2):
    keys = [f"k{i}" for i in range(len(maps))]
    with PixelTally(names) as tally:
        for i in range(0, len(maps), batch):
            tally.add(torch.from_numpy(maps[i : i + batch]), labels[i : i + batch], keys[i : i + batch])
        return tally.finish()


def test_every_float16_has_its_place():
    every = np.arange(BINS, dtype=np.uint16).view(np.float16)
    scores = every[~np.isnan(every)]
    keys = score_keys(scores)
    order = np.argsort(keys, kind="stable")
    assert (np.diff(scores[order].astype(float)[np.isfinite(scores[order].astype(float))]) >= 0).all()
    assert (key_scores(keys) == scores).all()
    distinct = len(np.unique(keys))
    assert distinct == len(scores) - 1, "only 0 and -0 are one"
    with pytest.raises(ValueError, match="1 of 2 pixel scores are NaN"):
        score_keys(np.array([0, np.nan], np.float16))
    assert to_float16(np.array([1e9, -1e9])).tolist() == [65504, -65504]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.01, 1.0, 300.0]), st.integers(0, 3), st.floats(0.01, 0.7))
def test_metrics_equal_scikit_learn_on_the_float16_scores(seed, scale, digits, share):
    random = np.random.default_rng(seed)
    labels = (random.random(3000) < share).astype(np.uint8)
    labels[:2] = 0, 1
    scores = to_float16(np.round(random.normal(labels * 0.8, 1), digits) * scale)
    found = pixel_metrics(histogram(score_keys(scores), labels))
    for name, value in expected(labels, scores.astype(float)).items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


def test_histograms_add_up_and_ignore():
    maps, labels = frames()
    whole = histogram(score_keys(maps[:, 0]), labels)
    parts = sum(histogram(score_keys(m[0]), one) for m, one in zip(maps, labels, strict=True))
    np.testing.assert_array_equal(whole, parts)
    assert whole.sum() == (labels != 255).sum()
    kept = labels != 255
    assert pixel_metrics(whole) == pytest.approx(expected(labels[kept], maps[:, 0][kept].astype(float)))
    with pytest.raises(ValueError, match="no anomalous pixels"):
        pixel_metrics(histogram(score_keys(maps[:, 0]), np.zeros_like(labels)))


def test_the_threshold_is_that_of_the_best_f1():
    maps, labels = frames()
    counts = histogram(score_keys(maps[:, 0]), labels)
    called = maps[:, 0] >= best_threshold(*counted(counts))
    tp = (called & (labels == 1)).sum()
    fp, fn = (called & (labels == 0)).sum(), (~called & (labels == 1)).sum()
    assert pixel_metrics(counts)["f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn))


def test_a_random_score_reaches_the_baseline():
    random = np.random.default_rng(0)
    labels = (random.random(400_000) < 0.05).astype(np.uint8)
    found = pixel_metrics(histogram(score_keys(to_float16(random.random(400_000))), labels))
    for name, value in random_baseline(labels.mean()).items():
        assert found[name] == pytest.approx(value, abs=0.01)


def test_a_tally_equals_the_whole_set_at_once_and_survives_the_disk(tmp_path):
    maps, labels = frames()
    labels[4] = 255  # an image without a mask
    made = tallied(maps, labels)
    kept = labels != 255
    truth = expected(labels[kept], maps[:, 1][kept].astype(float))
    sources = [f"s{i}" for i in range(6)]
    found = made.estimates("b", Blocks.of([sources]))
    for name, value in truth.items():
        assert found[name].value == pytest.approx(value, abs=1e-12)
        assert found[name].low < value < found[name].high
    count, means = made.image_means("b", Blocks.of([sources]))
    assert count == 5
    each = [expected(labels[i][kept[i]], maps[i, 1][kept[i]].astype(float))["ap"] for i in range(6) if i != 4]
    assert means["ap"].value == pytest.approx(np.mean(each), abs=1e-12)
    part = made.estimates("b", Blocks.of([sources]), rows=[0, 4, 5])
    both = kept[[0, 5]]
    assert part["ap"].value == pytest.approx(
        expected(labels[[0, 5]][both], maps[[0, 5], 1][both].astype(float))["ap"], abs=1e-12
    )
    made.save(tmp_path)
    again = PixelSet.load(tmp_path)
    assert again.estimates("b", Blocks.of([sources])) == found and again.keys == made.keys
    path = tmp_path / "pixels.safetensors"
    path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    assert PixelSet.load(tmp_path) is None and PixelSet.load(tmp_path / "none") is None


def bilinear(plane, size):
    """(h, w) -> size in float64, pixel by pixel: centres are aligned, the edges are repeated."""
    (h, w), (height, width) = plane.shape, size
    found = np.zeros(size)
    for row in range(height):
        for column in range(width):
            y, x = (row + 0.5) * h / height - 0.5, (column + 0.5) * w / width - 0.5
            top, left = max(y, 0), max(x, 0)
            y0, x0 = int(top), int(left)
            y1, x1, dy, dx = min(y0 + 1, h - 1), min(x0 + 1, w - 1), top - y0, left - x0
            upper = plane[y0, x0] * (1 - dx) + plane[y0, x1] * dx
            found[row, column] = upper * (1 - dy) + (plane[y1, x0] * (1 - dx) + plane[y1, x1] * dx) * dy
    return found


def test_maps_are_enlarged_to_masks_of_any_size():
    """Against float64 by hand; one batch holds masks of three sizes, one of them that of the maps."""
    random = np.random.default_rng(0)
    maps = torch.from_numpy(random.normal(size=(3, 2, 12, 20)).astype(np.float32))
    labels = [(random.random(size) < 0.2).astype(np.uint8) for size in ((30, 41), (12, 20), (23, 20))]
    labels[0][:4] = 255
    with PixelTally(["a", "b"]) as tally:
        tally.add(maps, [labels[0], torch.from_numpy(labels[1]), labels[2]], ["x", "y", "z"])
        made = tally.finish()
    for name, plane in (("a", 0), ("b", 1)):
        large = [
            bilinear(m[plane].double().numpy(), label.shape) for m, label in zip(maps, labels, strict=True)
        ]
        kept = np.concatenate([label.ravel() for label in labels])
        scores = np.concatenate([one.ravel() for one in large])[kept != 255]
        found = made.scores[name].metrics(np.ones((1, 3)))
        for metric, value in expected(kept[kept != 255], scores).items():
            assert found[metric][0] == pytest.approx(value, abs=1e-3), metric
        for one, m, label in zip(large, maps, labels, strict=True):
            mine = enlarged(m[plane], label.shape)
            np.testing.assert_allclose(mine.astype(float), one, atol=1e-3, rtol=1e-3)
        threshold = made.scores[name].threshold[0]
        parts = [
            components(enlarged(m[plane], label.shape) >= threshold, label)
            for m, label in zip(maps, labels, strict=True)
        ]
        assert made.scores[name].siou.tolist() == np.concatenate([part.siou for part in parts]).tolist()
    counts = [[(label == v).sum() for v in (0, 1, 255)] for label in labels]
    assert made.images.tolist() == counts, "of the masks as they are"


def test_maps_become_float16_after_they_are_enlarged():
    plane = torch.tensor([[0.0, 1 + 2**-12]])
    assert enlarged(plane, (1, 4))[0, 2] == np.float16(0.75 * (1 + 2**-12))
    assert enlarged(torch.full((2, 2), 1e9), (3, 3)).max() == 65504


def test_components_of_both_tracks_are_counted_in_pixels(tmp_path):
    """45 and 60 pixels: the obstacle track counts 50 and more, of the predicted ones."""
    labels = np.zeros((1, 200, 400), np.uint8)
    labels[0, 10:15, 10:19], labels[0, 50:56, 50:60] = 1, 1
    maps = torch.from_numpy(np.where(labels == 1, 1.0, 0.0))[:, None]
    found = {}
    for smallest in (None, (50, 10), (500, 100)):
        with PixelTally(["s"], None, "exact", smallest) as tally:
            tally.add(maps, labels, ["k"])
            made = tally.finish()
        found[smallest] = len(made.scores["s"].siou), len(made.scores["s"].ppv)
        made.save(tmp_path)
        assert PixelSet.load(tmp_path, "exact", smallest).smallest == smallest
        assert PixelSet.load(tmp_path, "exact", (7, 7)) is None, "tallies of other sizes are not used"
        assert PixelSet.load(tmp_path, "smiyc", smallest) is None
    assert found == {None: (2, 2), (50, 10): (2, 1), (500, 100): (0, 0)}


def test_intervals_draw_sources_not_images():
    """Copies of every image under one source say nothing new: the interval does not shrink."""
    maps, labels = frames(8, shift=0.5)
    few = tallied(maps, labels).estimates("a", Blocks.of([[f"s{i}" for i in range(8)]]))["ap"]
    copies = tallied(np.tile(maps, (6, 1, 1, 1)), np.tile(labels, (6, 1, 1)))
    honest = copies.estimates("a", Blocks.of([[f"s{i % 8}" for i in range(48)]]))["ap"]
    naive = copies.estimates("a", Blocks.of([[f"s{i}" for i in range(48)]]))["ap"]
    assert honest.value == pytest.approx(few.value)
    assert honest.high - honest.low == pytest.approx(few.high - few.low, rel=0.35)
    assert naive.high - naive.low < 0.6 * (honest.high - honest.low)


def test_a_set_without_one_class_has_no_metrics():
    maps, labels = frames()
    made = tallied(maps, np.where(labels == 1, 255, labels).astype(np.uint8))
    with pytest.raises(ValueError, match="no pixels of one of the classes"):
        made.estimates("a", Blocks.of([["s"] * 6]))
    assert made.image_means("a", Blocks.of([["s"] * 6])) == (0, {})
    assert len(made.scores["a"].threshold) == 0


# components, on masks small enough to count by hand


def grid(*boxes, shape=(20, 20)):
    mask = np.zeros(shape, bool)
    for top, left, height, width in boxes:
        mask[top : top + height, left : left + width] = True
    return mask


def compare(predicted, true, ignored=None, **options):
    labels = true.astype(np.uint8)
    if ignored is not None:
        labels[ignored] = 255
    return components(predicted, labels, **({"smallest": (0, 0)} | options))


def test_a_half_found_thing():
    found = compare(grid((2, 2, 4, 2)), grid((2, 2, 4, 4)))
    assert found.siou.tolist() == [0.5] and found.ppv.tolist() == [1.0]


def test_one_finding_over_two_neighbours_is_not_punished():
    found = compare(grid((2, 2, 4, 9)), grid((2, 2, 4, 4), (2, 7, 4, 4)))
    assert found.siou == pytest.approx([16 / 20, 16 / 20]), "36 predicted, 16 of them are the other thing"
    assert found.ppv == pytest.approx([32 / 36])


def test_fragments_count_together_and_false_alarms_alone():
    found = compare(grid((2, 2, 4, 1), (2, 5, 4, 1), (12, 12, 3, 3)), grid((2, 2, 4, 4)))
    assert found.siou.tolist() == [8 / 16]
    assert sorted(found.ppv.tolist()) == [0.0, 1.0, 1.0]


def test_ignored_pixels_and_small_components():
    predicted, true = grid((2, 2, 4, 4), (10, 10, 1, 1)), grid((2, 2, 4, 2), (15, 15, 1, 1))
    found = compare(predicted, true, ignored=grid((2, 4, 4, 2)), smallest=(2, 2))
    assert found.siou.tolist() == [1.0] and found.ppv.tolist() == [1.0]
    touching = compare(grid((15, 15, 2, 2)), true, smallest=(0, 2))
    assert touching.siou.tolist() == [0.0], "8-connected: the small thing is ignored, the large one missed"
    diagonal = grid((2, 2, 2, 2), (4, 4, 2, 2))
    assert len(compare(diagonal, diagonal).siou) == 1


def test_component_f1_is_the_mean_over_thresholds():
    siou, ppv = np.array([0.9, 0.5, 0.1]), np.array([1.0, 0.6, 0.0])
    found = {name: float(value[0]) for name, value in component_metrics(siou, ppv).items()}
    each = []
    for tau in np.linspace(0.25, 0.75, 11):
        tp, fp = (siou >= tau).sum(), (ppv < tau).sum()
        each.append(2 * tp / (2 * tp + (3 - tp) + fp))
    assert found == pytest.approx({"siou": 0.5, "ppv": 1.6 / 3, "f1_components": np.mean(each)})
    assert component_metrics(siou, np.zeros(0))["ppv"][0] == 0
    with pytest.raises(ValueError, match="no anomalous components"):
        component_metrics(np.zeros(0), ppv)


def by_full_image_masks(predicted, labels, smallest_predicted, smallest_true):
    """The definition, component by component: sizes first, then small true things are cut out of everything."""
    _, gt = cv2.connectedComponents((labels == 1).astype(np.uint8), connectivity=8)
    _, pr = cv2.connectedComponents((predicted & (labels != 255)).astype(np.uint8), connectivity=8)
    found = [pr == p for p in range(1, pr.max() + 1) if (pr == p).sum() >= smallest_predicted]
    things = [gt == k for k in range(1, gt.max() + 1)]
    small = np.zeros(labels.shape, bool)
    for thing in things:
        if thing.sum() < smallest_true:
            small |= thing
    things = [thing for thing in things if not (thing & small).any()]
    found = [one & ~small for one in found if (one & ~small).any()]
    siou = []
    for thing in things:
        cover = np.zeros(labels.shape, bool)
        for one in found:
            cover |= one if (one & thing).any() else False
        others = cover & (labels == 1) & ~thing
        siou.append((thing & cover).sum() / ((thing | cover) & ~others).sum())
    return siou, [((labels == 1) & one).sum() / one.sum() for one in found]


@pytest.mark.parametrize(("smallest_predicted", "smallest_true"), [(0, 0), (48, 14.4)])
def test_components_against_full_image_masks(smallest_predicted, smallest_true):
    random = np.random.default_rng(3)
    for _ in range(20):
        predicted, true, void = (
            cv2.GaussianBlur(random.normal(size=(40, 60)), (0, 0), 2) > level for level in (0.08, 0.12, 0.25)
        )
        labels = np.where(void, 255, true).astype(np.uint8)
        found = components(predicted, labels, (smallest_predicted, smallest_true))
        siou, ppv = by_full_image_masks(predicted, labels, smallest_predicted, smallest_true)
        np.testing.assert_allclose(found.siou, siou, rtol=1e-12)
        np.testing.assert_allclose(found.ppv, ppv, rtol=1e-12)


def test_a_finding_is_measured_before_small_things_are_cut_out():
    """5 of its 9 pixels lie on a thing too small to count: it is large enough, stays one, and hits nothing."""
    true = grid((10, 10, 5, 1))
    found = compare(grid((8, 10, 9, 1)), true, smallest=(9, 6))
    assert found.siou.tolist() == [] and found.ppv.tolist() == [0.0]
    inside = compare(true, true, smallest=(0, 6))
    assert inside.siou.tolist() == [] and inside.ppv.tolist() == []


# the probe


def test_pixel_maps_rank_like_their_definitions(tiny):
    network = tiny(dense=True)
    x = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with OnePass(network, [PixelMaps()]) as run:
        maps = run(x, ["a", "b", "c"])[PixelMaps().name]
        assert run.forwarded == {"shared_pass": 3}
    assert maps.dtype == torch.float32 and maps.shape == (3, len(PIXEL_SCORES), 16, 16)
    p = network(x).double().softmax(1).detach()
    msp = 1 - p.amax(1)
    torch.testing.assert_close(maps[:, 0].double().sigmoid(), msp, rtol=2e-3, atol=0)
    torch.testing.assert_close(maps[:, 3].double(), -(p * p.log()).sum(1), rtol=1e-3, atol=1e-4)


def test_sure_pixels_are_not_tied():
    """1 - p of these is 0 in float32; their log odds are apart."""
    from lsood.probes.image import ForwardOutputs

    logits = torch.zeros(1, 3, 1, 3)
    logits[0, 0, 0] = torch.tensor([30.0, 40.0, 200_000.0])
    forward = ForwardOutputs(None, logits, logits, ["a"], None, {}, {})
    maps = PixelMaps()(forward, None)[0, 0, 0]
    assert maps[0] > maps[1] > maps[2] and maps.isfinite().all()
