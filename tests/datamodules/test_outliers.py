"""Auxiliary outliers: never what is under test, never a known class."""

import numpy as np
import pytest
import torch

from datamodules import (
    DATAMODULES,
    OUTLIER_SETS,
    CIFAR10DataModule,
    FashionMNISTDataModule,
    known_names,
    outliers_for,
)
from datamodules.ind.cifar100 import CIFAR100DataModule
from datamodules.miniature import write
from datamodules.miniature.files import rows_of, save_batch
from datamodules.ood.outliers.clashes import DROPPED, SHARED, clash
from datamodules.ood.outliers.dead_leaves import dead_leaves


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """CIFAR-10 and CIFAR-100 in their layouts, one CIFAR-100 training image per class, filled with its class index."""
    root = tmp_path_factory.mktemp("outliers")
    write("cifar10", root, sizes={"train": 50, "test": 10})
    write("fashion-mnist", root, sizes={"train": 50, "test": 10})
    folder = root / "cifar-100-python"
    images = np.repeat(np.arange(100, dtype=np.uint8), 3072).reshape(100, 32, 32, 3)
    for part in ("train", "test"):
        save_batch(folder / part, {b"data": rows_of(images), b"fine_labels": list(range(100))})
    save_batch(folder / "meta", {b"fine_label_names": []})
    return root


@pytest.mark.parametrize(
    ("ind", "ood", "name", "message"),
    [
        ("fashion-mnist", ["cifar10"], "cifar10", "with the OoD set under test cifar10: it is the same set"),
        ("fashion-mnist", ["cifar10-anomalies"], "cifar10", "OoD set under test cifar10-anomalies: it is the same set"),
        ("cifar10", ["svhn"], "cifar10", "clash with the in-distribution set cifar10: it is the same set"),
        ("cifar10", ["tiny-imagenet-r"], "cifar100", "OoD set under test tiny-imagenet-r: TinyImageNet holds animals"),
        ("cifar10", ["lsun-r"], "places365", "both hold the same scenes"),
        ("fashion-mnist", ["svhn"], "mnist", "OoD set under test svhn: both hold the digits"),
        ("mnist", ["mnist-noise"], "mnist", "in-distribution set mnist"),
        ("cifar10", ["folder:/x"], "folder:/x", "OoD set under test folder:/x: it is the same set"),
        ("cifar10", [], "imagenet", "unknown outliers 'imagenet'; outliers: 300k-random-images"),
        ("cityscapes", [], None, "no outliers are chosen for cityscapes; name some"),
        ("cifar10", ["svnh"], None, "unknown OoD set 'svnh'; did you mean 'svhn'"),
    ],
)  # fmt: skip
def test_a_clash_is_named(root, ind, ood, name, message):
    with pytest.raises(ValueError, match=message):
        outliers_for(ind, root, ood, name)


def test_one_folder_under_two_names_clashes(root, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "frames" / "night").mkdir(parents=True)
    (tmp_path / "link").symlink_to("frames")
    for outliers, ood, message in (
        ("folder:~/frames", f"folder:{tmp_path}/frames", "it is the same set"),
        (f"folder:{tmp_path}/link/", "folder:~/frames", "it is the same set"),
        ("folder:~/frames", "folder:~/link/night", "one folder lies in the other"),
        ("folder:~/frames/night", "generated:~/frames", "one folder lies in the other"),
    ):
        with pytest.raises(ValueError, match=f"clash with the OoD set under test {ood}: {message}"):
            outliers_for("cifar10", root, [ood], outliers)
    assert clash("folder:~/frames", "folder:~/frames2") is None


def test_the_choice_passes_over_what_clashes_and_drops_shared_classes(root):
    classes = CIFAR100DataModule.class_names
    grey = outliers_for("fashion-mnist", root, ["mnist"])
    assert grey.name == "cifar10 train" and len(grey) == 50
    beside_cars = outliers_for("cifar10", root, ["svhn"])
    left_out = [classes[i] for i in set(range(100)) - set(beside_cars.images[:, 0, 0, 0].tolist())]
    assert sorted(left_out) == ["bus", "pickup_truck", "streetcar", "tractor"]
    assert beside_cars.labels is None and beside_cars.read(0).target is None
    assert (
        len(outliers_for("fashion-mnist", root, ["cifar10"])) == 96
    )  # under test, so its classes are dropped too
    assert len(outliers_for("fashion-mnist", root, ["svhn"], "cifar100")) == 100


def test_outliers_that_are_not_there_say_where_to_get_them(root):
    with pytest.raises(
        FileNotFoundError, match=r"300k-random-images.*expected 300K_random_images\.npy.*cifar100: it is"
    ):
        outliers_for("cifar10", root, ["cifar100"])
    with pytest.raises(FileNotFoundError, match=r"places365, for outliers, is not in"):
        outliers_for("cifar10", root, [], "places365")


def test_the_300k_random_images(tmp_path):
    np.save(tmp_path / "300K_random_images.npy", np.ones((7, 32, 32, 3), np.uint8))
    found = outliers_for("cifar10", tmp_path, ["cifar100", "svhn"])
    assert (found.name, len(found), found.origin) == ("300k-random-images", 7, "subset")
    np.save(tmp_path / "300K_random_images.npy", np.ones((7, 32, 32), np.uint8))
    with pytest.raises(ValueError, match=r"must hold \(N, H, W, 3\) uint8, got \(7, 32, 32\)"):
        outliers_for("cifar10", tmp_path)
    (tmp_path / "300K_random_images.npy").write_bytes(b"junk")
    with pytest.raises(ValueError, match="is no array of images"):
        outliers_for("cifar10", tmp_path)


def test_the_loader_is_seeded_preprocessed_and_unlabelled(root):
    data = FashionMNISTDataModule(root, ["uniform-noise"], seed=3)
    data.setup()
    batches = list(data.outlier_dataloader(20))
    assert [len(b["key"]) for b in batches] == [20, 20, 10]
    assert batches[0]["image"].shape == (20, 1, 28, 28) and set(batches[0]["target"].tolist()) == {-1}
    again = list(data.outlier_dataloader(20))
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(batches, again, strict=True))
    keys = [key for b in batches for key in b["key"]]
    assert keys != sorted(keys) and not set(keys) & set(data.sets["train"].keys)


def test_dead_leaves_stand_in_for_miniatures():
    found = outliers_for("cifar10", None, ["cifar100"])
    assert (found.name, found.origin, len(found)) == ("dead-leaves", "miniature", 500)
    assert outliers_for("cifar10", None, name="dead-leaves").origin == "generated"
    assert np.array_equal(dead_leaves(5), dead_leaves(9)[:5]) and not np.array_equal(
        dead_leaves(5), dead_leaves(5, 1)
    )
    assert len({image.tobytes() for image in dead_leaves(50)}) == 50


def test_every_choice_exists_and_may_be_used():
    choices = {ind: names for ind in DATAMODULES if (names := DATAMODULES.about(ind, "outliers"))}
    assert {"cifar10", "cifar100", "fashion-mnist", "mnist"} <= set(choices)
    for ind, names in choices.items():
        assert names == DATAMODULES[ind].outliers and set(names) <= set(OUTLIER_SETS)
        assert not [name for name in names if clash(name, ind)]
    for first, second in (*SHARED, *DROPPED):
        assert first in OUTLIER_SETS and second in known_names()
    for (outliers, _), dropped in DROPPED.items():
        assert set(dropped) <= set(
            {"cifar10": CIFAR10DataModule, "cifar100": CIFAR100DataModule}[outliers].class_names
        )
