"""What lies on the lens: exact classes, tiles and coverage; soft edges; drops that are lenses."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from anomalies import ANOMALIES, generator
from anomalies.kinds.soiling.water_drops import DROPS, WaterDrops
from anomalies.toolkit.drops import _put_drop
from anomalies.toolkit.fields import fbm
from anomalies.toolkit.lens import CLASSES, discs, opacity_of, soiling_classes, spread, tile_coverage

SOILING = sorted(kind for kind, anomaly in ANOMALIES.items() if anomaly.family == "soiling")
COVERAGE = {
    "dust_film": (0.25, 0.45, 0.65, 0.82, 0.95),
    "smear": (0.08, 0.16, 0.28, 0.42, 0.58),
    "frost": (0.08, 0.18, 0.32, 0.48, 0.65),
}


def grey(shape=(256, 512, 3), level=120):
    return np.full(shape, level, dtype=np.uint8)


def drawn(kind, severity, image, key="a"):
    return ANOMALIES[kind](severity).render(image, generator(0, kind, key))


@pytest.mark.parametrize("kind", SOILING)
def test_classes_are_exact(kind):
    """WoodScape's ids are those of the opacity that was drawn, at every pixel."""
    rendered = drawn(kind, 4, grey())
    alpha = rendered.alpha
    expected = np.select([alpha < 0.05, alpha < 0.35, alpha < 0.80], [0, 1, 2], 3)
    np.testing.assert_array_equal(rendered.soiling, expected)
    assert rendered.soiling.dtype == np.uint8


def test_class_borders():
    edge = np.array([[0.0, 0.0499, 0.05, 0.3499, 0.35, 0.7999, 0.80, 1.0]], dtype=np.float32)
    np.testing.assert_array_equal(soiling_classes(edge), [[0, 0, 1, 1, 2, 2, 3, 3]])


def test_other_families_soil_nothing():
    image = grey((32, 32, 3))
    for kind, anomaly in ANOMALIES.items():
        if anomaly.family in ("weather", "lighting"):
            assert drawn(kind, 3, image).soiling is None


@pytest.mark.parametrize("kind", SOILING)
@pytest.mark.parametrize("shape", [(64, 128, 3), (97, 61, 1)])
def test_tiles_and_coverage_are_those_of_the_map(kind, shape):
    rendered = drawn(kind, 5, grey(shape))
    assert rendered.details["coverage"] == pytest.approx((rendered.alpha >= 0.05).mean(), abs=1e-4)
    rows, columns = (np.linspace(0, size, 5).round().astype(int) for size in shape[:2])
    for i in range(16):
        part = rendered.soiling[rows[i // 4] : rows[i // 4 + 1], columns[i % 4] : columns[i % 4 + 1]]
        for number, name in enumerate(CLASSES):
            assert rendered.details[f"tiles_{name}"][i] == pytest.approx((part == number).mean(), abs=1e-4)


def test_tile_coverage_counts():
    classes = np.zeros((8, 8), dtype=np.uint8)
    classes[:2, :2] = [[3, 3], [1, 2]]
    classes[6:, 6:] = 3
    shares = tile_coverage(classes)
    np.testing.assert_allclose(shares[0], [0, 0.25, 0.25, 0.5])
    np.testing.assert_allclose(shares[15], [0, 0, 0, 1])
    np.testing.assert_allclose(shares[1:15], [[1, 0, 0, 0]] * 14)


def test_opacity_passes_through_its_two_quantiles():
    thickness = fbm(np.random.default_rng(0), (200, 300), 40)
    opacity = opacity_of(thickness, covered=0.3, dense=0.2, dense_opacity=0.8, largest=0.95)
    assert (opacity >= 0.035).mean() == pytest.approx(0.3, abs=1e-3)
    assert (opacity >= 0.8).mean() == pytest.approx(0.06, abs=1e-3)
    assert opacity.max() == pytest.approx(0.95)


@pytest.mark.parametrize("kind", list(COVERAGE))
def test_coverage_is_that_of_the_table(kind):
    for severity, expected in enumerate(COVERAGE[kind], 1):
        covered = np.mean([drawn(kind, severity, grey(), key).details["coverage"] for key in "abcd"])
        assert covered == pytest.approx(expected, rel=0.15, abs=0.01)


@pytest.mark.parametrize("kind", ["mud", "dust_film", "smear", "frost", "water_drops"])
def test_dirt_grows_in_place(kind):
    alphas = [drawn(kind, severity, grey((128, 192, 3))).alpha for severity in range(1, 6)]
    for weaker, stronger in pairwise(alphas):
        assert ((weaker >= 0.2) <= (stronger >= 0.1)).all()


@pytest.mark.parametrize("kind", ["mud", "dust_film", "smear", "frost", "leaf", "insect"])
def test_edges_are_out_of_focus(kind):
    """No edge as sharp as one in focus: opacity takes more than two pixels at 512 rows to rise."""
    alpha = drawn(kind, 5, grey((512, 512, 3))).alpha
    assert max(np.abs(np.diff(alpha, axis=axis)).max() for axis in (0, 1)) < 0.45


@pytest.mark.parametrize("kind", ["mud", "dust_film", "smear", "frost", "leaf"])
def test_the_scene_behind_is_defocused(kind):
    """Where it is half transparent, a pattern of single pixels has lost more than the opacity takes away."""
    image = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None]
    rendered = drawn(kind, 5, image)
    thin = (rendered.alpha > 0.3) & (rendered.alpha < 0.5)
    assert thin.sum() > 50
    left = np.abs(np.diff(rendered.image[..., 0].astype(float), axis=1))[thin[:, 1:]].mean() / 255
    assert left < 0.35


@pytest.mark.parametrize("kind", ["dust_film", "smear", "frost", "leaf", "insect", "crack"])
def test_dirt_is_dark_at_night(kind):
    def seen(level):
        rendered = drawn(kind, 5, grey((128, 256, 3), level))
        return rendered.image[rendered.alpha >= np.quantile(rendered.alpha, 0.98)].mean()

    assert seen(8) < 0.55 * seen(190)


@pytest.mark.parametrize("severity", range(1, 6))
def test_number_of_drops(severity):
    alpha = drawn("water_drops", severity, grey((512, 512, 3))).alpha
    found = cv2.connectedComponents((alpha > 0.4).astype(np.uint8))[0] - 1
    assert 0.7 * DROPS[severity - 1] <= found <= DROPS[severity - 1]


def test_a_drop_shows_the_scene_upside_down():
    image = np.full((128, 128, 1), 30, dtype=np.uint8)
    image[:64] = 220
    result, opacity = image.copy(), np.zeros((128, 128), dtype=np.float32)
    _put_drop(result, opacity, image, image, np.array([110.0]), (64.0, 64.0), 16.0, np.full(5, 0.5))
    assert result[52:60, 58:70].mean() < 90 < 160 < result[68:76, 58:70].mean()
    assert opacity[64, 64] == pytest.approx(0.78)


def test_frost_comes_from_the_border():
    alpha = np.mean([drawn("frost", 3, grey((128, 256, 3)), key).alpha for key in "abcd"], axis=0)
    assert np.concatenate((alpha[:12].ravel(), alpha[-12:].ravel())).mean() > 5 * alpha[48:80, 96:160].mean()


def test_cracks_are_bright_beside_dark():
    rendered = drawn("crack", 4, grey((256, 256, 3)))
    marked = rendered.alpha > 0.4
    change = rendered.image[marked].astype(int).mean(axis=1) - 120
    assert (change > 15).mean() > 0.05
    assert (change < -10).mean() > 0.1


def test_leaves_and_insects_are_counted():
    for kind, most in (("leaf", (1, 1, 2, 2, 3)), ("insect", (1, 2, 4, 7, 12))):
        for severity in (1, 5):
            alpha = drawn(kind, severity, grey((256, 512, 3))).alpha
            found = cv2.connectedComponents((alpha > 0.75).astype(np.uint8))[0] - 1
            assert 1 <= found <= 2 * most[severity - 1]


def test_first_points_are_spread():
    """Any first n of the points keep away from each other better than random ones."""
    points = spread(np.random.default_rng(0), 40, jitter=0.0)
    for n in (5, 10, 40):
        apart = np.abs(points[:n, None] - points[None, :n])
        apart = np.hypot(*np.moveaxis(np.minimum(apart, 1 - apart), 2, 0)) + 10 * np.eye(n)
        assert apart.min() > 0.5 / np.sqrt(n)


def test_discs_have_their_area():
    drawn_discs = discs((200, 200), [(60.0, 70.0), (140.0, 120.0), (10.0, 10.0)], [20.0, 12.0, 0.5], 0.0)
    assert drawn_discs.sum() == pytest.approx(np.pi * (20**2 + 12**2), rel=0.07)


@pytest.mark.parametrize("level", [4, 70, 128, 200, 250])
def test_drops_show_in_front_of_anything(level):
    """Where a drop showed what lies behind it, most real frames were refused."""
    wall = np.random.default_rng(0).normal(level, 2, (200, 320, 3)).clip(0, 255).astype(np.uint8)
    rendered = WaterDrops(5).render(wall, generator(0, "water_drops", "wall"))
    change = np.abs(rendered.image.astype(int) - wall).max(axis=2)
    assert (change[rendered.alpha >= 0.5] >= 3).mean() >= 0.95
