"""Class folders and unlabelled folders of the user as data sets: layouts people have, parts, names, what is refused."""

import logging
import os
import shutil
from collections import Counter

import cv2
import numpy as np
import pytest

from datamodules import check_names, load_ood, module_of
from datamodules.ood.derived import taken_as_known
from datamodules.ood.naming import own_anomalies, sequence_rule, short_ood_names
from datamodules.ood.outliers.clashes import clash, one_place
from datamodules.outside.parts import drawn, group_of
from datamodules.registry import below_data_root, check_known, drawn_on, is_code, ood_set, short_of
from datamodules.sources import PROVIDER


def write(path, value=0, size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng([value, *path.name.encode()]).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), image)


def tree(folder, classes=("cat", "dog", "emu"), count=10, parts=("",), size=(8, 8)):
    """Class folders of ``count`` images each, in folders of parts."""
    for part in parts:
        for c, name in enumerate(classes):
            for i in range(count):
                write(folder / part / name / f"{name}{i:02d}.png", hash((part, c, i)) % 2**31, size)
    return folder


def opened(folder, keep_together=None, **options):
    data = module_of(f"folder:{folder}", keep_together)(**options)
    data.setup()
    return data


def keys(data):
    return {part: list(images.keys) for part, images in data.sets.items()}


def test_class_folders_alone_are_divided_by_seed_and_class(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    data = opened(tree(tmp_path / "animals"))
    assert (
        data.class_names == ("cat", "dog", "emu")
        and data.name == "folder:animals"
        and data.task == "classification"
    )
    assert {part: len(images) for part, images in data.sets.items()} == {"train": 18, "val": 6, "test": 6}
    for part, each in (("train", 6), ("val", 2), ("test", 2)):
        targets = [data.sets[part].read(i).target for i in range(len(data.sets[part]))]
        assert Counter(targets) == {0: each, 1: each, 2: each}
        assert all(
            key.startswith(data.class_names[t]) for key, t in zip(data.sets[part].keys, targets, strict=True)
        )
    assert len({key for some in keys(data).values() for key in some}) == 30
    assert keys(opened(tmp_path / "animals")) == keys(data) != keys(opened(tmp_path / "animals", seed=1))
    assert (
        "folder:animals: 3 classes (cat, dog, emu); fit / validation / test: 18 / 6 / 6 images" in caplog.text
    )
    assert "val and test drawn from all images by seed 0" in caplog.text


@pytest.mark.parametrize(
    ("parts", "sizes"),
    [
        (("train", "val", "test"), (30, 30, 30)),
        (("Training", "Validation", "Testing"), (30, 30, 30)),
        (("train", "valid", "test"), (30, 30, 30)),
        (("train", "test"), (21, 9, 30)),
        (("train", "val"), (21, 30, 9)),
        (("train",), (18, 6, 6)),
    ],
)
def test_parts_as_people_name_them(tmp_path, parts, sizes):
    data = opened(tree(tmp_path / "x", parts=parts))
    assert abs(len(data.sets["train"]) - sizes[0]) <= 1 and data.class_names == ("cat", "dog", "emu")
    found = keys(data)
    assert sum(map(len, found.values())) == 30 * len(parts)
    for part, size in zip(found, sizes, strict=True):
        assert abs(len(found[part]) - size) <= 1
        if size == 30:
            assert all(key.lower().startswith(part[:3]) for key in found[part])


def test_a_class_may_be_called_train(tmp_path):
    data = opened(tree(tmp_path / "x", classes=("bus", "test_car", "train")))
    assert data.class_names == ("bus", "test_car", "train") and len(data.sets["train"]) == 18


def test_test_images_do_not_change_what_is_trained_on(tmp_path):
    folder = tree(tmp_path / "x", parts=("train", "val", "test"))
    before = opened(folder)
    moved = opened(shutil.copytree(folder, tmp_path / "elsewhere" / "y"))
    assert (moved.fingerprint, moved.training_fingerprint) == (
        before.fingerprint,
        before.training_fingerprint,
    )
    write(folder / "test" / "cat" / "new.png")
    after = opened(folder)
    assert (
        after.training_fingerprint == before.training_fingerprint and after.fingerprint != before.fingerprint
    )
    write(folder / "train" / "cat" / "new.png")
    assert opened(folder).training_fingerprint != before.training_fingerprint


def test_a_class_of_its_own_counts(tmp_path):
    """The same image files with other classes are another set."""
    folder = tree(tmp_path / "x", parts=("train", "val", "test"))
    images = opened(folder).sets["train"]
    other = type(images)(images.name, images.root, images.files, images.classes[::-1], "own")
    assert other.fingerprint != images.fingerprint


def test_near_duplicates_stay_together(tmp_path, caplog):
    folder = tmp_path / "x"
    for c, name in enumerate(("cat", "dog")):
        for scene in range(12):
            for frame in range(4):
                write(folder / name / f"s{scene // 2 if c else scene}_{frame if c else frame + 4}.png", frame)
    caplog.set_level(logging.INFO)
    data = opened(folder, "_")
    of = {part: {group_of(key, "_") for key in some} for part, some in keys(data).items()}
    assert not of["train"] & of["val"] and not of["train"] & of["test"] and not of["val"] & of["test"]
    assert set.union(*of.values()) == {f"s{i}" for i in range(12)}, "a group spans classes"
    assert all(len(data.sets[part]) for part in of) and 0.4 < len(data.sets["train"]) / 72 < 0.75
    assert "names equal up to the last '_' together" in caplog.text
    assert data.sequence_of(data.sets["test"].keys[0]) in of["test"], "intervals resample groups"
    assert opened(folder).sequence_of("cat/s1_2.png") is None
    plain = {part: {group_of(key, "_") for key in some} for part, some in keys(opened(folder)).items()}
    assert plain["train"] & plain["test"]
    with pytest.raises(
        ValueError, match=r"--keep-together is for folders of yours .*; cifar10 has parts of its own"
    ):
        module_of("cifar10", "_")
    with pytest.raises(ValueError, match=r"--keep-together needs at least one character"):
        module_of(f"folder:{folder}", "")
    with pytest.raises(ValueError, match=r"folder:x: --keep-together clip occurs in no file name$"):
        opened(folder, "clip")
    few = tree(tmp_path / "few", count=2)
    for path in few.rglob("*.*"):
        path.rename(path.with_name(f"one_{path.name.replace('_', '')}"))
    with pytest.raises(
        ValueError, match=r"1 groups of images \(--keep-together _\) are too few for the parts"
    ):
        opened(few, "_")


@pytest.mark.parametrize("prefix", ["folder:", "segmentation:", "coco:", "coco-masks:", "generated:"])
def test_no_folder_is_not_the_current_one(tmp_path, monkeypatch, prefix):
    monkeypatch.chdir(tree(tmp_path / "x"))
    for call in (module_of, ood_set, check_known):
        with pytest.raises(ValueError, match=f"^{prefix} names no folder; write {prefix}DIR$"):
            call(prefix)


def test_how_parts_are_drawn():
    for n, expected in {3: (1, 1, 1), 5: (3, 1, 1), 10: (6, 2, 2), 100: (60, 20, 20)}.items():
        found = drawn([f"{i}.png" for i in range(n)], [0] * n, 0)
        assert tuple(map(len, found.values())) == expected
        assert sorted(i for some in found.values() for i in some) == list(range(n))
    with pytest.raises(
        ValueError, match="2 images are too few for the parts train, val, test: test gets none"
    ):
        drawn(["a", "b"], None, 0)
    with pytest.raises(ValueError, match=r"2 groups of images \(--keep-together _\) are too few"):
        drawn([f"{g}_{i}" for g in "ab" for i in range(9)], None, 0, "_")


def test_images_alone_have_no_labels(tmp_path):
    for i in range(20):
        write(tmp_path / "plain" / f"{i}.png", i)
    data = opened(tmp_path / "plain")
    assert data.class_names == () and data.num_classes == 0
    assert {part: len(s) for part, s in data.sets.items()} == {"train": 12, "val": 4, "test": 4}
    assert data.sets["test"].read(0).target is None
    assert next(iter(data.fit_dataloader()))["target"].tolist() == [-1] * 12
    for part in ("train", "test"):
        for i in range(9):
            write(tmp_path / "parted" / part / f"{i}.png", i + len(part))
    data = opened(tmp_path / "parted")
    assert data.class_names == () and len(data.sets["test"]) == 9


def test_the_size_of_the_images_is_that_of_the_input(tmp_path):
    small = opened(tree(tmp_path / "small", size=(20, 32)))
    assert small.image_size == (20, 32) and small.default_network == "resnet18-small"
    assert next(iter(small.test_dataloader()))["image"].shape[1:] == (3, 20, 32)
    middle = opened(tree(tmp_path / "middle", count=3, size=(128, 256)))
    assert middle.image_size == (128, 256) and middle.default_network == "resnet18-imagenet"
    assert opened(tree(tmp_path / "large", count=3, size=(300, 200))).image_size == (224, 224)
    write(tmp_path / "small" / "cat" / "other.png", size=(21, 32))
    assert opened(tmp_path / "small").image_size == (224, 224)
    asked = opened(tmp_path / "small", image_size=(24, 24))
    assert asked.image_size == (24, 24) and asked.default_network == "resnet18-small"
    assert (asked.mean, asked.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)) and asked.origin == "own"


def test_what_operating_systems_leave_is_passed_over(tmp_path):
    folder = tree(tmp_path / "x")
    for left in (".DS_Store", "cat/._cat00.png", "__MACOSX/cat/a.png", "cat/Thumbs.db", ".cache/a.png"):
        (folder / left).parent.mkdir(parents=True, exist_ok=True)
        (folder / left).write_bytes(b"x")
    (tmp_path / "far").mkdir()
    shutil.move(folder / "emu", tmp_path / "far" / "emu")
    (folder / "emu").symlink_to(tmp_path / "far" / "emu")
    write(folder / "dog" / "deep" / "er" / "x.png")
    data = opened(folder)
    assert data.class_names == ("cat", "dog", "emu") and sum(map(len, keys(data).values())) == 31


def test_accents_stored_in_two_ways_are_one_class(tmp_path):
    tree(tmp_path, classes=("cafe\u0301", "dog"), parts=("train",))
    tree(tmp_path, classes=("caf\u00e9", "dog"), parts=("val", "test"))
    data = opened(tmp_path)
    assert Counter(data.sets["test"].read(i).target for i in range(20)) == {0: 10, 1: 10}


def test_images_beside_class_folders_are_left_out_by_name(tmp_path, caplog):
    tree(tmp_path)
    write(tmp_path / "montage.png")
    assert sum(map(len, keys(opened(tmp_path)).values())) == 30
    assert "1 images lie in no class folder and are left out" in caplog.text and "montage.png" in caplog.text


def bad(tmp_path, name):
    """A faulty folder by name."""
    folder = tmp_path / "bad"
    if name == "one class":
        tree(folder, classes=("cat",))
    elif name == "one class in train":
        tree(folder, classes=("cat",), parts=("train", "test"))
    elif name == "empty part":
        tree(folder, parts=("train", "val"))
        (folder / "test").mkdir()
    elif name == "empty labelled part":
        tree(folder, parts=("train", "val"))
        (folder / "test" / "cat").mkdir(parents=True)
    elif name == "empty class":
        tree(folder)
        (folder / "fox").mkdir()
    elif name == "no images":
        folder.mkdir()
        (folder / "readme.txt").write_text("x")
    elif name == "unknown class":
        tree(folder, parts=("train", "val"))
        tree(folder, classes=("cat", "yak"), parts=("test",))
    elif name == "unlabelled part":
        tree(folder, parts=("train",))
        write(folder / "test" / "1.png")
    elif name == "unlabelled train":
        tree(folder, parts=("test",))
        write(folder / "train" / "1.png")
    elif name == "two vals":
        tree(folder, parts=("train", "val", "valid"))
    elif name == "no train":
        tree(folder, parts=("val", "test"))
    elif name == "too few":
        tree(folder, count=1)
    elif name == "segmentation":
        tree(folder, classes=("images", "labels"))
    elif name == "coco":
        tree(folder, classes=("images", "val2017"))
        (folder / "annotations").mkdir()
        (folder / "annotations" / "instances_val2017.json").write_text("{}")
    elif name == "roboflow":
        tree(folder, parts=("train", "valid"))
        (folder / "train" / "_annotations.coco.json").write_text("{}")
    elif name == "shared":
        tree(folder, parts=("train", "val"))
        (folder / "test").symlink_to(folder / "val")
    elif name == "file":
        folder.write_text("x")
    return folder


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "folder:.*bad: there is no such folder"),
        ("file", "folder:.*bad is a file: name the folder that holds the images"),
        (
            "one class",
            "has one class folder, .*cat: a classifier needs at least two; of images without labels name",
        ),
        ("one class in train", "has one class folder, .*train/cat: a classifier needs at least two"),
        ("empty part", "test/ has no class folders, train/ has"),
        ("empty labelled part", "folder:bad: .*test holds no images"),
        ("empty class", "folder:bad: class folder .*fox holds no images; fill it, or remove it"),
        ("no images", "folder:bad: .*bad holds no images"),
        ("unknown class", "test/ has the class folder 'yak'; the classes of train are cat, dog, emu"),
        ("unlabelled part", "test/ has no class folders, train/ has"),
        ("unlabelled train", "test/ has the class folder 'cat'; train has no class folders"),
        ("two vals", "bad/val and .*bad/valid both name the part val; keep one of them"),
        ("no train", "has val/, test/ and no train/: methods are fitted on images of train/"),
        ("too few", "folder:bad: 3 images are too few|no image of class"),
        ("segmentation", "bad has images/ and labels/: name it as segmentation:/"),
        ("coco", "has annotations/instances_val2017.json: name it as coco:/"),
        ("roboflow", "has train/_annotations.coco.json: name it as coco:/"),
        (
            "shared",
            "30 images of folder:bad, part val, are images of part test too, e.g. .*; name other images",
        ),
    ],
)
def test_bad_folders_are_one_clear_line(tmp_path, name, message):
    folder = bad(tmp_path, name)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as raised:
        opened(folder)
    assert "\n" not in str(raised.value)


def test_names_of_ood_sets_stay_apart(tmp_path, monkeypatch):
    here, there = tree(tmp_path / "a" / "images"), tree(tmp_path / "b" / "images", classes=("yak", "zebu"))
    odd = tree(tmp_path / "c" / "images-anomalies", classes=("x", "y"))
    module = module_of(f"folder:{here}")
    names = [
        f"folder:{here}-anomalies",
        "anomalies",
        f"folder:{there}",
        f"folder:{there}-anomalies",
        f"folder:{odd}",
    ]
    data = module(ood=names, limit=3)
    data.setup()
    assert list(data.ood_sets) == [
        "folder:images-anomalies", "folder:b/images", "folder:b/images-anomalies", "folder:c/images-anomalies",
    ]  # fmt: skip
    assert data.ood_sets["folder:images-anomalies"].base is data.sets["test"]
    assert data.ood_sets["folder:b/images-anomalies"].sources[0].startswith(("yak/", "zebu/"))
    assert [images.synthetic for images in data.ood_sets.values()] == ["anomalies", "", "anomalies", ""]
    monkeypatch.chdir(tmp_path / "a")
    assert own_anomalies("folder:images-anomalies", data) and own_anomalies(
        "folder:./images/-anomalies", data
    )
    monkeypatch.chdir(tmp_path / "b")
    assert not own_anomalies("folder:images-anomalies", data), "another folder of that name"
    assert not own_anomalies("cifar10-anomalies", data)
    assert short_ood_names(["svhn", "cifar10-anomalies"], data) == {
        "svhn": "svhn", "cifar10-anomalies": "cifar10-anomalies"
    }  # fmt: skip


def test_a_folder_that_is_there_is_no_anomalies(tmp_path):
    tree(tmp_path / "x"), tree(tmp_path / "x-anomalies")
    assert drawn_on(f"folder:{tmp_path}/x-anomalies") is None and drawn_on("generated:x-anomalies") is None
    shutil.rmtree(tmp_path / "x-anomalies")
    assert drawn_on(f"folder:{tmp_path}/x-anomalies") == f"folder:{tmp_path}/x"
    assert drawn_on("cifar10-anomalies") == "cifar10" and drawn_on("cifar10") is None
    assert drawn_on("mine.py:Mine-anomalies") == "mine.py:Mine" and drawn_on("anomalies") is None
    data = opened(tmp_path / "x")
    with pytest.raises(FileNotFoundError, match=r"y-anomalies is no folder"):
        load_ood(f"folder:{tmp_path}/y-anomalies", data)


def test_ood_images_must_not_be_those_of_the_data_set(tmp_path):
    folder = tree(tmp_path / "x", parts=("train", "val", "test"))
    tree(folder / "strange", classes=("a", "b"))
    data = opened(folder)
    assert len(load_ood(f"folder:{folder}/strange", data)) == 20, "beside the parts"
    for wrong in (folder, folder / "test", folder / "train" / "cat"):
        with pytest.raises(ValueError, match=r"are images of the in-distribution set, part .*, too"):
            load_ood(f"folder:{wrong}", data)
    os.link(folder / "val" / "cat" / "cat00.png", folder / "strange" / "a" / "link.png")
    with pytest.raises(
        ValueError, match=r"1 images of OoD set .*strange are images of the in-distribution set, part val"
    ):
        load_ood(f"folder:{folder}/strange", data)


def test_calibration_images_must_not_be_tested(tmp_path):
    data = opened(tree(tmp_path / "x", parts=("train", "val", "test")))
    assert len(taken_as_known(f"folder:{tmp_path}/x/val", data)) == 30
    with pytest.raises(
        ValueError, match=r"30 images of --calibrate-on .* are images of the in-distribution test set"
    ):
        taken_as_known(f"folder:{tmp_path}/x/test", data)


def test_all_images_of_a_folder_are_ood_images(tmp_path):
    """Whatever parts and classes it has, as before there were any."""
    data = opened(tree(tmp_path / "x"))
    assert len(load_ood(f"folder:{tree(tmp_path / 'y', parts=('train', 'test'))}", data)) == 60


def test_places_of_prefixes_are_compared(tmp_path):
    tree(tmp_path / "x")
    spelled = f"{tmp_path}/x/../x"
    for prefix in ("folder:", "segmentation:", "coco:", "generated:"):
        assert one_place(f"folder:{tmp_path}/x", f"{prefix}{spelled}") == "it is the same set"
        assert one_place(f"{prefix}{tmp_path}/x/cat", f"folder:{spelled}") == "one folder lies in the other"
    assert clash(f"folder:{tmp_path}/x", f"folder:{tmp_path}/x-anomalies") == "it is the same set"
    tree(tmp_path / "x-anomalies")
    assert clash(f"folder:{tmp_path}/x", f"folder:{tmp_path}/x-anomalies") is None, "a folder of that name"
    data = opened(tmp_path / "x")
    with pytest.raises(
        ValueError, match=r"clash with the in-distribution set folder:.*: one folder lies in the other"
    ):
        data.outlier_set(f"folder:{tmp_path}/x/cat")


def test_forms_of_names(tmp_path):
    assert is_code("mine.py:Mine") and is_code("~/a b/mine.py:Mine") and is_code("pack.age:Mine")
    assert not any(map(is_code, ("folder:x", "cifar10", "mine.py", "a:b:c", "generated:mine.py:Mine")))
    assert (
        short_of(f"folder:{tmp_path}/x/") == "x"
        and short_of("a/mine.py:Mine") == "Mine"
        and short_of("mnist") == "mnist"
    )
    assert [below_data_root(n) for n in ("mnist", "mnist-anomalies", "anomalies", "folder:x", "uniform-noise")] == [
        True, True, False, False, False,
    ]  # fmt: skip
    check_names([f"folder:{tmp_path}-anomalies", "mine.py:Mine-anomalies", "anomalies"])
    with pytest.raises(ValueError, match="unknown OoD set 'anomaly'; did you mean 'anomalies'"):
        check_names(["anomaly"])


def test_anomalies_are_generated_from_it(tmp_path):
    spec = f"folder:{tree(tmp_path / 'x')}"
    assert PROVIDER.opens(spec) and not PROVIDER.opens("cifar10") and PROVIDER.recipe(spec) == "default"
    source = PROVIDER.open(spec, None, "test", 0)
    assert (source.name, source.origin, len(source.keys)) == ("folder:x", "own", 6)
    assert source.folder == tmp_path / "x" and source.read(0).path.is_file()


MINE = '''
from pathlib import Path

from datamodules import BenchmarkDataModule, FileSet, Subset
from lsood.images.listing import image_files


class Mine(BenchmarkDataModule):
    """Images of videos."""

    name, task, class_names = "videos", "classification", ("a", "b")
    mean, std, image_size = (0.5,) * 3, (0.25,) * 3, (8, 8)

    @classmethod
    def is_there(cls, folder):
        return (folder / "videos").is_dir()

    @classmethod
    def sequence_of(cls, key):
        return Path(key).name.partition("_")[0]

    def split(self, folder):
        images = FileSet(self.name, folder, image_files(folder / "videos"), "own")
        thirds = {part: range(i, len(images), 3) for i, part in enumerate(("train", "val", "test"))}
        return {part: Subset(images, chosen) for part, chosen in thirds.items()}


class Lacking(BenchmarkDataModule):
    name, task = "lacking", "classification"


class Thing:
    name = "thing"
'''


def test_a_data_module_in_a_file(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    for i in range(12):
        write(tmp_path / "data" / "videos" / f"v{i // 4}_{i}.png", i)
    spec = f"{tmp_path}/mine.py:Mine"
    data = module_of(spec)(tmp_path / "data", ood=[f"{spec}-anomalies", "anomalies"])
    data.setup()
    assert (
        list(data.ood_sets) == ["videos-anomalies"]
        and data.ood_sets["videos-anomalies"].base is data.sets["test"]
    )
    assert sequence_rule("videos-anomalies", data)("x/v2_3.png") == "v2"
    assert sequence_rule("ind-val", data)("v1_1.png") == "v1"
    with pytest.raises(ValueError, match=r"mine.py:Mine is the in-distribution set; name another OoD set"):
        load_ood(spec, data)
    known = module_of(f"folder:{tree(tmp_path / 'x')}")(tmp_path / "data", ood=[spec, f"{spec}-anomalies"])
    known.setup()
    assert list(known.ood_sets) == ["mine.py:Mine", "mine.py:Mine-anomalies"]
    assert {len(images) for images in known.ood_sets.values()} == {4}
    assert sequence_rule("mine.py:Mine", known)("v1_1.png") == "v1", (
        "rules of the file's set hold for its images"
    )
    assert sequence_rule("mine.py:Mine-anomalies", known)("v1_1.png") == "v1"
    source = PROVIDER.open(spec, tmp_path / "data", "val", 0)
    assert (source.name, len(source.keys), source.folder) == ("videos", 4, None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "Lacking",
            r"data module .*Lacking does not define class_names, mean, std, image_size, is_there\(\), split\(\)",
        ),
        ("Thing", "Thing is no subclass of datamodules.BenchmarkDataModule"),
        ("Other", "has no attribute 'Other'"),
    ],
)
def test_faulty_data_modules_are_one_clear_line(tmp_path, name, message):
    (tmp_path / "mine.py").write_text(MINE)
    with pytest.raises(ValueError, match=message):
        module_of(f"{tmp_path}/mine.py:{name}")
    with pytest.raises(ValueError, match=r"there is no file .*none.py"):
        module_of(f"{tmp_path}/none.py:Mine")


def test_masks_that_would_be_scored_as_images_are_told(tmp_path, caplog):
    for part in ("images", "labels_masks"):
        for i in range(3):
            write(tmp_path / "road" / part / f"{i}.png", i)
    data = opened(tree(tmp_path / "animals"))
    assert len(load_ood(f"folder:{tmp_path / 'road'}", data)) == 6
    assert (
        "the 3 files in labels_masks/ are scored as images; if they are masks, "
        f"name folder:{tmp_path / 'road' / 'images'}" in caplog.text
    )
    caplog.clear()
    assert len(load_ood(f"folder:{tmp_path / 'road' / 'images'}", data)) == 3
    assert "scored as images" not in caplog.text
