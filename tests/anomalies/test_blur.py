"""Point-spread functions measured on edges against their closed forms."""

import math

import numpy as np
import pytest

from anomalies import ANOMALIES, Scene, generator
from anomalies.kinds.blur._kernels import disc, segment
from anomalies.kinds.blur.defocus import RADIUS
from anomalies.kinds.blur.gaussian_blur import SIGMA, SMALLEST_SIGMA
from anomalies.kinds.blur.motion_blur import LENGTH
from anomalies.kinds.blur.zoom_blur import ZOOM

H = 400
KINDS = ["defocus", "gaussian_blur", "motion_blur", "zoom_blur"]


def edge(axis, shape=(H, H), at=None):
    image = np.full((*shape, 1), 20, dtype=np.uint8)
    at = shape[axis] // 2 if at is None else at
    image[(slice(None),) * axis + (slice(at, None),)] = 220
    return image


def drawn(kind, severity, image, key="a", scene=Scene(horizon=0.5)):
    return ANOMALIES[kind](severity).render(image, generator(0, kind, key), scene).image[..., 0]


def spread(kind, severity, axis, key="a"):
    """Variance, in square pixels, of the line-spread function across an edge in the middle of the image."""
    soft = drawn(kind, severity, edge(axis), key).astype(float)
    profile = np.moveaxis(soft, axis, 0)[:, H // 2 - 20 : H // 2 + 20].mean(axis=1)
    line = np.diff(profile)
    assert line.sum() == pytest.approx(200, abs=2)
    places = np.arange(line.size) - (line * np.arange(line.size)).sum() / line.sum()
    return (line * places**2).sum() / line.sum()


@pytest.mark.parametrize("severity", range(2, 6))
@pytest.mark.parametrize("axis", [0, 1])
def test_defocus_is_a_disc(severity, axis):
    """The line-spread function of a disc of radius r has the variance r^2 / 4."""
    radius = RADIUS[severity - 1] * H
    if radius > 1.2:
        assert math.sqrt(4 * spread("defocus", severity, axis)) == pytest.approx(radius, rel=0.2)


@pytest.mark.parametrize("severity", range(2, 6))
@pytest.mark.parametrize("axis", [0, 1])
def test_gaussian_blur_has_its_deviation(severity, axis):
    sigma = max(SIGMA[severity - 1] * H, SMALLEST_SIGMA[severity - 1])
    assert math.sqrt(spread("gaussian_blur", severity, axis)) == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize("severity", range(2, 6))
@pytest.mark.parametrize("key", ["a", "b", "c", "d"])
def test_motion_blur_is_a_line(severity, key):
    """Variances along x and y add up to L^2 / 12; a pixel's own area and interpolation add at most half."""
    across, along = (spread("motion_blur", severity, axis, key) for axis in (0, 1))
    expected = (LENGTH[severity - 1] * H) ** 2 / 12
    assert -0.1 * expected < across + along - expected < 0.5 + 0.1 * expected
    if severity == 5:
        assert min(across, along) < 0.25 * max(across, along)


def test_motion_blur_goes_both_ways():
    sideways = [spread("motion_blur", 5, 1, str(i)) > spread("motion_blur", 5, 0, str(i)) for i in range(24)]
    assert 0.5 < np.mean(sideways) < 0.9


@pytest.mark.parametrize("severity", [3, 4, 5])
def test_zoom_blur_grows_with_the_distance_from_where_the_vehicle_drives_to(severity):
    w = 800
    centre = (w - 1) * (0.5 + generator(0, "zoom_blur", "a").uniform(-0.1, 0.1))
    for distance in (0, 150, 300):
        image = edge(1, (H, w), round(centre) + distance)
        line = np.diff(
            drawn("zoom_blur", severity, image)[H // 2 - 3 : H // 2 + 3].astype(float).mean(axis=0)
        )
        places = np.arange(line.size) - (line * np.arange(line.size)).sum() / line.sum()
        length = math.sqrt(12 * (line * places**2).sum() / line.sum())
        assert length == pytest.approx(ZOOM[severity - 1] * distance, rel=0.15, abs=2.5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("severity", [1, 3, 5])
def test_blur_keeps_the_mean_and_uniform_surfaces(kind, severity):
    uniform = np.full((64, 96, 3), 113, dtype=np.uint8)
    np.testing.assert_array_equal(drawn(kind, severity, uniform), uniform[..., 0])
    noise = np.random.default_rng(0).integers(0, 256, (128, 160, 3)).astype(np.uint8)
    assert drawn(kind, severity, noise).mean() == pytest.approx(noise[..., 0].mean(), abs=1)


@pytest.mark.parametrize("radius", [0.7, 1.0, 2.5, 6.2])
def test_disc(radius):
    kernel = disc(radius, radius, 0.3)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-6)
    at = np.arange(len(kernel)) - len(kernel) // 2
    # The pixel's own square adds 1/12, where the disc is much larger than it.
    if radius > 2:
        assert kernel.sum(axis=0) @ at**2 == pytest.approx(radius**2 / 4 + 1 / 12, rel=0.1)


@pytest.mark.parametrize("length", [1.5, 2.0, 3.3])
def test_segment(length):
    kernel = segment(length, 0.0)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    at = np.arange(len(kernel)) - len(kernel) // 2
    # Boxes of the length, of the line's own pixel and of the pixel that collects it.
    assert kernel.sum(axis=0) @ at**2 == pytest.approx((length**2 + 2) / 12, rel=0.06)
    np.testing.assert_allclose(kernel.T, segment(length, math.pi / 2), atol=1e-6)


def test_a_point_becomes_the_kernel():
    image = np.zeros((65, 65, 1), dtype=np.uint8)
    image[32, 32] = 255
    rng = generator(0, "defocus", "a")
    across, along = 1 + rng.uniform(-0.08, 0.08, 2)
    kernel = disc(0.7 * across, 0.7 * along, rng.uniform(0, math.pi))
    half = len(kernel) // 2
    found = drawn("defocus", 1, image)[32 - half : 33 + half, 32 - half : 33 + half]
    assert np.abs(found - 255 * kernel).max() <= 1
