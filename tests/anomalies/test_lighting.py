"""Light against its formulas: exposure, noise, contrast, casts; shadows, lamps and tunnels in perspective."""

import cv2
import numpy as np
import pytest

from anomalies import Scene, generator
from anomalies.kinds.lighting._exposure import noisy, underexposed
from anomalies.kinds.lighting.cast_shadow import AREA, FACTOR, SHADE, CastShadow
from anomalies.kinds.lighting.colour_cast import CAST, LOST, ColourCast
from anomalies.kinds.lighting.contrast_loss import ContrastLoss
from anomalies.kinds.lighting.headlight_glare import LAMP_HEIGHT, LAMP_SPACING, HeadlightGlare
from anomalies.kinds.lighting.low_light import EXPOSURE, READ_NOISE, LowLight
from anomalies.kinds.lighting.low_sun import LowSun
from anomalies.kinds.lighting.night import Night
from anomalies.kinds.lighting.over_exposure import OverExposure
from anomalies.kinds.lighting.tunnel_exit import EXIT, HALF_WIDTH, TunnelExit
from anomalies.toolkit.depth import FOCAL_LENGTH

CLASSES = ("road", "building", "sky", "car")
LUMA = np.array([0.299, 0.587, 0.114])


def half_ground(height=128, width=256):
    """Sky, a facade, and road in the lower half."""
    labels = np.full((height, width), 1, dtype=np.uint8)
    labels[: height // 4] = 2
    labels[height // 2 :] = 0
    return Scene(labels, CLASSES)


def grey(level=120, shape=(128, 256, 3)):
    return np.full(shape, level, dtype=np.uint8)


def drawn(anomaly, image, key="a", scene=None):
    return anomaly.render(image, generator(0, anomaly.kind, key), scene or Scene())


@pytest.mark.parametrize("severity", range(1, 6))
def test_low_light_is_exposure_in_linear_light(severity):
    dim = drawn(LowLight(severity), grey(200)).image.astype(float)
    linear = (200 / 255) ** 2.2 * EXPOSURE[severity - 1]
    assert dim.mean() == pytest.approx(255 * linear ** (1 / 2.2), abs=0.6)
    shot = 255 / 2.2 * linear ** (1 / 2.2 - 1) * np.sqrt(linear / 4000)
    assert dim.std() == pytest.approx(np.hypot(shot, READ_NOISE[severity - 1]), rel=0.05)


def test_noise_is_normal_and_independent_of_neighbours_and_channels():
    mean, deviation = np.full((256, 3), 128, np.float32), np.full((256, 3), 12, np.float32)
    drawn_noise = noisy(grey(7, (256, 256, 3)), mean, deviation, np.random.default_rng(0)).astype(float) - 128
    assert drawn_noise.std() == pytest.approx(12, rel=0.02)
    assert (drawn_noise**4).mean() / (drawn_noise**2).mean() ** 2 == pytest.approx(3, abs=0.15)
    assert abs(np.corrcoef(drawn_noise[..., 0].ravel(), drawn_noise[..., 1].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(drawn_noise[:, 1:].ravel(), drawn_noise[:, :-1].ravel())[0, 1]) < 0.02


def test_less_light_is_noisier_for_its_brightness():
    ratios = []
    for exposure in (1.0, 0.3, 0.1):
        mean, deviation = underexposed(exposure, 2.0, np.ones(1))
        ratios.append(deviation[200, 0] / mean[200, 0])
    assert ratios == sorted(ratios)


@pytest.mark.parametrize("severity", range(1, 6))
def test_over_exposure_is_gain_in_the_shadows_and_never_darkens(severity):
    ramp = np.arange(256, dtype=np.uint8).repeat(4).reshape(1, -1, 1).repeat(16, axis=0)
    bright = drawn(OverExposure(severity), ramp).image[0, ::4, 0].astype(float)
    assert (bright >= np.arange(256)).all()
    assert (np.diff(bright) >= 0).all()
    gain = (1.5, 2.0, 2.8, 4.0, 6.0)[severity - 1]
    assert ((bright[40] / 255) ** 2.2) / ((40 / 255) ** 2.2 + 4e-4) == pytest.approx(gain, rel=0.12)


@pytest.mark.parametrize(("severity", "left"), enumerate((0.85, 0.70, 0.55, 0.40, 0.25), 1))
def test_contrast_that_is_left(severity, left):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    dull = drawn(ContrastLoss(severity), image).image
    assert dull.std() / image.std() == pytest.approx(left, rel=0.01)
    assert np.corrcoef(dull.ravel(), image.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("severity", range(1, 6))
def test_colour_cast_takes_light_in_proportion(severity):
    seen = set()
    for key in range(12):
        rendered = drawn(ColourCast(severity), grey(240), str(key))
        cast, lost = rendered.details["cast"], 1 - rendered.image[0, 0] / 240
        weakest = np.argmax(LOST[cast])
        assert lost.argmax() == weakest
        assert 0.88 * CAST[severity - 1] < lost[weakest] < 1.02 * CAST[severity - 1]
        seen.add(cast)
    assert seen == set(LOST)


def test_cast_of_a_grey_image_is_the_grey_of_the_cast():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 1)).astype(np.uint8)
    for key in "abcd":
        colour = drawn(ColourCast(5), image.repeat(3, axis=2), key).image @ LUMA
        assert np.abs(drawn(ColourCast(5), image, key).image[..., 0] - colour).max() <= 1


@pytest.mark.parametrize("severity", range(1, 6))
def test_shadows_cover_their_area_and_leave_their_light(severity):
    scene, image = half_ground(), grey(200)
    shadows = [drawn(CastShadow(severity), image, key, scene) for key in "abcd"]
    assert np.mean([s.alpha.mean() for s in shadows]) == pytest.approx(AREA[severity - 1], rel=0.2)
    left = FACTOR[severity - 1]
    for shadow in shadows:
        deep = shadow.alpha > 0.999
        expected = left * 200 + (1 - left) * np.array(SHADE)
        assert np.abs(shadow.image[deep].astype(float) - expected).max(initial=0) <= 1.5
        assert not shadow.alpha[:62].any()


def test_shadows_fall_on_ground_only():
    scene = half_ground(256, 256)
    rendered = drawn(CastShadow(5), grey(180, (256, 256, 3)), scene=scene)
    np.testing.assert_array_equal(rendered.image[:124], 180)


def test_far_shadows_are_finer():
    """In perspective: edges lie closer together in rows far away than in rows nearby."""
    alphas = [drawn(CastShadow(3), grey(shape=(512, 512, 1)), key).alpha > 0.5 for key in "abcdefgh"]
    far, near = (
        sum(np.abs(np.diff(a[rows].astype(int), axis=1)).sum() for a in alphas)
        / max(1, sum(a[rows].any(axis=1).sum() for a in alphas))
        for rows in (slice(260, 330), slice(430, 500))
    )
    assert far > near


def test_lamps_stand_in_perspective():
    """A lamp 0.65 m above the ground is half of 1.3 m below the horizon, the spacing of a pair."""
    rendered = drawn(HeadlightGlare(1), grey(40, (512, 1024, 1))).image[..., 0]
    lamps = (rendered > 235).astype(np.uint8)
    count, _, _, centres = cv2.connectedComponentsWithStats(lamps)
    assert count - 1 == 2
    (x0, y0), (x1, y1) = centres[1:]
    assert abs(y0 - y1) < 2
    drop = (y0 + 0.5) / 512 - Scene().horizon
    expected = (Scene().camera_height - LAMP_HEIGHT) / LAMP_SPACING
    assert drop / (abs(x1 - x0) / 512) == pytest.approx(expected, rel=0.1)
    assert 14 <= FOCAL_LENGTH * LAMP_SPACING / (abs(x1 - x0) / 512) <= 56


def test_low_sun_only_adds_light_and_stands_in_the_sky():
    image, scene = grey(70, (256, 512, 3)), half_ground(256, 512)
    for key in "abcd":
        sunny = drawn(LowSun(3), image, key, scene).image
        assert (sunny >= image).all()
        row, column = np.unravel_index(cv2.GaussianBlur(sunny[..., 2], (0, 0), 3).argmax(), (256, 512))
        assert row < 0.45 * 256 and 0.15 * 512 < column < 0.85 * 512


def test_night_has_a_dark_sky_and_a_lit_road():
    scene = half_ground(256, 512)
    image = grey(110, (256, 512, 3))
    image[:64] = 220
    dark = drawn(Night(3), image, scene=scene).image.astype(float)
    sky, facade = np.median(dark[10:50, 200:300]), np.median(dark[75:95, 20:120])
    assert sky < facade + 15
    assert sky < 0.3 * 220
    assert dark[140:160, 240:272].mean() > 1.3 * dark[140:160, :40].mean()
    assert dark.mean(axis=(0, 1))[2] > dark[..., 0].mean() - 3


@pytest.mark.parametrize("severity", [3, 4, 5])
def test_tunnel_opens_where_it_ends(severity):
    """Half of a tunnel 8 m wide, seen from its end's distance."""
    images = [grey(level, (512, 1024, 1)) for level in (20, 200)]
    low, high = (drawn(TunnelExit(severity), image).image[215, :, 0].astype(int) for image in images)
    opening = np.flatnonzero(high - low > 60)
    half = (opening[-1] - opening[0] + 1) / 2 / 512
    assert half == pytest.approx(FOCAL_LENGTH * HALF_WIDTH / EXIT[severity - 1], rel=0.05)
    assert abs((opening[-1] + opening[0]) / 2 - 511.5) < 4


def test_walls_hide_what_is_behind_them_but_not_cars():
    scene = half_ground(128, 256)
    scene.labels[50:70, 8:30] = 3
    before = scene.labels.copy()
    rendered = drawn(TunnelExit(5), grey(90), scene=scene)
    np.testing.assert_array_equal(scene.labels, before)
    hidden = rendered.labels == 255
    assert hidden[5, 5] and hidden[15, 128]
    assert not hidden[51:69, 9:29].any()
    np.testing.assert_array_equal(rendered.labels[~hidden], before[~hidden])
    assert drawn(TunnelExit(5), grey(90)).labels is None
