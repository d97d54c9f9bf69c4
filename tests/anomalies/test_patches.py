"""Local patches: place, area, labels from the measured change, Poisson's equation."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from anomalies import ANOMALIES, Scene, generator, mask
from anomalies.kinds.patches._regions import AREA, blob, placed, rectangle, visible_change
from anomalies.kinds.patches._textures import texture
from anomalies.toolkit.poisson import poisson_blend

NAMES = [kind for kind, anomaly in ANOMALIES.items() if anomaly.family == "patches"]
SHAPE = (240, 400)


def street(shape=(*SHAPE, 3), seed=0):
    """Something everywhere: coarse and fine structure, no two places alike."""
    rng, drawn = np.random.default_rng(seed), np.zeros(shape)
    for cells, size in ((4, 60), (12, 40), (40, 25)):
        grid = rng.uniform(-size, size, (cells, 2 * cells, shape[2])).astype(np.float32)
        drawn += cv2.resize(grid, shape[1::-1], interpolation=cv2.INTER_CUBIC).reshape(shape)
    return np.clip(125 + drawn + rng.normal(0, 8, shape), 0, 255).astype(np.uint8)


def rendered(kind, severity, image, key="a", scene=None):
    return ANOMALIES[kind](severity).render(image, generator(0, kind, key), scene or Scene())


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("severity", range(1, 6))
def test_marked_is_what_visibly_changed(kind, severity):
    image = street()
    for key in "abc":
        found = rendered(kind, severity, image, key)
        change = np.abs(found.image.astype(int) - image).max(axis=2)
        marked = mask(found.alpha)
        assert (marked == 1).any()
        assert (change[marked == 1] >= 3).mean() >= 0.85
        assert (change[marked == 0] <= 1).all()


@pytest.mark.parametrize("kind", ["cutpaste", "scar", "swap"])
def test_areas_are_those_of_the_table(kind):
    image = street()
    for severity in (3, 4, 5):
        shares = [(rendered(kind, severity, image, str(k)).alpha > 0.5).mean() for k in range(8)]
        assert np.mean(shares) == pytest.approx(AREA[severity - 1], rel=0.25)


@pytest.mark.parametrize("outline", [rectangle(3.3), rectangle(0.2, 40), blob(np.random.default_rng(1))])
def test_outlines_have_area_one(outline):
    x = np.linspace(-2, 2, 801, dtype=np.float32)
    inside = outline.level(x[None, :], x[:, None]) < 1
    assert inside.mean() * 16 == pytest.approx(1, abs=0.04)
    columns, rows = np.abs(x[inside.any(axis=0)]).max(), np.abs(x[inside.any(axis=1)]).max()
    assert columns <= outline.half_width + 0.01
    assert rows <= outline.half_height + 0.01


@pytest.mark.parametrize("kind", NAMES)
def test_patches_grow_about_the_same_place(kind):
    image = street()
    marked = [rendered(kind, severity, image).alpha > 0.5 for severity in range(1, 6)]
    for smaller, larger in pairwise(marked):
        near = cv2.dilate(larger.astype(np.uint8), np.ones((5, 5))) == 1
        assert near[smaller].mean() > 0.9


def test_regions_avoid_void():
    labels = np.zeros(SHAPE, np.uint8)
    labels[:, :200] = 255
    scene = Scene(labels)
    for seed in range(30):
        region = placed(np.random.default_rng(seed), rectangle(1), 3, SHAPE, scene)
        assert region.centre[0] >= 199


def test_cutpaste_pastes_another_part_of_the_image():
    """Divided by the jitter, the patch is found elsewhere in the image."""
    image = street((120, 160, 1))
    found = rendered("cutpaste", 5, image)
    y, x = (np.flatnonzero((found.alpha > 0.5).any(axis=axis)) for axis in (1, 0))
    patch = found.image[y[2] : y[-3], x[2] : x[-3]].astype(np.float32)
    match = cv2.matchTemplate(image.astype(np.float32), patch, cv2.TM_CCOEFF_NORMED)
    assert match.max() > 0.99


def test_swap_keeps_the_values():
    """Inside the marked area the image holds the same values as before, in other places."""
    image = street((120, 160, 1))
    found = rendered("swap", 4, image)
    changed = cv2.dilate((found.alpha > 0).astype(np.uint8), np.ones((9, 9))) == 1
    before, after = np.sort(image[changed].ravel()), np.sort(found.image[changed].ravel())
    assert np.abs(before.astype(int) - after).mean() < 3


def test_poisson_has_the_sources_gradients_inside_and_no_seam():
    target, source = street((40, 50, 3), 1), street((40, 50, 3), 2) // 2 + 60
    target = target // 2 + 60
    inside = np.zeros((40, 50), np.float32)
    inside[10:30, 12:38] = 1
    blended = poisson_blend(target, source, inside)
    np.testing.assert_array_equal(blended[[0, -1]], target[[0, -1]])
    gradients = (
        np.diff(blended[12:28, 14:36].astype(int), axis=1),
        np.diff(source[12:28, 14:36].astype(int), axis=1),
    )
    assert np.abs(gradients[0] - gradients[1]).mean() < 2
    seam = np.abs(np.diff(blended[:, 10:14].astype(int), axis=1))[10:30].mean()
    pasted = np.where(inside[..., None] > 0, source, target)
    assert seam < 0.7 * np.abs(np.diff(pasted[:, 10:14].astype(int), axis=1))[10:30].mean() + 2


def test_poisson_of_the_image_itself_changes_nothing():
    target = street((30, 30, 3))
    np.testing.assert_array_equal(poisson_blend(target, target, np.ones((30, 30), np.float32)), target)


def test_erased_and_blurred_regions_lose_detail():
    image = street()
    for kind in ("erased", "local_blur"):
        found = rendered(kind, 5, image)
        core = cv2.erode((found.alpha > 0.5).astype(np.uint8), np.ones((5, 5))) == 1
        sharpness = [
            np.abs(cv2.Laplacian(part, cv2.CV_32F)).max(axis=2)[core].mean() for part in (image, found.image)
        ]
        assert sharpness[1] < 0.4 * sharpness[0], kind


def test_perlin_texture_has_its_opacity():
    """On black, the brightest the texture reaches grows like the opacity."""
    black = np.zeros((*SHAPE, 3), np.uint8)
    peaks = [rendered("perlin_texture", severity, black).image.max() for severity in range(1, 6)]
    np.testing.assert_allclose(np.array(peaks) / peaks[-1], (0.25, 0.40, 0.55, 0.75, 1.0), atol=0.08)


def test_textures_are_of_all_sorts():
    drawn = [texture(np.random.default_rng(seed), (48, 64), 200) for seed in range(12)]
    assert all(one.shape == (48, 64, 3) and one.dtype == np.uint8 for one in drawn)
    assert min(one.std() for one in drawn) > 8


def test_visible_change():
    before = np.full((5, 9, 3), 100, np.uint8)
    after = before.copy()
    after[2, 1:8, 1] = (100, 101, 102, 103, 104, 105, 180)
    np.testing.assert_allclose(visible_change(before, after)[2, 1:8], (0, 0, 0.25, 0.5, 0.75, 1, 1))
    after[:, 4:] = 130
    after[2, 6] = 100
    assert visible_change(before, after)[2, 6] == 1


def test_erased_ground_keeps_its_grain():
    ground = np.random.default_rng(0).normal(110, 4, (200, 320, 1)).clip(0, 255).astype(np.uint8)
    rendered = ANOMALIES["erased"](5).render(ground, generator(0, "erased", "ground"))
    inside = rendered.alpha > 0.5
    before, after = (np.abs(cv2.Laplacian(part[..., 0], cv2.CV_32F)) for part in (ground, rendered.image))
    assert inside.sum() > 1000
    assert 0.5 * before[inside].mean() < after[inside].mean() < 1.2 * before[inside].mean()
