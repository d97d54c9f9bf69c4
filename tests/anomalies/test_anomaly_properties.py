"""What every kind in the registry promises, on images, sizes, seeds and scenes that hypothesis picks."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anomalies import ANOMALIES, Scene, generator, mask
from anomalies.base import IGNORED
from anomalies.scene import VOID

KINDS = list(ANOMALIES)
# Controls change pixels, and labels with them, that must not count as anomalous.
ANOMALOUS_KINDS = [kind for kind in KINDS if ANOMALIES[kind].family != "control"]
PIXEL_KINDS = [kind for kind in ANOMALOUS_KINDS if ANOMALIES[kind].level == "pixel"]
# The constants of ImageNet-C and albumentations are theirs, and not always monotone.
GROWING_KINDS = [kind for kind in ANOMALOUS_KINDS if ANOMALIES[kind].family not in ("imagenet-c", "compat")]
CLASSES = ("road", "building", "sky", "car", "person")
UNCHANGED = 0.01

SIDES = st.integers(16, 96)
USUAL_SIDES = st.integers(32, 96)
CHANNELS = st.sampled_from([1, 3])
SEVERITY = st.integers(1, 5)
SEED = st.integers(0, 2**32)
KEY = st.text(max_size=6)

few = settings(
    max_examples=6,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def picture(height, width, channels, seed):
    """A street: bright sky, walls with windows, a grey road with texture; neither black nor white anywhere."""
    rng = np.random.default_rng(seed)
    horizon = int(rng.uniform(0.35, 0.5) * height)
    image = np.empty((height, width, 3), dtype=np.float32)
    image[:horizon] = rng.uniform(150, 200, 3)
    image[horizon:] = rng.uniform(80, 120)
    for _ in range(6):
        x, y = rng.integers(0, width), rng.integers(0, max(1, horizon - 4))
        image[y : horizon + 4, x : x + max(4, width // 6)] = rng.uniform(50, 200, 3)
    coarse = rng.normal(0, 12, (8, 12, 3)).astype(np.float32)
    image += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) + rng.normal(
        0, 6, image.shape
    )
    image = image.clip(10, 245).astype(np.uint8)
    return image if channels == 3 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]


def street_labels(height, width, seed):
    """Sky over buildings over road, a few cars and people, void at the bottom."""
    rng = np.random.default_rng(seed + 1)
    labels = np.full((height, width), CLASSES.index("building"), dtype=np.uint8)
    labels[: height // 4] = CLASSES.index("sky")
    labels[height // 2 :] = CLASSES.index("road")
    for name in ("car", "person"):
        y, x = int(rng.integers(height // 3, height // 2)), int(rng.integers(0, width - 3))
        labels[y : y + height // 5, x : x + width // 8] = CLASSES.index(name)
    labels[-max(1, height // 16) :] = VOID
    return labels


@st.composite
def scenes(draw, height, width, seed):
    """Nothing known, or labels, or labels and depth."""
    known = draw(st.integers(0, 2))
    if known == 0:
        return Scene()
    depth = None
    if known == 2:
        rows = np.arange(height, dtype=np.float32)[:, None]
        depth = np.repeat(1.3 * 2 * height / np.maximum(rows - 0.42 * height, 0.5), width, axis=1)
        depth = np.minimum(depth, 300).astype(np.float32)
    return Scene(street_labels(height, width, seed), CLASSES, depth)


def drawn(kind, severity, image, seed, key, scene):
    return ANOMALIES[kind](severity).render(image, generator(seed, kind, key), scene)


def change(rendered, image):
    """(H, W) largest difference of a pixel's channels."""
    return np.abs(rendered.image.astype(np.int16) - image).max(axis=2)


@pytest.mark.parametrize("kind", KINDS)
@few
@given(data=st.data(), height=SIDES, width=SIDES, channels=CHANNELS, severity=SEVERITY, seed=SEED, key=KEY)
def test_shapes_ranges_determinism_and_input(kind, data, height, width, channels, severity, seed, key):
    image = picture(height, width, channels, seed % 1000)
    scene = data.draw(scenes(height, width, seed % 1000))
    given_maps = [m for m in (image, scene.labels, scene.depth) if m is not None]
    before = [m.copy() for m in given_maps]
    for given_map in given_maps:
        given_map.flags.writeable = False
    rendered = drawn(kind, severity, image, seed, key, scene)
    for given_map, untouched in zip(given_maps, before, strict=True):
        np.testing.assert_array_equal(given_map, untouched)
        assert not np.shares_memory(rendered.image, given_map)

    assert rendered.image.shape == image.shape
    assert rendered.image.dtype == np.uint8
    assert (rendered.alpha is None) == (ANOMALIES[kind].level == "image")
    if rendered.alpha is not None:
        assert rendered.alpha.shape == (height, width)
        assert rendered.alpha.dtype == np.float32
        assert 0 <= rendered.alpha.min() <= rendered.alpha.max() <= 1
    for name, dtype in (("labels", np.uint8), ("instances", np.uint16), ("soiling", np.uint8)):
        values = getattr(rendered, name)
        assert values is None or (values.shape == (height, width) and values.dtype == dtype), name
    assert rendered.soiling is None or rendered.soiling.max() <= 3

    again = drawn(kind, severity, image, seed, key, scene)
    for name in ("image", "alpha", "labels", "instances", "soiling"):
        first, second = getattr(rendered, name), getattr(again, name)
        assert (first is None) == (second is None)
        assert first is None or np.array_equal(first, second), f"{name} differs between two equal calls"
    assert rendered.details == again.details


@pytest.mark.parametrize("kind", PIXEL_KINDS)
@few
@given(data=st.data(), height=SIDES, width=SIDES, channels=CHANNELS, severity=SEVERITY, seed=SEED, key=KEY)
def test_mask_is_where_the_image_changed(kind, data, height, width, channels, severity, seed, key):
    image = picture(height, width, channels, seed % 1000)
    scene = data.draw(scenes(height, width, seed % 1000))
    rendered = drawn(kind, severity, image, seed, key, scene)
    changed = change(rendered, image)
    assert changed[rendered.alpha <= UNCHANGED].max(initial=0) <= 1, "changed outside of alpha"
    anomalous = mask(rendered.alpha) == 1
    if anomalous.sum() >= 20:
        assert (changed[anomalous] > 0).mean() > 0.8, (
            "labelled anomalous, yet the pixels are those of the input"
        )
    if rendered.instances is not None:
        assert rendered.instances[anomalous].all(), "anomalous pixels without an instance"
        assert not rendered.instances[rendered.alpha == 0].any(), "instances outside of alpha"


@pytest.mark.parametrize("kind", ANOMALOUS_KINDS)
@few
@given(height=SIDES, width=SIDES, channels=CHANNELS, severity=SEVERITY, seed=SEED, key=KEY)
def test_labels_stay_outside_of_the_mask(kind, height, width, channels, severity, seed, key):
    image = picture(height, width, channels, seed % 1000)
    scene = Scene(street_labels(height, width, seed % 1000), CLASSES)
    rendered = drawn(kind, severity, image, seed, key, scene)
    if rendered.labels is None:
        return
    assert set(np.unique(rendered.labels)) <= {*np.unique(scene.labels), VOID}, "labels that were not there"
    if rendered.alpha is not None:
        outside = rendered.alpha < IGNORED
        np.testing.assert_array_equal(rendered.labels[outside], scene.labels[outside])


@pytest.mark.parametrize("kind", GROWING_KINDS)
@few
@given(data=st.data(), height=USUAL_SIDES, width=USUAL_SIDES, channels=CHANNELS, seed=SEED, key=KEY)
def test_severity_is_strictly_monotone(kind, data, height, width, channels, seed, key):
    image = picture(height, width, channels, seed % 1000)
    scene = data.draw(scenes(height, width, seed % 1000))
    images = [drawn(kind, severity, image, seed, key, scene).image for severity in range(1, 6)]
    means = [np.abs(other.astype(np.int16) - image).mean() for other in images]
    assert means[0] > 0, "severity 1 changes nothing"
    assert all(weaker < stronger for weaker, stronger in pairwise(means)), means


@pytest.mark.parametrize("kind", KINDS)
@few
@given(level=st.integers(0, 255), height=SIDES, width=SIDES, channels=CHANNELS, severity=SEVERITY, seed=SEED)
def test_uniform_images_are_drawn_too(kind, level, height, width, channels, severity, seed):
    """Night, a covered lens, white-out: nothing divides by the contrast."""
    image = np.full((height, width, channels), level, dtype=np.uint8)
    with np.errstate(all="raise", under="ignore"):
        rendered = drawn(kind, severity, image, seed, "a", Scene())
    assert rendered.image.shape == image.shape
    assert rendered.alpha is None or np.isfinite(rendered.alpha).all()
