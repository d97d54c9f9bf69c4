"""What every kind promises, on images from 16x16 to 256x512, colour and grey."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalies import ANOMALIES, Identity, Mud, Scene, generator, mask

KINDS = sorted(kind for kind, anomaly in ANOMALIES.items() if anomaly.family != "control")
# A uniform image has no texture to blur or move, a black one no light to lose.
NEED_TEXTURE = {"defocus", "downscale", "gaussian_blur", "jpeg", "motion_blur", "torn_frame", "zoom_blur"}
NEED_LIGHT = {"flicker", "vignetting"}
# The constants of ImageNet-C are not monotone and partly not random; tests of its own say for which kinds.
GRADED = [kind for kind in KINDS if ANOMALIES[kind].family != "imagenet-c"]
ON_ONE_COLOUR = [
    kind
    for kind in KINDS
    if ANOMALIES[kind].family not in ("geometric", "patches", "imagenet-c") and kind not in NEED_TEXTURE
]
SHAPES = [(16, 16, 3), (32, 32, 1), (32, 32, 3), (97, 61, 3), (256, 512, 3), (520, 400, 1)]


def scene(shape, seed=0):
    """A bright sky over a textured ground, neither black nor white anywhere."""
    rng = np.random.default_rng(seed)
    rows = np.linspace(190, 70, shape[0])[:, None, None]
    return (rows + rng.integers(-40, 41, shape)).astype(np.uint8)


def smooth(shape, seed=0):
    """A scene with a natural spectrum: shifted by a little, it differs by a little."""
    rng, pattern = (
        np.random.default_rng(seed),
        np.linspace(60, -60, shape[0])[:, None, None] + np.zeros(shape),
    )
    for cells in (2, 4, 8, 16, 32):
        grid = rng.uniform(-90, 90, (cells + 1, cells + 1, shape[2])).astype(np.float32)
        layer = cv2.resize(grid, shape[1::-1], interpolation=cv2.INTER_CUBIC).reshape(shape)
        pattern += layer / np.sqrt(cells)
    return np.clip(128 + pattern, 0, 255).astype(np.uint8)


def drawn(kind, severity, image, key="a"):
    return ANOMALIES[kind](severity).render(image, generator(0, kind, key))


def change(rendered, image):
    return np.abs(rendered.image.astype(np.int16) - image)


@pytest.mark.parametrize("kind", list(ANOMALIES))
@pytest.mark.parametrize("shape", SHAPES)
def test_shape_type_alpha_and_input(kind, shape):
    image = scene(shape)
    before = image.copy()
    image.flags.writeable = False
    for severity in (1, 5):
        rendered = drawn(kind, severity, image)
        assert rendered.image.shape == shape
        assert rendered.image.dtype == np.uint8
        assert not np.shares_memory(rendered.image, image)
        assert (rendered.alpha is None) == (ANOMALIES[kind].level == "image")
        if rendered.alpha is not None:
            assert rendered.alpha.shape == shape[:2]
            assert rendered.alpha.dtype == np.float32
            assert 0 <= rendered.alpha.min() <= rendered.alpha.max() <= 1
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("kind", GRADED)
@pytest.mark.parametrize("shape", SHAPES)
def test_severity_is_strictly_monotone(kind, shape):
    image = smooth(shape) if ANOMALIES[kind].family == "geometric" else scene(shape)
    for key in "abcd":
        changes = [change(drawn(kind, severity, image, key), image) for severity in range(1, 6)]
        means = [found.mean() for found in changes]
        seen = changes[0].max() >= 3 if ANOMALIES[kind].level == "pixel" else means[0] > 0.05
        assert seen, f"severity 1 cannot be seen: {means}"
        assert np.all(np.diff(means) > 0), f"not monotone: {means}"


@pytest.mark.parametrize("kind", ON_ONE_COLOUR)
@pytest.mark.parametrize("level", [0, 110, 225])
def test_uniform_images_change_more_with_severity(kind, level):
    if level == 0 and kind in NEED_LIGHT:
        pytest.skip("black stays black")
    image = np.full((64, 128, 3), level, dtype=np.uint8)
    means = [change(drawn(kind, severity, image), image).mean() for severity in range(1, 6)]
    assert np.all(np.diff([0, *means]) > 0)


@pytest.mark.parametrize("kind", KINDS)
def test_strongest_leaves_the_scene_recognisable(kind):
    """On small images something of the scene is left: its pattern correlates with the result's."""
    image = scene((32, 32, 3))
    for key in "abcd":
        result = drawn(kind, 5, image, key).image
        assert np.corrcoef(image.ravel(), result.ravel())[0, 1] > 0.2


@pytest.mark.parametrize("kind", [k for k in KINDS if ANOMALIES[k].level == "pixel"])
@settings(max_examples=15, deadline=None)
@given(
    key=st.text(max_size=4),
    severity=st.integers(1, 5),
    height=st.integers(16, 150),
    width=st.integers(16, 150),
    channels=st.sampled_from([1, 3]),
)
def test_alpha_is_where_the_image_changed(kind, key, severity, height, width, channels):
    image = scene((height, width, channels))
    rendered = drawn(kind, severity, image, key)
    untouched = rendered.alpha <= 0.01
    assert change(rendered, image)[untouched].max(initial=0) <= 1


@pytest.mark.parametrize("kind", ["mud", "sun_flare"])
def test_marked_pixels_really_changed(kind):
    """At least 95 % of the pixels labelled anomalous differ visibly, also where the sky is white."""
    image = scene((256, 512, 3))
    image[:50] = 255
    for key in "abc":
        rendered = drawn(kind, 5, image, key)
        marked = mask(rendered.alpha) == 1
        assert marked.any()
        assert (change(rendered, image)[marked].max(axis=1) >= 3).mean() >= 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_determinism_whatever_was_drawn_before(kind):
    image = scene((64, 96, 3))
    first = drawn(kind, 3, image, "x").image
    for other in KINDS:
        drawn(other, 2, image, "y")
    np.testing.assert_array_equal(drawn(kind, 3, image, "x").image, first)
    assert kind not in GRADED or not np.array_equal(drawn(kind, 3, image, "y").image, first)


def test_memory_layout_does_not_matter():
    image = scene((64, 96, 3))
    for kind in KINDS:
        np.testing.assert_array_equal(
            drawn(kind, 4, np.asfortranarray(image)).image, drawn(kind, 4, image).image
        )
        np.testing.assert_array_equal(
            drawn(kind, 4, image[::-1]).image, drawn(kind, 4, image[::-1].copy()).image
        )


@pytest.mark.parametrize("kind", KINDS)
def test_grey_is_close_to_the_grey_of_colour(kind):
    """A grey image gets the anomaly that the same image with three equal channels gets."""
    grey = scene((64, 96, 1))
    colour = drawn(kind, 3, np.repeat(grey, 3, axis=2)).image
    expected = colour @ np.array([0.299, 0.587, 0.114])
    assert np.abs(drawn(kind, 3, grey).image[..., 0] - expected).max() <= 4


def test_identity_changes_nothing():
    image = scene((40, 50, 3))
    rendered = Identity(5).render(image, generator(0, "identity", "a"))
    np.testing.assert_array_equal(rendered.image, image)
    assert not rendered.alpha.any()
    assert not mask(rendered.alpha).any()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((32, 32, 3), np.float32), "mud: image must be a numpy array of uint8.*float32"),
        ([[0]], "mud: image must be a numpy array of uint8.*list"),
        (np.zeros((32, 32), np.uint8), r"shape \(H, W, 3\) or \(H, W, 1\), got \(32, 32\)"),
        (np.zeros((32, 32, 4), np.uint8), r"got \(32, 32, 4\)"),
        (np.zeros((8, 64, 3), np.uint8), r"at least 16x16 pixels, got \(8, 64\)"),
    ],
)
def test_bad_images(image, message):
    with pytest.raises(ValueError, match=message):
        Mud().render(image, generator(0, "mud", "a"))


def test_bad_labels():
    with pytest.raises(ValueError, match=r"labels must have the image's shape \(32, 32\), got \(16, 16\)"):
        Mud().render(scene((32, 32, 3)), generator(0, "mud", "a"), Scene(np.zeros((16, 16), np.uint8)))


@pytest.mark.parametrize("severity", [0, 6, -1, 2.5, 3.0, "3", True, None])
@pytest.mark.parametrize("kind", list(ANOMALIES))
def test_bad_severity(kind, severity):
    with pytest.raises(ValueError, match=f"{kind}: severity must be an integer from 1 to 5"):
        ANOMALIES[kind](severity)


def test_mask_thresholds():
    alpha = np.array([[0, 0.049, 0.05, 0.499, 0.5, 1]], dtype=np.float32)
    np.testing.assert_array_equal(mask(alpha), [[0, 0, 255, 255, 1, 1]])
    assert mask(alpha).dtype == np.uint8


def test_generator_is_stable_across_processes_and_versions():
    assert generator(0, "mud", "a").integers(2**32) == PINNED
    others = [(1, "mud", "a", 0), (0, "fog", "a", 0), (0, "mud", "b", 0), (0, "mud", "a", 1)]
    assert len({PINNED, *(int(generator(*other).integers(2**32)) for other in others)}) == 5


PINNED = 4171309229
