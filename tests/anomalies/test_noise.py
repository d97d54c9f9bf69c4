"""Noise against its statistics, compression against a codec."""

import io
import math

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from anomalies import ANOMALIES, generator
from anomalies.kinds.noise.downscale import SCALE
from anomalies.kinds.noise.gaussian_noise import SIGMA
from anomalies.kinds.noise.iso_noise import CHROMA, GRAIN, LUMINANCE
from anomalies.kinds.noise.jpeg import QUALITY
from anomalies.kinds.noise.shot_noise import DARK_COUNT, PHOTONS


def uniform(level, shape=(512, 640, 3)):
    return np.full(shape, level, dtype=np.uint8)


def noise(kind, severity, image, key="a"):
    return ANOMALIES[kind](severity).render(image, generator(0, kind, key)).image.astype(float) - image


def correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


@pytest.mark.parametrize("severity", range(1, 6))
def test_gaussian_noise_is_white(severity):
    found = noise("gaussian_noise", severity, uniform(127))
    deviation = 255 * SIGMA[severity - 1]
    np.testing.assert_allclose(found.std(axis=(0, 1)), math.hypot(deviation, 1 / math.sqrt(12)), rtol=0.02)
    assert abs(found.mean()) < 0.02 * deviation + 0.02
    assert abs(correlation(found[1:], found[:-1])) < 0.01
    assert abs(correlation(found[:, 1:], found[:, :-1])) < 0.01
    assert abs(correlation(found[..., 0], found[..., 1])) < 0.01


def test_grey_noise_is_the_brightness_of_colour_noise():
    found = noise("gaussian_noise", 4, uniform(127, (512, 512, 1)))
    assert found.std() == pytest.approx(255 * SIGMA[3] * math.hypot(0.299, 0.587, 0.114), rel=0.02)


def test_the_tiles_of_a_large_image_differ():
    found = noise("gaussian_noise", 3, uniform(127, (1024, 1024, 3)))
    tiles = [found[y : y + 512, x : x + 512] for y in (0, 512) for x in (0, 512)]
    for i, tile in enumerate(tiles):
        for other in tiles[:i]:
            assert abs(correlation(tile, other)) < 0.01


@pytest.mark.parametrize("level", [15, 60, 120, 180])
@pytest.mark.parametrize("severity", [1, 2, 3, 4])
def test_shot_noise_follows_the_photon_transfer_curve(level, severity):
    """A level of n photons scatters by the root of n; converted to levels, and rounded to whole ones."""
    gain = 255 / PHOTONS[severity - 1]
    found = noise("shot_noise", severity, uniform(level, (300, 300, 3)))
    if level + 4 * math.sqrt(level * gain) > 255 or level < 2 * math.sqrt(level * gain):
        pytest.skip("clipped")
    expected = gain * level + DARK_COUNT * gain**2 + 1 / 12
    assert found.var() == pytest.approx(expected, rel=0.05)
    assert abs(found.mean()) < 0.02 * level + 0.2


@pytest.mark.parametrize("severity", range(1, 6))
def test_iso_noise_has_fine_brightness_and_coarse_colour(severity):
    found = noise("iso_noise", severity, uniform(127)).astype(np.float32)
    y = found @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    red, blue = (found[..., 0] - y) / 1.402, (found[..., 2] - y) / 1.772
    assert y.std() == pytest.approx(255 * LUMINANCE[severity - 1], rel=0.06)
    for chroma in (red, blue):
        assert chroma.std() == pytest.approx(255 * CHROMA[severity - 1], rel=0.08)
    assert abs(correlation(y[:, 1:], y[:, :-1])) < 0.05
    neighbours = math.exp(-1 / (4 * (GRAIN * 512) ** 2))
    if severity > 1:  # rounding is white
        assert correlation(red[:, 1:], red[:, :-1]) == pytest.approx(neighbours, abs=0.06)


@pytest.fixture(scope="module")
def picture():
    rng = np.random.default_rng(1)
    coarse = rng.integers(30, 226, (20, 30, 3)).astype(np.uint8)
    return cv2.resize(coarse, (300, 200), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("severity", range(1, 6))
def test_jpeg_is_what_another_encoder_makes_of_it(picture, severity):
    drawn = ANOMALIES["jpeg"](severity).render(picture, generator(0, "jpeg", "a")).image
    top, left = generator(0, "jpeg", "a").integers(0, 16, 2)
    file = io.BytesIO()
    padded = np.pad(picture, ((top, 0), (left, 0), (0, 0)), mode="reflect")
    Pillow.fromarray(padded).save(file, "JPEG", quality=QUALITY[severity - 1])
    expected = np.asarray(Pillow.open(file))[top:, left:]
    assert np.abs(drawn.astype(int) - expected).mean() < 1.5


def test_jpeg_blocks_start_where_they_are_drawn_to(picture):
    drawn = ANOMALIES["jpeg"](5).render(picture, generator(0, "jpeg", "b")).image[..., 1].astype(float)
    top, left = generator(0, "jpeg", "b").integers(0, 16, 2)
    for axis, start in ((0, top), (1, left)):
        steps = np.abs(np.diff(drawn, axis=axis)).mean(axis=1 - axis)
        edges = (np.arange(1, steps.size + 1) + start) % 8 == 0
        assert steps[edges].mean() > 1.5 * steps[~edges].mean()


@pytest.mark.parametrize("severity", range(1, 6))
def test_downscale_takes_away_what_a_coarser_grid_cannot_hold(severity):
    image = np.random.default_rng(0).integers(0, 256, (256, 256, 1)).astype(np.uint8)
    drawn = ANOMALIES["downscale"](severity).render(image, generator(0, "downscale", "a")).image
    power = np.abs(np.fft.fft2(drawn[..., 0] - drawn.mean())) ** 2
    before = np.abs(np.fft.fft2(image[..., 0] - image.mean())) ** 2
    frequency = np.maximum(*np.abs(np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256))))
    lost = frequency > SCALE[severity - 1] * 0.5 + 0.1
    kept = frequency < 0.2 * SCALE[severity - 1]
    assert power[kept].sum() > 0.6 * before[kept].sum()
    if lost.any():
        assert power[lost].sum() < 0.15 * before[lost].sum()


@pytest.mark.parametrize("kind", ["jpeg", "downscale"])
def test_five_severities_of_a_small_smooth_image(kind):
    ramp = np.linspace(60, 140, 32)[:, None, None] + np.linspace(0, 30, 32)[None, :, None]
    image = np.repeat(ramp, 3, axis=2).astype(np.uint8)
    for key in "abcd":
        means = [np.abs(noise(kind, severity, image, key)).mean() for severity in range(1, 6)]
        assert np.all(np.diff([0, *means]) > 0)
