"""Naive detectors: what the statistics say about images whose answer is known, and levels of difficulty."""

import time

import cv2
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from anomalies import ANOMALIES, generator
from anomalies.difficulty.image_statistics import MAHALANOBIS, STATISTICS, NaiveDetector, statistics
from anomalies.difficulty.pixel_scores import PIXEL_DETECTORS, pixel_scores
from anomalies.difficulty.table import COLUMNS, TOO_FEW, Difficulty, level

SHAPES = [(1, 1, 3), (2, 3, 1), (16, 16, 3), (32, 32, 1), (97, 61, 3), (256, 512, 3)]


def street(seed, shape=(96, 192, 3)):
    """Sky over a ground with boxes; colours, contrast and noise differ from frame to frame."""
    rng = np.random.default_rng(seed)
    height, width = shape[:2]
    image = np.linspace(rng.uniform(150, 210), rng.uniform(60, 110), height)[:, None, None] + np.zeros(
        (1, width, 3)
    )
    for _ in range(12):
        x, y, w, h = rng.integers(0, width), rng.integers(height // 3, height), *rng.integers(6, 40, 2)
        image[y : y + h, x : x + w] = rng.uniform(20, 220, 3)
    image += rng.normal(0, rng.uniform(2, 5), image.shape) + rng.uniform(-8, 8, 3)
    image = image.clip(0, 255).astype(np.uint8)
    return image if shape[2] == 3 else image[..., :1]


@pytest.fixture(scope="module")
def streets():
    frames = [street(seed) for seed in range(80)]
    return frames, np.stack([statistics(frame) for frame in frames])


def value(image, name):
    return statistics(image)[STATISTICS.index(name)]


def flat(*colour, shape=(40, 60)):
    return np.full((*shape, len(colour)), colour, dtype=np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
def test_any_size_gives_finite_numbers_and_leaves_the_input(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    before = image.copy()
    image.flags.writeable = False
    found = statistics(image)
    assert found.shape == (11,) and found.dtype == np.float64 and np.isfinite(found).all()
    for score in pixel_scores(image).values():
        assert score.shape == shape[:2] and score.dtype == np.float32
        assert np.isfinite(score).all() and score.min() >= 0
    np.testing.assert_array_equal(image, before)
    wide = np.zeros((shape[0], 2 * shape[1], shape[2]), dtype=np.uint8)
    wide[:, ::2] = image
    np.testing.assert_array_equal(statistics(wide[:, ::2]), found)


def test_statistics_of_uniform_images_are_known():
    image = flat(200, 100, 50)
    luma = round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    assert value(image, "brightness") == luma and value(image, "contrast") == 0
    assert value(image, "saturation") == pytest.approx(255 * (1 - 50 / 200), abs=1)
    assert value(image, "warmth") == 150 and value(image, "dark_channel") == 50
    assert value(image, "sharpness") == 0 and value(image, "direction") == 0
    assert abs(value(image, "shadows") - luma) <= 0.5 and abs(value(image, "highlights") - luma) <= 0.5
    grey = flat(77)
    assert value(grey, "saturation") == value(grey, "warmth") == 0
    assert value(grey, "brightness") == value(grey, "dark_channel") == 77


def test_brightness_contrast_and_quantiles_equal_numpy():
    image = street(3)
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    assert value(image, "brightness") == pytest.approx(luma.mean(), abs=1e-9)
    assert value(image, "contrast") == pytest.approx(luma.std(), abs=1e-9)
    assert value(image, "shadows") == pytest.approx(np.quantile(luma, 0.01), abs=1)
    assert value(image, "highlights") == pytest.approx(np.quantile(luma, 0.99), abs=1)
    assert value(image, "sharpness") == pytest.approx(
        np.log1p(cv2.Laplacian(luma, cv2.CV_64F).var()), abs=1e-9
    )


def test_each_statistic_answers_to_what_it_is_named_after():
    image = street(5)
    rng = np.random.default_rng(0)
    blurred = cv2.GaussianBlur(image, (0, 0), 2)
    streaked = cv2.blur(image, (15, 1))
    noisy = (image + rng.normal(0, 12, image.shape)).clip(0, 255).astype(np.uint8)
    hazy = (0.5 * image + 110).astype(np.uint8)
    assert value(blurred, "sharpness") < value(image, "sharpness") - 1
    assert value(streaked, "direction") < value(image, "direction") - 0.5
    assert value(noisy, "noise") > value(image, "noise") + 0.5
    assert value(noisy, "jpeg_size") > value(image, "jpeg_size") > value(blurred, "jpeg_size")
    assert value(hazy, "dark_channel") > value(image, "dark_channel") + 30
    assert value(hazy, "contrast") < 0.6 * value(image, "contrast")
    assert value(hazy, "saturation") < value(image, "saturation")


def test_scores_equal_the_textbook(streets):
    _, clean = streets
    detector = NaiveDetector.fit(clean)
    z = (clean - clean.mean(0)) / clean.std(0)
    weight = 11 / (len(z) + 11)
    precision = np.linalg.inv((1 - weight) * np.corrcoef(clean.T) + weight * np.eye(11))
    scores = detector.scores(clean)
    np.testing.assert_allclose(scores[MAHALANOBIS] ** 2, np.einsum("nd,de,ne->n", z, precision, z), rtol=1e-9)
    np.testing.assert_allclose(scores["contrast"], np.abs(z[:, 1]), rtol=1e-9)
    assert set(scores) == {MAHALANOBIS, *STATISTICS}
    one = np.concatenate([detector.scores(row[None])[MAHALANOBIS] for row in clean])
    np.testing.assert_array_equal(one, scores[MAHALANOBIS])


def test_constant_statistics_and_two_images_are_enough():
    detector = NaiveDetector.fit(np.stack([statistics(flat(9)), statistics(flat(12))]))
    assert all(np.isfinite(v).all() for v in detector.scores(statistics(street(0))[None]).values())


@pytest.mark.parametrize(
    ("clean", "message"),
    [
        (np.zeros((1, 11)), "at least 2 images, got (1, 11)"),
        (np.zeros((5, 3)), "must be (N, 11)"),
        (np.full((5, 11), np.nan), "NaN"),
    ],
)
def test_fit_refuses(clean, message):
    with pytest.raises(ValueError, match=r"naive: .*") as caught:
        NaiveDetector.fit(clean)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 3), dtype=np.float32), "must be a numpy array of uint8"),
        (np.zeros((4, 4), dtype=np.uint8), "shape (H, W, 3) or (H, W, 1), got (4, 4)"),
        (np.zeros((4, 4, 4), dtype=np.uint8), "got (4, 4, 4)"),
        (np.zeros((0, 4, 3), dtype=np.uint8), "got (0, 4, 3)"),
        ([[1]], "got list"),
    ],
)
def test_images_refused(image, message):
    for function in (statistics, pixel_scores):
        with pytest.raises(ValueError, match="naive: image") as caught:
            function(image)
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("auroc", "name"),
    [(1, "trivial"), (0.95, "trivial"), (0.9499, "easy"), (0.8, "easy"), (0.79, "medium"), (0.65, "medium"),
     (0.649, "hard"), (0.5, "hard"), (0.2, "hard"), (float("nan"), TOO_FEW)],
)  # fmt: skip
def test_levels(auroc, name):
    assert level(auroc) == name


def collected(streets, kinds):
    frames, clean = streets
    found = Difficulty()
    for kind, severity, change in kinds:
        for i, frame in enumerate(frames):
            found.add(kind, severity, clean[i], statistics(change(frame, i)))
    return found


def drawn(kind, severity):
    return lambda image, i: ANOMALIES[kind](severity).render(image, generator(0, kind, str(i))).image


def test_fog_is_trivial_and_no_change_is_hard(streets):
    """The figure behind this module: the reference's fog against eleven statistics, AUROC 1.000."""
    kinds = [("fog", 4, drawn("fog", 4)), ("identity", 1, lambda image, i: image)]
    table = collected(streets, kinds).table()
    assert tuple(table.columns) == COLUMNS and table.n.tolist() == [80, 80]
    fog, identity = table.set_index("kind").loc["fog"], table.set_index("kind").loc["identity"]
    assert fog.image_auroc >= 0.995 and fog.level == "trivial"
    assert identity.image_auroc == pytest.approx(0.5, abs=1e-12) and identity.level == "hard"
    assert np.isnan(fog.pixel_auroc)


def test_the_best_of_twelve_is_not_a_lucky_one(streets):
    """Frames of the same scene type against themselves: picking the best detector must not lift the AUROC."""
    _, clean = streets
    values = []
    for trial in range(30):
        rng = np.random.default_rng(trial)
        found = Difficulty()
        others = np.stack([rng.normal(clean.mean(0), clean.std(0)) for _ in clean])
        for frame in rng.normal(clean.mean(0), clean.std(0), clean.shape):
            found.add("same", 1, frame, others[len(values) % 80])
            others = np.roll(others, 1, axis=0)
        values.append(found.table().image_auroc.item())
    assert np.mean(values) == pytest.approx(0.5, abs=0.03)


def test_order_and_processes_do_not_matter(streets):
    whole = collected(streets, [("noise", s, drawn("fog", s)) for s in (1, 2)])
    parts = [Difficulty(), Difficulty()]
    for (kind, severity), pairs in whole.images.items():
        for i, pair in enumerate(reversed(pairs)):
            parts[i % 2].add(kind, severity, *pair)
    masks = [np.zeros((96, 192), np.uint8) for _ in range(3)]
    for i, mask in enumerate(masks):
        mask[i : 20 + i, 10:30] = 1
        scores = pixel_scores(street(i))
        whole.add_pixels("noise", 1, scores, mask)
        parts[i % 2].add_pixels("noise", 1, scores, mask)
    merged = parts[1].merge(parts[0])
    assert merged.table().equals(whole.table())
    np.testing.assert_array_equal(merged.pixels["noise", 1], whole.pixels["noise", 1])


def pasted(colour):
    """25 frames with a textured box: (image, mask), the box of a colour or, for None, from the frame itself."""
    for i in range(25):
        image, mask = street(i), np.zeros((96, 192), np.uint8)
        rng = np.random.default_rng(i)
        x, y = int(rng.integers(0, 150)), int(rng.integers(0, 60))
        if colour is not None:
            image[y : y + 24, x : x + 30] = np.clip(rng.normal(colour, 4, (24, 30, 3)), 0, 255)
        mask[y : y + 24, x : x + 30] = 1
        mask[:4] = 255
        yield image, mask


def test_foreign_colours_are_trivial_and_own_pixels_hard():
    found = Difficulty()
    for kind, colour in (("magenta", (230, 10, 220)), ("own", None)):
        for image, mask in pasted(colour):
            found.add_pixels(kind, 1, pixel_scores(image), mask)
    table = found.table().set_index("kind")
    assert table.loc["magenta"].level == "trivial" and table.loc["magenta"].pixel_detector == "lab"
    share = 24 * 30 / (92 * 192)
    assert table.loc["magenta"].pixel_ap > 8 * share
    assert table.loc["own"].level == "hard" and table.loc["own"].pixel_ap < 2 * share
    assert table.n.tolist() == [25, 25] and table.image_auroc.isna().all()


def test_pixel_figures_equal_scikit_learn():
    found, scores, masks = Difficulty(), {name: [] for name in PIXEL_DETECTORS}, []
    for image, mask in pasted((120, 60, 60)):
        own = pixel_scores(image)
        found.add_pixels("box", 3, own, mask)
        masks.append(mask)
        for name in scores:
            scores[name].append(own[name])
    row = found.table().iloc[0]
    kept = np.stack(masks) < 255
    labels = np.stack(masks)[kept]
    aurocs = {name: roc_auc_score(labels, np.stack(values)[kept]) for name, values in scores.items()}
    best = max(aurocs, key=aurocs.get)
    assert row.pixel_detector == best
    assert row.pixel_auroc == pytest.approx(aurocs[best], abs=1e-3)
    expected = average_precision_score(labels, np.stack(scores[best])[kept])
    assert row.pixel_ap == pytest.approx(expected, abs=5e-3)


def test_noise_and_compression_maps_point_at_what_does_not_belong():
    image = street(2)
    smooth = image.copy()
    smooth[30:70, 50:120] = cv2.GaussianBlur(image, (0, 0), 3)[30:70, 50:120]
    inside = (slice(36, 64), slice(56, 114))
    for name in ("noise", "jpeg_error"):
        assert pixel_scores(smooth)[name][inside].mean() > 2 * pixel_scores(image)[name][inside].mean(), name


def test_too_few_images_are_no_figure(streets):
    _, clean = streets
    found = Difficulty()
    found.add("fog", 1, clean[:19], clean[:19] + 5)
    for image, mask in list(pasted((230, 10, 220)))[:19]:
        found.add_pixels("fog", 1, pixel_scores(image), mask)
    row = found.table().iloc[0]
    assert row.level == TOO_FEW and np.isnan(row.image_auroc) and np.isnan(row.pixel_auroc) and row.n == 19
    assert Difficulty().table().empty


def test_masks_that_cover_all_or_nothing_are_no_pixel_figure():
    found = Difficulty()
    for i in range(20):
        found.add_pixels("all", 1, pixel_scores(street(i)), np.ones((96, 192), np.uint8))
        found.add_pixels("none", 1, pixel_scores(street(i)), np.zeros((96, 192), np.uint8))
    assert found.table().pixel_auroc.isna().all()


def test_what_cannot_be_collected_is_refused():
    found, scores = Difficulty(), pixel_scores(street(0))
    with pytest.raises(ValueError, match=r"must both be \(11,\)"):
        found.add("fog", 1, np.zeros(11), np.zeros(10))
    with pytest.raises(ValueError, match="fog 1 hold NaN"):
        found.add("fog", 1, np.zeros(11), np.full(11, np.nan))
    with pytest.raises(ValueError, match=r"the mask is \(5, 5\)"):
        found.add_pixels("fog", 1, scores, np.zeros((5, 5), np.uint8))
    with pytest.raises(ValueError, match="0, 1 and 255 only"):
        found.add_pixels("fog", 1, scores, np.full((96, 192), 7, np.uint8))
    with pytest.raises(ValueError, match="finite and not negative"):
        found.add_pixels("fog", 1, {**scores, "lab": scores["lab"] - 100}, np.zeros((96, 192), np.uint8))
    assert found.table().empty


def test_statistics_cost_a_few_milliseconds():
    image = street(0, (256, 512, 3))
    statistics(image)
    start = time.process_time()
    for _ in range(5):
        statistics(image)
    assert (time.process_time() - start) / 5 < 0.03
