"""Kinds against the formulas they claim to follow, and against themselves: pinned appearance."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from anomalies import Fog, Mud, SunFlare, generator
from anomalies.kinds.weather.fog import VISIBILITY
from anomalies.toolkit.depth import street_distance
from anomalies.toolkit.fields import blurred, fbm

COVERAGE = {1: 0.03, 2: 0.08, 3: 0.18, 4: 0.32, 5: 0.50}


@pytest.mark.parametrize("severity", range(1, 6))
@pytest.mark.parametrize("shape", [(256, 512, 3), (483, 640, 3)])
def test_mud_covers_what_the_table_says(severity, shape):
    image = np.full(shape, 120, dtype=np.uint8)
    alphas = [Mud(severity).render(image, generator(0, "mud", key)).alpha for key in "abcdef"]
    covered = np.mean([(alpha >= 0.05).mean() for alpha in alphas])
    assert covered == pytest.approx(COVERAGE[severity], rel=0.15)
    opaque = np.mean([(alpha >= 0.8).sum() / (alpha >= 0.05).sum() for alpha in alphas])
    assert opaque == pytest.approx({1: 0, 2: 0.1, 3: 0.25, 4: 0.45, 5: 0.65}[severity], abs=0.06)


def test_mud_grows_in_place():
    image = np.full((128, 128, 3), 120, dtype=np.uint8)
    alphas = [Mud(s).render(image, generator(0, "mud", "a")).alpha for s in range(1, 6)]
    for weaker, stronger in pairwise(alphas):
        assert (stronger >= weaker - 0.03).all()


def test_mud_edges_are_soft():
    """No opacity step larger than that of an edge out of focus by 0.4 % of the height."""
    image = np.full((512, 512, 3), 120, dtype=np.uint8)
    alpha = Mud(5).render(image, generator(0, "mud", "a")).alpha
    assert max(np.abs(np.diff(alpha, axis=0)).max(), np.abs(np.diff(alpha, axis=1)).max()) < 0.2


def test_mud_is_lit_by_the_scene():
    def opaque(level):
        image = np.full((128, 256, 3), level, dtype=np.uint8)
        rendered = Mud(5).render(image, generator(0, "mud", "a"))
        return rendered.image[rendered.alpha > 0.9].mean(axis=0)

    night, day = opaque(20), opaque(200)
    assert (night < 0.25 * day).all()
    assert day[0] > day[1] > day[2]


def test_thin_mud_defocuses_the_scene():
    image = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None]
    rendered = Mud(4).render(image, generator(0, "mud", "a"))
    thin = (rendered.alpha > 0.3) & (rendered.alpha < 0.5)
    assert rendered.image[thin].std() < 0.35 * image[thin].std()


@pytest.mark.parametrize("severity", range(1, 6))
def test_fog_follows_koschmieder(severity):
    """At one distance, -log of the contrast left is 2.996 distance / visibility."""
    dark, light = (np.full((64, 64, 1), level, dtype=np.uint8) for level in (100, 200))
    fog, air = Fog(severity, scene="object"), 150.0
    images = []
    for image in (dark, light):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "anomalies.kinds.weather.fog.sky_light", lambda *_: np.array([air], dtype=np.float32)
            )
            images.append(fog.render(image, generator(0, "fog", "a")).image[..., 0].astype(float))
    left = (images[1] - images[0]) / 100
    assert -np.log(left).mean() == pytest.approx(2.996 * 16 / VISIBILITY[severity - 1], rel=0.05, abs=0.005)


def test_fog_is_denser_where_the_street_is_farther():
    distance = street_distance(np.full((100, 200), 90, dtype=np.uint8))
    below = distance[43:, 100]
    assert np.all(np.diff(below) < 0)
    assert below[-1] == pytest.approx(1.3 * 2.2 / (0.995 - 0.42), rel=0.01)
    assert np.all(distance[60, 1:] <= distance[60, 100] + 1e-3)


def test_sky_is_far():
    image = np.full((100, 200, 3), 60, dtype=np.uint8)
    image[:30] = 230
    distance = street_distance(image)
    assert distance[:25].min() > 390
    assert distance[38:].max() < 160


def test_unknown_scene():
    with pytest.raises(ValueError, match='fog: scene must be "auto", "road" or "object", got \'moon\''):
        Fog(scene="moon")


@pytest.mark.parametrize("albedo", [(0.1, 0.2), (0.1, 0.2, 2), "red", 3])
def test_bad_albedo(albedo):
    with pytest.raises(ValueError, match="mud: albedo must be three numbers from 0 to 1"):
        Mud(albedo=albedo)


def test_flare_only_adds_light_and_dazzles_at_the_sun():
    image = np.full((128, 256, 3), 60, dtype=np.uint8)
    rendered = SunFlare(3).render(image, generator(0, "sun_flare", "a"))
    assert (rendered.image >= image).all()
    row, _ = np.unravel_index(rendered.alpha.argmax(), rendered.alpha.shape)
    assert row < 0.34 * 128
    assert rendered.image.max() == 255


def test_flare_stands_in_the_brighter_half():
    image = np.full((128, 256, 3), 30, dtype=np.uint8)
    image[:, 128:] = 180
    places = [
        SunFlare(2).render(image, generator(0, "sun_flare", str(i))).alpha.argmax() % 256 for i in range(20)
    ]
    assert np.mean(np.array(places) >= 120) > 0.8


def test_blur_matches_the_exact_one():
    noise = np.random.default_rng(0).random((200, 300)).astype(np.float32)
    for sigma in (1.0, 6.0, 12.0):
        exact = cv2.GaussianBlur(noise, (0, 0), sigma)
        assert np.abs(blurred(noise, sigma) - exact)[20:-20, 20:-20].max() < 0.15 * exact.std() + 0.01


def test_fbm_is_standardised_and_smooth():
    field = fbm(np.random.default_rng(0), (256, 512), cell=64, octaves=5)
    assert field.dtype == np.float32
    assert abs(field.mean()) < 1e-4
    assert field.std() == pytest.approx(1, abs=1e-3)
    neighbours = np.corrcoef(field[:, :-1].ravel(), field[:, 1:].ravel())[0, 1]
    assert neighbours > 0.98
