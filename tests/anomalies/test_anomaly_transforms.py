"""albumentations both ways: determinism, labels, boxes, messages, and life without it."""

import sys
import types

import numpy as np
import pytest

from anomalies import ANOMALIES, Entry, Recipe, Scene, generator
from anomalies.kinds.albumentations.albumentations import Albumentations
from anomalies.kinds.geometric.roll import Roll
from anomalies.toolkit.albumentations_package import albumentations
from anomalies.toolkit.warping import warp
from anomalies.transforms import as_transform


@pytest.fixture(scope="module")
def A():
    try:
        return albumentations()
    except ValueError as reason:
        pytest.skip(str(reason))


def image(shape=(64, 96, 3), seed=0):
    return np.random.default_rng(seed).integers(40, 216, shape).astype(np.uint8)


def labels():
    return (np.arange(64)[:, None] // 16 * 4 + np.arange(96)[None, :] // 24).astype(np.uint8)


def recipe(**params):
    return Recipe("test", (Entry("albumentations", params=tuple(params.items())),))


def test_recipes_are_deterministic_whatever_was_drawn_before(A):
    foggy, clean = recipe(transform="RandomFog"), image()
    first = {key: foggy.render(clean, key, 3).image for key in "abcdef"}
    A.RandomFog(p=1)(image=clean)
    for key in reversed("abcdef"):
        np.testing.assert_array_equal(foggy.render(clean, key, 3).image, first[key])
    assert not np.array_equal(first["a"], first["b"])


def test_yaml_with_nested_arguments(A):
    text = """
    - kind: albumentations
      severity: [2, 5]
      params:
        transform: RandomFog
        arguments: {alpha_coef: 0.5}
        graded: {fog_coef_range: [[0.1, 0.1], [0.3, 0.3], [0.5, 0.5], [0.7, 0.7], [0.9, 0.9]]}
    """
    parsed = Recipe.parse("fog", text)
    drawn = parsed.render(image(), "a")
    assert drawn.rendered.details["transform"] == "RandomFog"
    assert parsed.fingerprint != recipe(transform="RandomFog").fingerprint


def test_without_graded_arguments_the_severity_mixes(A):
    clean = image()
    drawn = [
        Albumentations(s, "ToGray").render(clean, generator(0, "albumentations", "a")).image
        for s in range(1, 6)
    ]
    grey = A.ToGray(p=1)(image=clean)["image"]
    np.testing.assert_array_equal(drawn[4], grey)
    expected = clean + 0.4 * (grey.astype(float) - clean)
    assert np.abs(drawn[1] - expected).max() <= 0.51


def test_labels_move_with_the_image(A):
    turned = Albumentations(
        3, "Affine", {"interpolation": 0}, {"rotate": [(d, d) for d in (2, 5, 10, 20, 30)]}
    )
    clean = np.repeat(labels()[..., None], 3, axis=2)
    rendered = turned.render(clean, generator(0, "albumentations", "a"), Scene(labels()))
    inside = rendered.labels != 255
    assert 0.05 < (~inside).mean() < 0.3
    np.testing.assert_array_equal(rendered.image[..., 0][inside], rendered.labels[inside])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"transform": "RandomFrog"}, "has no transform 'RandomFrog'"),
        ({"transform": 3}, "has no transform 3"),
        (
            {"transform": "RandomFog", "arguments": {"fog_coef_lower": 0.3}},
            "RandomFog has no argument .fog_coef_lower",
        ),
        ({"transform": "RandomFog", "arguments": {"alpha_coef": 7}}, "RandomFog: .*alpha_coef"),
        ({"transform": "RandomFog", "arguments": {"p": 0.5}}, "arguments must not have p"),
        ({"transform": "RandomFog", "arguments": [1]}, "arguments must be names with values"),
        (
            {"transform": "RandomFog", "graded": {"alpha_coef": [0.1]}},
            "graded alpha_coef must be a list of five",
        ),
        ({"transform": "Rotate"}, "Rotate moves pixels and cannot be mixed"),
    ],
)
def test_bad_arguments(A, arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        Albumentations(3, **arguments)
    assert "\n" not in str(error.value)


def test_transforms_that_change_the_size_are_refused(A):
    sizes = {"height": [32, 31, 30, 29, 28], "width": [32] * 5}
    crop = Albumentations(3, "CenterCrop", {}, sizes)
    with pytest.raises(
        ValueError, match=r"CenterCrop must keep size and type of an image, it made .*\(30, 32, 3\)"
    ):
        crop.render(image(), generator(0, "albumentations", "a"))


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "albumentations", None)
    for create in (lambda: Albumentations(3), lambda: as_transform("mud")):
        with pytest.raises(ValueError, match=r"pip install albumentations==2.0.8\); it is not installed"):
            create()


def test_another_version(monkeypatch):
    monkeypatch.setitem(sys.modules, "albumentations", types.SimpleNamespace(__version__="2.0.4"))
    with pytest.raises(ValueError, match=r"other versions draw other pixels, installed is 2\.0\.4"):
        Albumentations(3)


@pytest.mark.parametrize("kind", sorted(set(ANOMALIES) - {"albumentations"}))
def test_every_anomaly_is_a_transform(A, kind):
    """In a pipeline with other transforms: seeded, and with a key the pixels of a recipe."""
    moves = ANOMALIES[kind].level == "pixel" or ANOMALIES[kind].family == "geometric"
    transform = as_transform(kind, severity=3, p=1.0, seed=5)
    assert isinstance(transform, A.DualTransform if moves else A.ImageOnlyTransform)
    clean = image()
    first, second = (
        A.Compose([as_transform(kind, p=1.0), A.HorizontalFlip(p=0.5)], seed=11)(image=clean, mask=labels())
        for _ in range(2)
    )
    np.testing.assert_array_equal(first["image"], second["image"])
    np.testing.assert_array_equal(first["mask"], second["mask"])
    keyed = A.Compose([transform])(image=clean, key="a")["image"]
    np.testing.assert_array_equal(keyed, ANOMALIES[kind](3).render(clean, generator(5, kind, "a")).image)


def test_serialised_and_back(A):
    pipeline = A.Compose(
        [as_transform("mud", severity=(1, 2), p=1.0, mask="anomaly"), as_transform("fog", p=0.4)]
    )
    again = A.from_dict(A.to_dict(pipeline))
    one, other = (made(image=image(), mask=labels(), key="a") for made in (pipeline, again))
    assert again.transforms[0].severities == (1, 2)
    assert again.transforms[1].p == 0.4
    assert set(np.unique(other["mask"])) <= {0, 1, 255}
    assert one["image"].shape == other["image"].shape


def test_geometry_moves_masks_boxes_and_points(A):
    """A white square, its box and its centre, rolled by 15 degrees."""
    clean = np.full((200, 300, 3), 60, np.uint8)
    clean[60:90, 200:240] = 255
    square = (clean[..., 0] == 255).astype(np.uint8)
    pipeline = A.Compose(
        [as_transform("roll", severity=5, p=1.0)],
        bbox_params=A.BboxParams("pascal_voc", label_fields=["names"]),
        keypoint_params=A.KeypointParams("xy", remove_invisible=False),
    )
    found = pipeline(
        image=clean,
        mask=square,
        bboxes=[(200, 60, 240, 90)],
        names=["sign"],
        keypoints=[(219.5, 74.5)],
        key="a",
    )
    maps, details = Roll(5).source(generator(0, "roll", "a"), (200, 300))
    assert abs(details["degrees"]) > 13
    np.testing.assert_array_equal(found["mask"], warp(clean, square, maps)[1])
    rows, columns = np.nonzero(found["mask"] == 1)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert np.abs(np.array(found["bboxes"][0]) - box).max() <= 1.5
    assert np.abs(np.array(found["keypoints"][0]) - (columns.mean(), rows.mean())).max() <= 1


def test_anomaly_mask_as_target(A):
    found = as_transform("cutpaste", 5, 1.0, mask="anomaly")(image=image(), mask=labels())
    changed = (found["image"] != image()).any(axis=2)
    assert set(np.unique(found["mask"])) <= {0, 1, 255}
    assert changed[found["mask"] == 1].mean() > 0.9
    assert not changed[found["mask"] == 0].mean() > 0.001


def test_grey_two_dimensional_images(A):
    flat = image((64, 96))
    for kind in ("fog", "roll", "cutpaste"):
        assert as_transform(kind, 3, 1.0)(image=flat)["image"].shape == (64, 96)


def test_bad_transforms(A):
    with pytest.raises(ValueError, match="unknown kind 'mudd'; did you mean 'mud'\\? kinds: "):
        as_transform("mudd")
    with pytest.raises(ValueError, match="mud: severity must be an integer from 1 to 5, got 9"):
        as_transform("mud", 9)
    with pytest.raises(ValueError, match="mask must be one of labels, anomaly, got 'alpha'"):
        as_transform("mud", mask="alpha")
