"""``segmentation:DIR``: images, label maps and classes of the user; parts, lists, masks, what is refused."""

import logging
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from datamodules import load_ood, module_of
from datamodules.formats.labels import IGNORE, OUT_OF_RANGE
from datamodules.outside.classes import read_classes
from datamodules.sources import PROVIDER

CLASSES = "[road, car, sky]\n"


def write(folder, key, ids=(0, 1, 2), size=(16, 24), suffix=".png", behind=""):
    """An image and its label map of vertical stripes of some ids."""
    image = np.random.default_rng([*key.encode()]).integers(0, 256, (*size, 3), dtype=np.uint8)
    label = np.resize(np.repeat(np.array(ids, dtype=np.uint8), 3), (size[1],))[None].repeat(size[0], 0)
    for kind, content, name in (("images", image, f"{key}{suffix}"), ("labels", label, f"{key}{behind}.png")):
        path = folder / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), content)


def tree(folder, keys=None, classes=CLASSES, **options):
    for key in keys or [f"d{i // 5}_{i:02d}" for i in range(20)]:
        write(folder, key, **options)
    if classes is not None:
        (folder / "classes.yaml").write_text(classes)
    return folder


def opened(folder, keep_together=None, **options):
    data = module_of(f"segmentation:{folder}", keep_together)(**options)
    data.setup()
    return data


def keys(data):
    return {part: list(images.keys) for part, images in data.sets.items()}


def test_images_labels_and_classes(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    data = opened(tree(tmp_path / "yard"))
    assert (
        data.class_names == ("road", "car", "sky")
        and data.name == "segmentation:yard"
        and data.origin == "own"
    )
    assert {part: len(images) for part, images in data.sets.items()} == {"train": 12, "val": 4, "test": 4}
    item = data.sets["test"].read(0)
    assert item.target.shape == (16, 24) and set(np.unique(item.target)) == {0, 1, 2}
    assert data.image_size == (16, 24) and data.default_network == "deeplabv3plus-small"
    assert data.view().classes == ("road", "car", "sky")
    batch = next(iter(data.test_dataloader()))
    assert batch["target"].shape == (4, 16, 24)
    assert (
        "3 classes (road, car, sky); fit / validation / test: 12 / 4 / 4 images; val and test drawn"
        in caplog.text
    )
    assert keys(opened(tmp_path / "yard")) == keys(data) != keys(opened(tmp_path / "yard", seed=1))


def test_frames_of_a_drive_stay_together(tmp_path):
    data = opened(tree(tmp_path, [f"a/{drive}_{i}" for drive in "pqrstuvw" for i in range(6)]), "_")
    drives = {part: {Path(key).name[0] for key in some} for part, some in keys(data).items()}
    assert (
        not drives["train"] & drives["val"]
        | drives["train"] & drives["test"]
        | drives["val"] & drives["test"]
    )
    assert data.sequence_of("images/a/p_3.png") == "p"


def test_parts_are_folders_or_lists(tmp_path):
    parted = tree(tmp_path / "x", [f"{part}/{i}" for part in ("train", "val", "test") for i in range(4)])
    data = opened(parted)
    assert all(
        len(some) == 4 and all(f"/{part}/" in key for key in some) for part, some in keys(data).items()
    )
    assert module_of(f"segmentation:{parted}", "_").sequence_of("images/test/a_1.png") == "a", (
        "intervals know groups of parts that are there"
    )
    before = data.training_fingerprint
    write(parted, "test/new")
    assert opened(parted).training_fingerprint == before != opened(parted).fingerprint
    listed = tree(tmp_path / "y", [f"a/{i}" for i in range(9)], suffix=".jpg")
    (listed / "train.txt").write_text("a/0.jpg\na/1\nimages/a/2.jpg\n\n./a/3\r\n")
    (listed / "val.txt").write_text("\ufeffa/4\n", encoding="utf-8")
    (listed / "test.txt").write_text("a\\5\na/6.jpg")
    found = keys(opened(listed))
    assert found == {
        "train": [f"images/a/{i}.jpg" for i in range(4)],
        "val": ["images/a/4.jpg"],
        "test": ["images/a/5.jpg", "images/a/6.jpg"],
    }
    (listed / "labels" / "a" / "8.png").unlink()
    assert keys(opened(listed)) == found, "an image in no list needs no labels"
    (listed / "test.txt").unlink()
    found = keys(opened(listed))
    assert found["val"] == ["images/a/4.jpg"] and len(found["train"]) == 3 and len(found["test"]) == 1


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (
            {"train": "a\nb\n", "val": "c\nb\n"},
            "val.txt: 'b' stands in train.txt too; an image is in one part",
        ),
        ({"train": "a\na.png\n"}, "train.txt: 'a.png' stands twice"),
        ({"train": "a\nnone\n"}, r"train.txt: 'none' is the name of no image in .*images"),
        ({"train": "a\n", "test": "\n"}, "test.txt lists no image"),
        ({"val": "a\n"}, "val.txt is there, but no train.txt"),
        (
            {"train": "a", "val": "b", "valid": "c"},
            r"val.txt and .*valid.txt list the same part; keep one of them",
        ),
        ({"train": "both"}, "'both' is the name of several images"),
    ],
)
def test_faulty_lists_are_one_clear_line(tmp_path, lists, message):
    folder = tree(tmp_path / "x", ["a", "b", "c", "both"])
    shutil.copy(folder / "images" / "both.png", folder / "images" / "both.bmp")
    for part, text in lists.items():
        (folder / f"{part}.txt").write_text(text)
    with pytest.raises(ValueError, match=message) as raised:
        opened(folder)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "ids", "rest"),
    [
        (CLASSES, {"road": 0, "car": 1, "sky": 2}, {}),
        ("0: road\n7: car\n3: sky\n", {"road": 0, "sky": 3, "car": 7}, {}),
        ("road: 4\ncar: 1\n", {"car": 1, "road": 4}, {}),
        ("classes: {0: road, 1: car}\nignore: [255, 9]\n", {"road": 0, "car": 1}, {"ignore": (255, 9)}),
        ("road: 0\ncar: 1\nanomaly: 5\nignore: 9", {"road": 0, "car": 1}, {"ignore": (9,), "anomaly": 5}),
        ("classes: [a, b]\nmean: [0, .5, 1]\nstd: [1, 1, 2]\nimage_size: [64, 96]", {"a": 0, "b": 1},
         {"mean": (0, 0.5, 1), "std": (1, 1, 2), "image_size": (64, 96)}),
        ("mean: 0\nstd: 1", {"mean": 0, "std": 1}, {}),
    ],
)  # fmt: skip
def test_class_files(tmp_path, text, ids, rest):
    (tmp_path / "classes.yaml").write_text(text)
    found = read_classes(tmp_path / "classes.yaml")
    assert list(found.ids.items()) == list(ids.items())
    assert {name: value for name in ("ignore", "anomaly", "mean", "std", "image_size")
            if (value := getattr(found, name)) not in (None, ())} == rest  # fmt: skip


def test_ids_become_training_ids_and_masks(tmp_path):
    (tmp_path / "classes.yaml").write_text("classes: {3: road, 5: car, 7: anomaly}\nignore: [9]")
    found = read_classes(tmp_path / "classes.yaml")
    assert [found.training_ids[i] for i in (3, 5, 7, 9, 255, 0)] == [
        0,
        1,
        IGNORE,
        IGNORE,
        IGNORE,
        OUT_OF_RANGE,
    ]
    assert [found.mask_ids[i] for i in (3, 5, 7, 9, 255, 0)] == [0, 0, 1, IGNORE, IGNORE, OUT_OF_RANGE]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"classes.yaml does not exist; write a list of names in the order of the ids, or id: name"),
        ("[road, road]", "two classes have the name 'road'"),
        ("{road: 0, car: 0}", "two classes have the id 0"),
        ("[road, no]", r"False: 1 is no class with a name and an id .*quotes"),
        ("{0: road, 256: car}", "'car': 256 is no class with a name and an id from 0 to 255"),
        ("{0: road, 0: car, 1: sky}", r"0 stands twice \(line 1\)"),
        ("road: 0\ncar: 1\nroad: 2", r"'road' stands twice \(line 3\)"),
        ("- [road", "not valid YAML"),
        ("!!map a: 0\nroad: 1", "not valid YAML"),
        ("!!python/object/apply:os.system [ls]", "not valid YAML"),
        ("", "holds no classes; write a list of names"),
        ("road", "holds no classes; write a list of names"),
        ("classes: [a, b]\nignored: [3]", "unknown field 'ignored'; fields: classes, ignore, mean"),
        ("classes: [a, b]\nignore: [1]", "id 1 is a class and ignored"),
        ("classes: [a, b]\nignore: [x]", "ignore must be a list of ids"),
        ("classes: [a, b]\nmean: [1, 2, 3]", "mean and std belong together"),
        ("classes: [a, b]\nmean: [1, 2]\nstd: [1, 2]", "mean must be a list of 3 numbers"),
        ("classes: [a, b]\nmean: [1, 2, 3]\nstd: [1, 0, 1]", "std must be above 0"),
        ("classes: [a, b]\nimage_size: [1.5, 8]", "image_size must be height and width in pixels"),
        ("[road]", "a network needs two classes"),
        ("[road, anomaly]", "a network needs two classes"),
    ],
)
def test_faulty_class_files_are_one_clear_line(tmp_path, text, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as raised:
        opened(tree(tmp_path / "x", classes=text))
    assert "\n" not in str(raised.value) and "classes.yaml" in str(raised.value)


def faulty(folder, name):
    tree(folder)
    if name == "unlabelled":
        (folder / "labels" / "d0_03.png").unlink()
    elif name == "unlabelled part":
        shutil.rmtree(folder / "labels")
    elif name == "other id":
        write(folder, "d0_03", ids=(0, 1, 77))
    elif name == "no images":
        shutil.rmtree(folder / "images")
        (folder / "images").mkdir()
    elif name == "class folders":
        shutil.rmtree(folder)
        for part in ("cat", "dog"):
            (folder / part).mkdir(parents=True)
    elif name == "coco":
        shutil.rmtree(folder / "labels")
        (folder / "annotations").mkdir()
        (folder / "annotations" / "x.json").write_text("{}")
    elif name == "one label for two":
        shutil.copy(folder / "images" / "d0_03.png", folder / "images" / "d0_03.bmp")
    elif name == "empty part":
        for part in ("train", "val"):
            (folder / "images" / part).mkdir()
        write(folder, "train/a")
    elif name == "missing":
        shutil.rmtree(folder)
    elif name == "file":
        shutil.rmtree(folder)
        folder.write_text("x")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "unlabelled",
            r"1 of 20 images have no label map, e.g. .*images/d0_03.png: labels/ must hold a .png of",
        ),
        ("unlabelled part", r"has no labels/: it needs images/, labels/ and classes.yaml"),
        ("other id", r"label .*d0_03.png holds id 77, which is no class of this data set"),
        ("no images", r"segmentation:x: .*images holds no images"),
        ("class folders", r"has no images/ and no labels/: it needs .*; for class folders name folder:/"),
        ("coco", r"has annotations/x.json: name it as coco:/"),
        ("one label for two", r"label .*d0_03.png belongs to both .*; keep one of them"),
        ("empty part", r"images/val holds no images; fill it, or remove it"),
        ("missing", "there is no such folder"),
        ("file", "is a file: name the folder that holds the images"),
    ],
)
def test_faulty_folders_are_one_clear_line(tmp_path, name, message):
    faulty(tmp_path / "x", name)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as raised:
        data = opened(tmp_path / "x")
        for images in data.sets.values():
            [images.read(i) for i in range(len(images))]
    assert "\n" not in str(raised.value)


def test_a_common_suffix_of_label_files(tmp_path):
    data = opened(tree(tmp_path / "x", behind="_labelIds"))
    assert sum(map(len, keys(data).values())) == 20
    mixed = tree(tmp_path / "y", ["a", "ab", "b"], behind="_gt")
    write(mixed, "c", behind="_other")
    with pytest.raises(ValueError, match="have no label map"):
        opened(mixed)


def test_sizes_of_images_and_what_the_class_file_states(tmp_path):
    data = opened(tree(tmp_path / "large", [str(i) for i in range(5)], size=(360, 1024)))
    assert data.image_size == (176, 512) and data.default_network == "deeplabv3plus-resnet18"
    write(tmp_path / "large", "9", size=(300, 1024))
    assert opened(tmp_path / "large").image_size == (256, 256)
    text = "classes: [road, car, sky]\nmean: [.1, .2, .3]\nstd: [.4, .5, .6]\nimage_size: [32, 48]"
    data = opened(tree(tmp_path / "stated", classes=text))
    assert data.image_size == (32, 48) and data.mean == (0.1, 0.2, 0.3) and data.std == (0.4, 0.5, 0.6)


def test_ood_sets_have_masks_from_a_class_or_a_folder(tmp_path, caplog):
    known = opened(tree(tmp_path / "known"))
    (odd := tree(tmp_path / "odd", classes="{0: road, 1: anomaly, 2: sky}"))
    images = load_ood(f"segmentation:{odd}", known)
    assert images.masked and len(images) == 20 and images.origin == "own"
    item = images.read(0)
    assert item.target is None and set(np.unique(item.anomaly)) == {0, 1}
    (masks := odd / "masks").mkdir()
    for path in (odd / "labels").iterdir():
        mask = np.where(cv2.imread(str(path), 0) == 2, 1, 0).astype(np.uint8)
        mask[0] = 255
        cv2.imwrite(str(masks / path.name), mask)
    item = load_ood(f"segmentation:{odd}", known).read(0)
    assert (item.anomaly[1:] == 1).sum() == (
        cv2.imread(str(odd / "labels" / Path(item.key).name), 0)[1:] == 2
    ).sum()
    assert set(np.unique(item.anomaly)) == {0, 1, 255}
    (masks / "d0_00.png").unlink()
    assert len(load_ood(f"segmentation:{odd}", known)) == 19
    assert "1 of 20 images have no mask in masks/ and are left out" in caplog.text
    shutil.rmtree(odd / "labels")
    (odd / "classes.yaml").unlink()
    assert load_ood(f"segmentation:{odd}", known).masked, "masks need no classes"
    with pytest.raises(FileNotFoundError, match=r"classes.yaml does not exist"):
        opened(odd)
    caplog.set_level(logging.INFO)
    plain = load_ood(f"segmentation:{tree(tmp_path / 'plain')}", known)
    assert not plain.masked and "masks are read from masks/ or from a class named anomaly" in caplog.text


def test_the_test_part_is_the_ood_set_where_there_are_parts(tmp_path):
    known = opened(tree(tmp_path / "known"))
    parted = tree(tmp_path / "x", [f"{part}/{i}" for part in ("train", "test") for i in range(4)])
    assert {key.split("/")[1] for key in load_ood(f"segmentation:{parted}", known).keys} == {"test"}
    with pytest.raises(
        ValueError, match=r"segmentation:.*known is the in-distribution set; name another OoD set"
    ):
        load_ood(f"segmentation:{tmp_path}/known", known)
    with pytest.raises(ValueError, match="are images of the in-distribution set"):
        load_ood(f"folder:{tmp_path}/known/images", known)
    drawn = load_ood(f"segmentation:{parted}-anomalies", known)
    assert drawn.synthetic == "anomalies" and drawn.read(0).target is not None


def test_anomalies_are_ignored_pixels_of_the_known(tmp_path):
    data = opened(tree(tmp_path / "x", classes="{0: road, 1: anomaly, 2: sky}"))
    assert data.class_names == ("road", "sky") and data.void_id == 1
    assert set(np.unique(data.sets["train"].read(0).target)) == {0, 1, IGNORE}
    source = PROVIDER.open(f"segmentation:{tmp_path}/x", None, "test", 0)
    assert source.labelled and source.file_ids[IGNORE] == 1 and source.read(0).label_key.startswith("labels/")


def test_real_frames_rearranged(tmp_path):
    """CamVid in this layout, by links, gives the images, labels and parts of its own data module."""
    root = Path(os.environ.get("LSOOD_TEST_DATA", "")) / "camvid"
    if not os.environ.get("LSOOD_TEST_DATA") or not root.is_dir():
        pytest.skip("needs CamVid below LSOOD_TEST_DATA")
    own = module_of("camvid")(root)
    own.setup()
    for part in ("train", "val", "test"):
        for kind, folder in (("images", part), ("labels", f"{part}annot")):
            (tmp_path / kind).mkdir(exist_ok=True)
            (tmp_path / kind / part).symlink_to(root / folder)
    names = ", ".join(f"{i}: {name}" for i, name in enumerate(own.class_names))
    (tmp_path / "classes.yaml").write_text(f"classes: {{{names}}}\nignore: [11]\n")
    data = opened(tmp_path)
    assert data.class_names == own.class_names and data.image_size == (360, 480)
    for part, images in data.sets.items():
        assert [Path(key).name for key in images.keys] == [Path(key).name for key in own.sets[part].keys]
        for i in range(0, len(images), 40):
            assert np.array_equal(images.read(i).image, own.sets[part].read(i).image)
            assert np.array_equal(images.read(i).target, own.sets[part].read(i).target)
