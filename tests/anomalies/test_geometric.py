"""Geometric kinds: against closed forms, and image and labels against each other."""

import math

import cv2
import numpy as np
import pytest

from anomalies import ANOMALIES, Scene, generator
from anomalies.kinds.geometric.elastic import Elastic
from anomalies.kinds.geometric.pitch import Pitch
from anomalies.kinds.geometric.radial_distortion import RadialDistortion
from anomalies.kinds.geometric.roll import ROLL, Roll
from anomalies.kinds.geometric.rolling_shutter import SKEW, RollingShutter
from anomalies.kinds.geometric.zoomed import FIELD_OF_VIEW, Zoomed
from anomalies.toolkit.warping import warp

NAMES = [kind for kind, anomaly in ANOMALIES.items() if anomaly.family == "geometric"]
SHAPE = (120, 200)


def maps(anomaly, key="a", shape=SHAPE):
    return anomaly.source(generator(0, anomaly.kind, key), shape)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("severity", [1, 5])
def test_labels_are_where_the_image_shows_them(kind, severity):
    """An image made of its own labels: wherever a pixel is not at an edge, it still shows its label."""
    labels = (np.arange(SHAPE[0])[:, None] // 20 * 40 + np.arange(SHAPE[1])[None, :] // 40 * 4).astype(
        np.uint8
    )
    rendered = ANOMALIES[kind](severity).render(labels[..., None], generator(0, kind, "a"), Scene(labels))
    inside = cv2.erode((rendered.labels != 255).astype(np.uint8), np.ones((11, 11))) == 1
    flat = cv2.morphologyEx(rendered.labels, cv2.MORPH_GRADIENT, np.ones((11, 11))) == 0
    assert (inside & flat).mean() > 0.2
    np.testing.assert_array_equal(rendered.image[..., 0][inside & flat], rendered.labels[inside & flat])
    assert set(np.unique(rendered.labels)) <= {*np.unique(labels), 255}


@pytest.mark.parametrize("kind", NAMES)
def test_void_is_what_comes_from_outside(kind):
    anomaly, labels = ANOMALIES[kind](5), np.zeros(SHAPE, np.uint8)
    (columns, rows), _ = maps(anomaly)
    outside = (columns < -1) | (columns > SHAPE[1]) | (rows < -1) | (rows > SHAPE[0])
    rendered = anomaly.render(np.zeros((*SHAPE, 3), np.uint8), generator(0, kind, "a"), Scene(labels))
    assert (rendered.labels[outside] == 255).all()
    assert rendered.alpha is None


def test_borders_are_reflections():
    """No black comes in from outside: the bright image stays bright."""
    for kind in NAMES:
        image = np.full((*SHAPE, 3), 180, np.uint8)
        rendered = ANOMALIES[kind](5).render(image, generator(0, kind, "a"))
        assert (rendered.image == 180).all(), kind


@pytest.mark.parametrize("severity", range(1, 6))
def test_roll_is_a_rotation_about_the_centre(severity):
    (columns, rows), details = maps(Roll(severity))
    assert abs(details["degrees"]) == pytest.approx(ROLL[severity - 1], rel=0.11)
    x, y = columns - (SHAPE[1] - 1) / 2, rows - (SHAPE[0] - 1) / 2
    straight_x, straight_y = np.meshgrid(np.arange(SHAPE[1]) - 99.5, np.arange(SHAPE[0]) - 59.5)
    np.testing.assert_allclose(np.hypot(x, y), np.hypot(straight_x, straight_y), atol=1e-3)
    turned = math.degrees(math.atan2(float(y[10, 10]), float(x[10, 10])))
    straight = math.degrees(math.atan2(straight_y[10, 10], straight_x[10, 10]))
    assert (turned - straight + 180) % 360 - 180 == pytest.approx(details["degrees"], abs=1e-2)


def test_pitch_is_the_homography_of_a_turned_pinhole():
    """Source = K R K^-1 of the pixel, with the angle that moves the middle by the shift."""
    anomaly, f = Pitch(4, focal_length=2.2), 2.2 * SHAPE[0]
    (columns, rows), details = maps(anomaly)
    angle = math.atan(details["shift"] / 2.2)
    k = np.array([[f, 0, (SHAPE[1] - 1) / 2], [0, f, (SHAPE[0] - 1) / 2], [0, 0, 1]])
    c, s = math.cos(angle), math.sin(angle)
    homography = k @ np.array([[1, 0, 0], [0, c, s], [0, -s, c]]) @ np.linalg.inv(k)
    for x, y in ((0, 0), (199, 0), (50, 119), (100, 60)):
        u, v, w = homography @ (x, y, 1)
        assert columns[y, x] == pytest.approx(u / w, abs=0.01)
        assert rows[y, x] == pytest.approx(v / w, abs=0.01)


@pytest.mark.parametrize("severity", range(1, 6))
def test_zoomed_shows_the_share_and_nothing_from_outside(severity):
    for key in "abcd":
        (columns, rows), _ = maps(Zoomed(severity), key)
        assert columns.min() >= -0.5
        assert columns.max() <= SHAPE[1] - 0.5
        assert rows.min() >= -0.5
        assert rows.max() <= SHAPE[0] - 0.5
        assert np.ptp(rows) / (SHAPE[0] - 1) == pytest.approx(FIELD_OF_VIEW[severity - 1], abs=1e-4)


def test_radial_distortion_follows_its_polynomial():
    (columns, rows), details = maps(RadialDistortion(5))
    x, y = np.meshgrid(np.arange(SHAPE[1]) - 99.5, np.arange(SHAPE[0]) - 59.5)
    r = np.hypot(x, y) / np.hypot(100, 60)
    source = np.hypot(columns - 99.5, rows - 59.5) / np.hypot(100, 60)
    np.testing.assert_allclose(source, r * (1 + details["k"] * r**2), atol=1e-4)


@pytest.mark.parametrize("severity", range(1, 6))
def test_rolling_shutter_leans_by_its_skew_and_keeps_rows(severity):
    (columns, rows), details = maps(RollingShutter(severity))
    np.testing.assert_allclose(rows, np.arange(SHAPE[0])[:, None] + np.zeros(SHAPE), atol=1e-3)
    lean = np.polyfit(np.arange(SHAPE[0]), columns[:, 0], 1)[0]
    assert lean == pytest.approx(details["skew"], abs=0.45 * SKEW[severity - 1])
    np.testing.assert_allclose(np.diff(columns, axis=1), 1, atol=1e-3)


def test_elastic_has_its_amplitude():
    for severity, amplitude in enumerate((0.001, 0.002, 0.004, 0.007, 0.012), 1):
        (columns, rows), _ = maps(Elastic(severity), shape=(400, 600))
        for moved, straight in ((columns, np.arange(600)[None, :]), (rows, np.arange(400)[:, None])):
            assert (moved - straight).std() == pytest.approx(amplitude * 400, rel=0.1)


def test_sides_are_both_drawn():
    for kind, name in (
        (Roll, "degrees"),
        (Pitch, "shift"),
        (RadialDistortion, "k"),
        (RollingShutter, "skew"),
    ):
        signs = {maps(kind(3), str(key), (16, 16))[1][name] > 0 for key in range(20)}
        assert signs == {True, False}, kind


def test_warp_without_labels_and_identity():
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    x, y = np.meshgrid(np.arange(50, dtype=np.float32), np.arange(40, dtype=np.float32))
    seen, labels = warp(image, None, (x, y))
    np.testing.assert_array_equal(seen, image)
    assert labels is None


@pytest.mark.parametrize("focal_length", [0.4, 11, "2", True, None])
def test_bad_focal_length(focal_length):
    with pytest.raises(ValueError, match=r"pitch: focal_length must be a number from 0\.5 to 10"):
        Pitch(3, focal_length=focal_length)
