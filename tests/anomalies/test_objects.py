"""Objects: where they stand, how large they are, how they are blended, and the controls that must not alarm."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from anomalies import Scene, generator, mask
from anomalies.kinds.control.near_miss import VARIATIONS, NearMiss
from anomalies.kinds.control.own_paste import OwnPaste
from anomalies.kinds.objects._pasted import METRES
from anomalies.kinds.objects.folder_object import FolderObject
from anomalies.kinds.objects.object import Object
from anomalies.kinds.objects.out_of_context import OutOfContext
from anomalies.toolkit.objects.blending import (
    BLENDS,
    colour_table,
    contact_shadow,
    poisson,
    recoloured,
    refocused,
    residual,
)
from anomalies.toolkit.objects.own import own_objects
from anomalies.toolkit.objects.pictures import drawn
from anomalies.toolkit.objects.placement import metres_to_pixels
from anomalies.toolkit.objects.shapes import SHAPES

CLASSES = ("road", "building", "sky", "car", "person")
ROAD, BUILDING, SKY, CAR, PERSON, VOID = 0, 1, 2, 3, 4, 255
H, W = 256, 512
CARS = ((115, 160, 100, 180), (112, 140, 300, 350))


@pytest.fixture(scope="module")
def street():
    """An image and its scene: sky, facades, a road, two cars, and the own vehicle as void."""
    rng = np.random.default_rng(0)
    labels = np.full((H, W), BUILDING, np.uint8)
    labels[:60] = SKY
    labels[120:] = ROAD
    labels[120:, :40] = BUILDING
    labels[240:] = VOID
    for top, bottom, left, right in (*CARS, (125, 150, 400, 430)):
        cv2.ellipse(
            labels,
            ((left + right) // 2, (top + bottom) // 2),
            ((right - left) // 2, (bottom - top) // 2),
            0,
            0,
            360,
            CAR,
            -1,
        )
    labels[120:155, 412:422] = BUILDING
    colours = {
        ROAD: (90, 90, 92),
        BUILDING: (130, 110, 95),
        SKY: (180, 200, 220),
        CAR: (150, 30, 30),
        VOID: (20, 20, 20),
    }
    image = np.zeros((H, W, 3))
    for number, rgb in colours.items():
        image[labels == number] = rgb
    image += rng.normal(0, 3, (H, W, 1)) + 12 * np.sin(np.arange(W) / 9)[:, None]
    return image.clip(0, 255).astype(np.uint8), Scene(labels, CLASSES)


def render(anomaly, street, key="a"):
    return anomaly.render(street[0], generator(0, anomaly.kind, key), street[1])


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_first_object_stands_on_the_road_in_its_true_size(street, severity):
    _, scene = street
    for key in "abcdef":
        rendered = render(Object(severity, shape="box"), street, key)
        x0, _, x1, y1 = rendered.details["boxes"][0]
        assert scene.labels[y1 - 1, (x0 + x1) // 2] == ROAD
        low, high = METRES[severity - 1]
        pixels = metres_to_pixels(y1, (H, W), scene)
        first = rendered.instances == 1
        height = np.ptp(np.flatnonzero(first.any(axis=1))) + 1
        aspect = (x1 - x0) / height
        size = height / pixels * max(1, aspect / 2)
        assert 0.7 * low <= size <= 1.3 * high
        assert rendered.details["heights_m"][0] == pytest.approx(height / pixels, rel=0.2)


def test_counts_and_nesting(street):
    for key in "abcdef":
        counts = [len(render(Object(s), street, key).details["objects"]) for s in range(1, 6)]
        assert counts[:2] == [1, 1]
        assert counts[2] in (1, 2)
        assert counts[3:] == [2, 3]
        names = [render(Object(s), street, key).details["objects"] for s in range(1, 6)]
        assert all(longer[: len(shorter)] == shorter for shorter, longer in pairwise(names))


def test_the_second_count_of_severity_3_varies(street):
    counts = {len(render(Object(3), street, str(key)).details["objects"]) for key in range(12)}
    assert counts == {1, 2}


@pytest.mark.parametrize("blend", BLENDS)
def test_maps_agree(street, blend):
    """Labels are void exactly under objects, and instances lie where the mask says anomalous."""
    image, scene = street
    for key in "abc":
        rendered = render(Object(5, blend=blend), street, key)
        solid = rendered.alpha >= 0.5
        np.testing.assert_array_equal(rendered.instances > 0, solid)
        assert set(np.unique(rendered.instances)) == set(range(len(rendered.details["objects"]) + 1))
        assert np.all(rendered.labels[solid] == VOID)
        np.testing.assert_array_equal(rendered.labels[~solid], scene.labels[~solid])
        np.testing.assert_array_equal(rendered.image[rendered.alpha == 0], image[rendered.alpha == 0])


def test_the_own_vehicle_stays_in_front(street):
    image, scene = street
    for key in range(10):
        rendered = render(Object(5), street, str(key))
        front = scene.labels == VOID
        np.testing.assert_array_equal(rendered.image[front], image[front])


def test_people_stay_visible(street):
    image, scene = street
    labels = scene.labels.copy()
    labels[120:200, 150:170] = PERSON
    labels[130:220, 330:355] = PERSON
    scene = Scene(labels, CLASSES)
    for key in range(10):
        rendered = Object(4).render(image, generator(0, "object", str(key)), scene)
        for person in (slice(150, 170), slice(330, 355)):
            hidden = (rendered.alpha >= 0.5) & (labels == PERSON)
            assert hidden[:, person].sum() <= 0.3 * (labels[:, person] == PERSON).sum()


@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("kind", [Object, OutOfContext])
def test_marked_pixels_can_be_seen(street, kind, blend):
    """The mean change on marked pixels is large; at the most realistic tier at least three quarters show it."""
    for key in "abcd":
        for severity in (1, 5):
            rendered = render(kind(severity, blend=blend), street, key)
            marked = mask(rendered.alpha) == 1
            change = np.abs(rendered.image.astype(int) - street[0])[marked].max(axis=1)
            assert marked.any()
            if blend != "poisson":
                assert change.mean() >= 20
            assert (change >= 3).mean() >= (0.75 if blend == "poisson" else 0.9)


def test_matching_brings_the_colour_closer(street):
    """Distance of the object's mean Lab colour to its surroundings: matched is nearer than hard."""
    distances = {"hard": [], "matched": []}
    for key in range(12):
        for blend, found in distances.items():
            rendered = render(Object(2, blend=blend, shape="suitcase"), street, str(key))
            lab = cv2.cvtColor(rendered.image, cv2.COLOR_RGB2LAB).astype(float)
            inside = rendered.alpha >= 0.9
            road = street[1].labels == ROAD
            found.append(np.linalg.norm(lab[inside].mean(axis=0) - lab[road & ~inside].mean(axis=0)))
    assert np.mean(distances["matched"]) < 0.8 * np.mean(distances["hard"])


def test_colour_table_moves_the_mean_by_60_percent():
    rng = np.random.default_rng(0)
    rgb = (rng.normal(180, 6, (40, 40, 1)) * [1, 1, 1]).clip(0, 255).astype(np.uint8)
    around = (rng.normal(80, 6, (40, 40, 1)) * [1, 1, 1]).clip(0, 255).astype(np.uint8)
    moved = recoloured(rgb, colour_table(rgb, np.full((40, 40), 255, np.uint8), around))
    lightness = [cv2.cvtColor(x, cv2.COLOR_RGB2LAB)[..., 0].mean() for x in (rgb, around, moved)]
    assert (lightness[0] - lightness[2]) / (lightness[0] - lightness[1]) == pytest.approx(0.6, abs=0.03)


@pytest.mark.parametrize(("own", "wanted"), [(2.0, 8.0), (12.0, 3.0)])
def test_noise_is_matched(own, wanted):
    rng = np.random.default_rng(0)
    shape = (96, 96, 1)
    rgb, around = (
        np.repeat((120 + rng.normal(0, sigma, shape)).clip(0, 255).astype(np.uint8), 3, axis=2)
        for sigma in (own, wanted)
    )
    noise = rng.standard_normal((128, 128), dtype=np.float32)
    result = refocused(rgb, np.ones((96, 96), bool), around, noise)
    assert residual(result) == pytest.approx(residual(around), rel=0.35)


def test_poisson_is_seamless():
    """Constant offsets vanish: an object of constant colour takes the colour of a constant background."""
    rgb, under = np.full((60, 80, 3), 200, np.uint8), np.full((60, 80, 3), 70, np.uint8)
    alpha = np.zeros((60, 80), np.float32)
    alpha[15:45, 20:60] = 1
    assert np.abs(poisson(rgb, alpha, under).astype(int) - 70).max() <= 1


def test_contact_shadow_lies_under_the_object_and_is_not_anomalous():
    alpha = np.zeros((60, 40), np.float32)
    alpha[:, 5:35] = 1
    shadow = contact_shadow(alpha, 25)
    assert shadow.shape == (110, 90)
    assert 0.3 < shadow.max() < 0.5
    rows = shadow.sum(axis=1)
    assert abs(int(rows.argmax()) - (25 + 59)) <= 4
    assert not shadow[:50].any()
    columns = shadow.sum(axis=0) @ np.arange(90) / shadow.sum()
    assert columns == pytest.approx(25 + 19.5, abs=1)


@pytest.mark.parametrize("name", list(SHAPES))
def test_every_shape_is_drawn(name):
    for seed in range(3):
        rgba = drawn(name, np.random.default_rng(seed), 96)
        opaque = rgba[..., 3] >= 128
        assert rgba.dtype == np.uint8
        assert 60 <= max(rgba.shape[:2]) <= 110
        assert opaque.mean() >= 0.12
        assert opaque[-1].any()
        assert rgba[opaque][:, :3].std() > 4


def test_own_objects_are_whole(street):
    """Cars count, but not the two halves of one behind a post, nor what is left of one behind a box."""
    _, scene = street
    assert {own.columns.start // 20 for own in own_objects(scene)} == {5, 15}
    labels = scene.labels.copy()
    labels[115:140, 120:160] = BUILDING
    assert len(own_objects(Scene(labels, CLASSES))) == 1


def test_out_of_context_uses_the_images_own_objects(street):
    names = [render(OutOfContext(3), street, str(key)).details["objects"] for key in range(6)]
    assert {name for found in names for name in found} == {"car"}
    unlabelled = OutOfContext(3).render(street[0], generator(0, "out_of_context", "a"))
    assert unlabelled.details["objects"][0] in SHAPES


@pytest.fixture
def folder(tmp_path):
    rgba = np.zeros((40, 30, 4), np.uint8)
    rgba[5:35, 5:25] = (30, 200, 40, 255)
    cv2.imwrite(str(tmp_path / "skip.png"), rgba)
    (tmp_path / "index.yaml").write_text("skip.png: {licence: CC0-1.0, name: skip}\n")
    return tmp_path


def test_folder(street, folder):
    rendered = render(FolderObject(2, folder=str(folder)), street)
    assert rendered.details["objects"] == ["skip"]
    assert rendered.details["licences"] == ["CC0-1.0"]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (None, "no index.yaml in"),
        ("", "must have one line per file"),
        ("skip.png: {name: skip}", "gives no licence for skip.png"),
        ("other.png: {licence: CC0-1.0}", "names other.png, which is not in"),
        ("a: [", "not valid YAML"),
    ],
)
def test_bad_folders(folder, index, message):
    if index is None:
        (folder / "index.yaml").unlink()
    else:
        (folder / "index.yaml").write_text(index)
    with pytest.raises(ValueError, match=message):
        FolderObject(folder=str(folder))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as an image"),
        (cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1].tobytes(), "must be an 8-bit RGBA image"),
        (cv2.imencode(".png", np.zeros((9, 9, 4), np.uint8))[1].tobytes(), "fewer than 16 opaque pixels"),
    ],
)
def test_bad_pictures(street, folder, content, message):
    (folder / "skip.png").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        render(FolderObject(folder=str(folder)), street)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Object(blend="soft"),
            "object: blend must be one of hard, feather, matched, poisson, got 'soft'",
        ),
        (lambda: Object(shape="car"), "object: shape must be any or one of tyre, .*got 'car'"),
        (lambda: OutOfContext(blend=1), "out_of_context: blend must be"),
        (lambda: OwnPaste(blend="none"), "own_paste: blend must be"),
        (lambda: NearMiss(variation="fog"), "near_miss: variation must be any or one of exposure, "),
        (lambda: FolderObject(folder="/no/such/folder"), "folder_object: no folder"),
    ],
)
def test_bad_parameters(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("severity", [1, 5])
def test_own_pastes_move_labels_and_mark_nothing(street, severity):
    image, scene = street
    rendered = render(OwnPaste(severity), street)
    assert not rendered.alpha.any()
    assert rendered.instances is None
    assert rendered.details["objects"] == ["car"] * (1 if severity == 1 else 3)
    moved = rendered.labels != scene.labels
    assert moved.any()
    assert set(np.unique(rendered.labels[moved])) == {CAR}
    assert not np.array_equal(rendered.image, image)


def test_own_pastes_keep_the_size_of_the_perspective(street):
    _, scene = street
    for key in "abcdef":
        _, y0, _, y1 = render(OwnPaste(1), street, key).details["boxes"][0]
        metres = (y1 - y0) / metres_to_pixels(y1, (H, W), scene)
        known = [(bottom - top) / metres_to_pixels(bottom, (H, W), scene) for top, bottom, *_ in CARS]
        assert min(abs(metres / size - 1) for size in known) < 0.12


def test_own_pastes_without_labels_are_patches_of_the_image(street):
    image, _ = street
    rendered = OwnPaste(3, blend="hard").render(image, generator(0, "own_paste", "a"))
    assert rendered.details["objects"] == ["patch", "patch"]
    changed = (rendered.image != image).any(axis=2)
    assert 0.001 < changed.mean() < 0.15
    assert not rendered.alpha.any()


@pytest.mark.parametrize("variation", VARIATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_near_misses_grow_and_stay_small(street, variation, channels):
    image = street[0][..., :channels].copy()
    means = []
    for severity in range(1, 6):
        rendered = NearMiss(severity, variation=variation).render(image, generator(0, "near_miss", "a"))
        assert not rendered.alpha.any()
        means.append(np.abs(rendered.image.astype(int) - image).mean())
    if channels == 3 or variation != "white_balance":
        assert np.all(np.diff(means) > 0)
    assert means[-1] < 8
