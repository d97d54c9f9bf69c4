"""Fog by its formula with known distances; rain, snow and a wet road where they belong."""

import cv2
import numpy as np
import pytest

from anomalies import Fog, Rain, Scene, Snow, generator
from anomalies.kinds.weather._particles import scattered, streaks
from anomalies.kinds.weather.fog import VISIBILITY
from anomalies.kinds.weather.wet_road import WetRoad
from anomalies.toolkit.depth import (
    END_OF_STREET,
    FOCAL_LENGTH,
    SKY_DISTANCE,
    distances,
    foot_rows,
    ground_distance,
    street_distance,
)

CLASSES = ("road", "sidewalk", "building", "sky", "car")
ROAD, SIDEWALK, BUILDING, SKY, CAR = range(5)


def street(height=100, width=160):
    """Sky, two facades, a road, and a car whose wheels stand in row 70."""
    labels = np.full((height, width), BUILDING, dtype=np.uint8)
    labels[:30] = SKY
    labels[50:] = ROAD
    labels[50:, :30] = SIDEWALK
    labels[48:70, 90:120] = CAR
    return Scene(labels, CLASSES)


def noise(shape, low=60, high=160, seed=0):
    return np.random.default_rng(seed).integers(low, high, shape).astype(np.uint8)


def fogged(image, severity, scene, air, monkeypatch):
    monkeypatch.setattr("anomalies.kinds.weather.fog.sky_light", lambda *_: np.array([air], dtype=np.float32))
    return Fog(severity, scene="road").render(image, generator(0, "fog", "a"), scene).image[..., 0]


@pytest.mark.parametrize("severity", range(1, 6))
def test_koschmieder_with_measured_depth(severity, monkeypatch):
    """-log of the contrast that is left is 2.996 distance / visibility, give or take the fog's own variation."""
    depth = np.repeat(np.geomspace(4, 120, 200, dtype=np.float32)[None], 120, axis=0)
    dark, light = np.full((120, 200, 1), 10, np.uint8), np.full((120, 200, 1), 240, np.uint8)
    foggy = [
        fogged(im, severity, Scene(depth=depth), 150.0, monkeypatch).astype(float) for im in (dark, light)
    ]
    left = (foggy[1] - foggy[0]) / 230
    expected = 2.996 * depth / VISIBILITY[severity - 1]
    seen = (left > 0.15) & (expected > 0.1)
    ratio = -np.log(left[seen]) / expected[seen]
    assert np.median(ratio) == pytest.approx(1, abs=0.08)
    assert np.abs(np.quantile(ratio, (0.02, 0.98)) - 1).max() < 0.4


def test_far_away_only_the_airlight_is_left(monkeypatch):
    image = noise((80, 120, 1))
    depth = np.full((80, 120), 350, dtype=np.float32)
    assert np.abs(fogged(image, 5, Scene(depth=depth), 190.0, monkeypatch).astype(int) - 190).max() <= 1


def test_measured_depth_is_used_as_it_is_and_holes_are_filled():
    image = noise((100, 160, 3))
    depth = np.full((100, 160), 20, dtype=np.float32)
    depth[:, 80:] = 60
    depth[40:43, 30:33] = 0
    known = distances(image, Scene(depth=depth))
    np.testing.assert_array_equal(known[depth > 0], depth[depth > 0])
    np.testing.assert_allclose(known[depth == 0], 20, rtol=0.05)


def test_sky_is_far_whatever_the_depth_map_says():
    scene = street()
    depth = np.full(scene.labels.shape, 33, dtype=np.float32)
    told = distances(noise((100, 160, 3)), Scene(scene.labels, CLASSES, depth))
    assert (told[scene.labels == SKY] == SKY_DISTANCE).all()
    assert (told[scene.labels != SKY] == 33).all()


def test_labels_put_things_where_they_stand():
    scene = street()
    told = distances(noise((100, 160, 3)), scene)
    plane = ground_distance(100)
    np.testing.assert_allclose(told[80, 40:80], plane[80])
    np.testing.assert_allclose(told[48:70, 90:120], plane[70])
    assert (told[scene.labels == SKY] == SKY_DISTANCE).all()
    assert told[scene.labels == BUILDING].max() <= END_OF_STREET + 1


def test_ground_is_a_plane():
    """Near the car the distance is focal length x camera height / rows below the horizon."""
    below = (np.arange(1000) + 0.5) / 1000 - 0.4
    expected = FOCAL_LENGTH * 1.5 / below[600:]
    np.testing.assert_allclose(ground_distance(1000, 0.4, 1.5)[600:], expected, rtol=0.01)


def test_foot_rows():
    ground = np.random.default_rng(0).random((20, 30)) < 0.2
    expected = [
        [min((r for r in range(row, 20) if ground[r, c]), default=20) for c in range(30)] for row in range(20)
    ]
    np.testing.assert_array_equal(foot_rows(ground), expected)


def test_without_labels_or_depth_nothing_is_known():
    image = noise((40, 60, 3))
    assert distances(image, Scene()) is None
    assert distances(image, Scene(np.full((40, 60), 255, np.uint8), CLASSES)) is None


@pytest.mark.parametrize("horizon", [0.3, 0.5])
def test_fog_follows_the_horizon(horizon):
    image = noise((200, 100, 1), 10, 90)
    foggy = Fog(3).render(image, generator(0, "fog", "a"), Scene(horizon=horizon)).image
    rows = np.convolve(np.abs(foggy.astype(int) - image).mean(axis=(1, 2)), np.ones(7) / 7, "same")
    above, below = rows[round((horizon - 0.03) * 200)], rows[round((horizon + 0.15) * 200)]
    assert above > 0.8 * rows.max()
    assert below < 0.5 * above


def test_fewer_particles_are_the_first_of_more():
    few, many = (scattered(np.random.default_rng(0), (50, 100), 400, count) for count in (30, 300))
    assert len(few.positions) == 60 and len(many.positions) == 600
    np.testing.assert_array_equal(few.positions, many.positions[:60])
    np.testing.assert_array_equal(few.nearness, many.nearness[:60])


@pytest.mark.parametrize("degrees", [-15, 0, 12])
def test_streaks_fall_in_their_direction(degrees):
    drops = scattered(np.random.default_rng(0), (512, 512), 300, 300)
    light = streaks(drops, (512, 512), np.deg2rad(degrees), (0.02, 0.08), (0.002, 0.003), 0.0).astype(float)
    dy, dx = np.gradient(light)
    across = 0.5 * np.arctan2(2 * (dx * dy).sum(), (dx**2 - dy**2).sum())
    assert -np.rad2deg(across) == pytest.approx(degrees, abs=3)


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_rain_leaves_the_contrast_and_light_of_its_table(severity):
    """Between the streaks, of which the least covered half of the pixels has none."""
    image = np.full((256, 256, 1), 60, dtype=np.uint8)
    image[:, 128:] = 180
    rainy = Rain(severity).render(image, generator(0, "rain", "a")).image[..., 0]
    left, right = (np.quantile(part, 0.05) for part in (rainy[:, :128], rainy[:, 128:]))
    clarity, light = ((0.97, 0.97), (0.86, 0.91), (0.72, 0.83))[severity // 2]
    assert right - left == pytest.approx(120 * clarity * light, abs=3)


def test_snow_settles_on_the_ground_only():
    scene = street(200, 320)
    image = np.full((200, 320, 3), 90, dtype=np.uint8)

    def whitened(severity):
        snowy = Snow(severity).render(image, generator(0, "snow", "a"), scene).image.mean(axis=2)
        return np.median(snowy[scene.labels == ROAD]) - np.median(snowy[scene.labels == BUILDING])

    assert whitened(1) == pytest.approx(0, abs=2)
    assert 4 < whitened(3) < 0.6 * whitened(5)


def test_wet_road_changes_the_road_only():
    scene, image = street(), noise((100, 160, 3))
    wet = WetRoad(5).render(image, generator(0, "wet_road", "a"), scene).image
    far_from_road = scene.labels != ROAD
    for shift in (-2, -1, 1, 2):
        far_from_road &= (np.roll(scene.labels, shift, 0) != ROAD) & (np.roll(scene.labels, shift, 1) != ROAD)
    np.testing.assert_array_equal(wet[far_from_road], image[far_from_road])
    assert np.abs(wet.astype(int) - image)[scene.labels == ROAD].mean() > 10


def test_wet_road_mirrors_what_stands_above_it():
    labels = np.full((128, 256), BUILDING, dtype=np.uint8)
    labels[64:] = ROAD
    image = np.full((128, 256, 1), 80, dtype=np.uint8)
    image[:64, :128], image[:64, 128:] = 20, 230
    wet = WetRoad(5).render(image, generator(0, "wet_road", "a"), Scene(labels, CLASSES)).image[..., 0]
    assert wet[70:110, 150:].mean() > wet[70:110, :106].mean() + 40
    assert wet[70:110, :106].mean() < 80


def test_lamps_of_a_night_are_no_sky():
    """Their glow would be fogged as 400 m away: a hard-edged patch around each lamp."""
    night = np.full((180, 320), 6, np.float32)
    cv2.circle(night, (160, 40), 4, 255.0, -1)
    night = np.repeat(cv2.GaussianBlur(night, (0, 0), 3)[..., None], 3, axis=2).astype(np.uint8)
    dark = street_distance(np.full_like(night, 6))
    np.testing.assert_allclose(street_distance(night), dark, rtol=1e-5)


def test_flakes_are_near_and_far_bright_and_dim():
    """Snow before a black wall at night: many grey levels, none of them day."""
    black = np.zeros((256, 512, 3), np.uint8)
    flakes = Snow(2).render(black, generator(0, "snow", "night")).image.max(axis=2)
    assert flakes.max() < 120
    levels = np.bincount(flakes[flakes > 20], minlength=256)
    assert (levels > 10).sum() > 20
