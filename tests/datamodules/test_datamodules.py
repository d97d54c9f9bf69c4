"""Layouts, splits, one pre-processing, and what happens with files that are not what they should be."""

import os
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from anomalies import Entry, Recipe
from datamodules import (
    DATAMODULES,
    OOD_SETS,
    BDD100kSegmentationDataModule,
    CamVidDataModule,
    CIFAR10DataModule,
    CityscapesDataModule,
    FashionMNISTDataModule,
    check_names,
    known_names,
)
from datamodules.formats.cifar import read_batch
from datamodules.formats.idx import read_idx
from datamodules.imagesets.arrays import ArraySet
from datamodules.imagesets.files import FileSet
from datamodules.imagesets.subset import hold_out
from datamodules.ind.woodscape import split_frames
from datamodules.loading.preprocess import Preprocess
from datamodules.loading.samples import SampleDataset
from datamodules.miniature import write
from lsood.images.reading import read_image

SIZES = {
    "cityscapes": {"train": 12, "val": 4},
    "woodscape": {"frames": 14},
    "bdd100k": {"10k/train": 12, "10k/val": 4, "100k/train": 12, "100k/val": 4},
    "camvid": {"train": 6, "val": 3, "test": 4},
    "cifar10": {"train": 100, "test": 20},
    "cifar100": {"train": 100, "test": 20},
    "fashion-mnist": {"train": 100, "test": 20},
    "mnist": {"train": 100, "test": 20},
    "gtsrb": {"train": 60, "test": 10},
}


@pytest.fixture(scope="session")
def minis(tmp_path_factory):
    root = tmp_path_factory.mktemp("minis")
    for name, sizes in SIZES.items():
        write(name, root, sizes=sizes)
    return root


@pytest.mark.parametrize("name", DATAMODULES)
def test_three_parts_without_overlap_in_the_contract_s_shapes(minis, name):
    data = DATAMODULES[name](minis, [f"{name}-anomalies", "uniform-noise"], batch_size=5)
    data.setup()
    assert data.origin == "miniature"
    parts = [set(data.sets[part].keys) for part in ("train", "val", "test")]
    assert all(parts) and not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    for loader in (
        data.train_dataloader(),
        data.fit_dataloader(),
        data.val_dataloader(),
        data.test_dataloader(),
    ):
        batch = next(iter(loader))
        n = len(batch["key"])
        assert batch["image"].shape == (n, data.channels, *data.image_size)
        assert batch["image"].dtype == torch.float32
        if data.task == "detection":
            assert [len(target["boxes"]) for target in batch["target"]] == [
                len(t["labels"]) for t in batch["target"]
            ]
            continue
        assert batch["target"].dtype == torch.int64
        assert batch["target"].shape == ((n,) if data.task == "classification" else (n, *data.image_size))
        legal = set(range(data.num_classes)) | ({255} if data.task == "segmentation" else set())
        assert set(batch["target"].unique().tolist()) <= legal
    assert set(data.ood_dataloaders()) == {f"{name}-anomalies", "uniform-noise"}
    for loader in data.ood_dataloaders().values():
        assert next(iter(loader))["image"].shape[1:] == (data.channels, *data.image_size)
    assert next(iter(data.anomaly_val_dataloader()))["key"] == data.sets["val"].keys[:5]
    assert len(data.anomaly_test_dataloader().dataset) == len(data.sets["test"])


def test_fit_loader_is_the_training_part_in_order_and_not_augmented(minis):
    data = CIFAR10DataModule(minis, batch_size=16)
    data.setup()
    keys = [key for batch in data.fit_dataloader() for key in batch["key"]]
    assert keys == data.sets["train"].keys
    shuffled = [key for batch in data.train_dataloader() for key in batch["key"]]
    assert sorted(shuffled) == sorted(keys) and shuffled != keys
    first, second = (torch.cat([b["image"] for b in data.fit_dataloader()]) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", ["cityscapes", "fashion-mnist"])
def test_a_no_op_anomaly_leaves_no_trace(minis, name):
    """Anomalous and clean images go through one and the same pre-processing: identity gives identical tensors."""
    data = DATAMODULES[name](minis, recipe=Recipe("none", (Entry("identity"),)), batch_size=50)
    data.setup()
    clean = next(iter(data.test_dataloader()))["image"]
    anomalous = next(iter(data.anomaly_test_dataloader()))["image"]
    assert torch.equal(clean, anomalous)


def test_anomalies_do_not_depend_on_order_or_workers(minis):
    data = CityscapesDataModule(minis, batch_size=2)
    data.setup()
    images = data.anomalies_of("test")
    forwards = [images.read(i).image for i in range(len(images))]
    backwards = [images.read(i).image for i in reversed(range(len(images)))][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    several = CityscapesDataModule(minis, batch_size=2, num_workers=2)
    several.setup()
    pairs = zip(data.anomaly_test_dataloader(), several.anomaly_test_dataloader(), strict=True)
    assert all(torch.equal(a["image"], b["image"]) for a, b in pairs)
    other = CityscapesDataModule(minis, seed=1)
    other.setup()
    assert other.anomalies_of("test").fingerprint != images.fingerprint


def test_batches_made_at_once_equal_single_samples(minis):
    data = CIFAR10DataModule(minis)
    data.setup()
    dataset = SampleDataset(data.sets["val"], data.preprocess)
    at_once = dataset.__getitems__([3, 0, 7])
    for row, index in enumerate((3, 0, 7)):
        single = dataset[index]
        torch.testing.assert_close(at_once["image"][row], single["image"], rtol=0, atol=0)
        assert (at_once["key"][row], int(at_once["target"][row])) == (single["key"], int(single["target"]))


def test_masks_are_resized_without_inventing_classes():
    mask = np.kron(np.array([[0, 18], [255, 7]], np.uint8), np.ones((37, 53), np.uint8))
    small = Preprocess((16, 24), (0.5,) * 3, (0.5,) * 3).label_map(mask)
    assert set(small.unique().tolist()) == {0, 7, 18, 255}


def test_grey_and_colour_are_converted_explicitly():
    colour = np.zeros((8, 8, 3), np.uint8)
    colour[..., 1] = 200
    to_grey = Preprocess((8, 8), (0.0,), (1.0,), channels=1)
    assert to_grey.image(colour).shape == (1, 8, 8)
    assert to_grey.image(colour)[0, 0, 0].item() * 255 == pytest.approx(round(0.587 * 200))
    to_colour = Preprocess((8, 8), (0.0,) * 3, (1.0,) * 3)
    assert torch.equal(to_colour.image(colour[..., 1:2])[0], to_colour.image(colour[..., 1:2])[2])


def test_woodscape_split_has_the_reference_s_sizes():
    class Frames(list):
        name = origin = "x"
        keys = property(lambda self: self)

    parts = split_frames(Frames(map(str, range(8234))), 10)
    assert {part: len(images) for part, images in parts.items()} == {"train": 5929, "val": 1482, "test": 823}


def test_fingerprints_follow_content(minis, tmp_path):
    data = CamVidDataModule(minis)
    data.setup()
    again = CamVidDataModule(minis)
    again.setup()
    assert data.fingerprint == again.fingerprint
    write("camvid", tmp_path, sizes=SIZES["camvid"])
    label = next((tmp_path / "camvid" / "trainannot").iterdir())
    pixels = cv2.imread(str(label), cv2.IMREAD_UNCHANGED)
    pixels[0, 0] ^= 1
    cv2.imwrite(str(label), pixels)
    changed = CamVidDataModule(tmp_path)
    changed.setup()
    assert changed.fingerprint != data.fingerprint
    assert changed.sets["test"].fingerprint == data.sets["test"].fingerprint


def test_limit_and_hold_out_are_seeded(minis):
    capped = CIFAR10DataModule(minis, limit=10)
    capped.setup()
    assert {len(s) for s in capped.sets.values()} == {10}
    images = ArraySet("x", np.zeros((50, 8, 8, 3), np.uint8), None, "official")
    rest, held = hold_out(images, 0.2, 3)
    assert len(held) == 10 and sorted(rest.keys + held.keys) == images.keys
    assert hold_out(images, 0.2, 3)[1].keys == held.keys != hold_out(images, 0.2, 4)[1].keys


# what users get wrong


def test_unknown_ood_names_list_the_right_ones():
    with pytest.raises(
        ValueError,
        match=r"unknown OoD set 'svnh'; did you mean 'svhn'\? OoD sets: anomalies, bdd100k, bdd100k-anomalies, ",
    ):
        check_names(["svnh"])
    check_names([*known_names(), "folder:/x"])


def test_a_root_that_does_not_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist; name the folder that holds cityscapes"):
        CityscapesDataModule(tmp_path / "nowhere")


@pytest.mark.parametrize("name", DATAMODULES)
def test_a_root_without_the_set_says_layout_and_source(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=r"expected .* get it from http.*name no data root"):
        DATAMODULES[name](tmp_path).setup()


def test_an_ood_set_that_is_not_there(minis):
    with pytest.raises(FileNotFoundError, match=r"isun is not in .*expected iSUN.* get it from"):
        CIFAR10DataModule(minis, ["isun"]).setup()
    with pytest.raises(FileNotFoundError, match="isun has no generated miniature"):
        CIFAR10DataModule(ood=["isun"], limit=4).setup()


def test_an_empty_ood_folder(minis, tmp_path):
    with pytest.raises(ValueError, match="no images in"):
        CIFAR10DataModule(minis, [f"folder:{tmp_path}"]).setup()
    with pytest.raises(FileNotFoundError, match="is no folder"):
        CIFAR10DataModule(minis, [f"folder:{tmp_path}/x"]).setup()


@pytest.fixture
def broken(tmp_path):
    """A Cityscapes look-alike to break; returns (root, first image, first label)."""
    folder = write("cityscapes", tmp_path, sizes={"train": 2, "val": 2})
    image = sorted((folder / "leftImg8bit" / "val").rglob("*.png"))[0]
    label = sorted((folder / "gtFine" / "val").rglob("*labelIds.png"))[0]
    return tmp_path, image, label


def first_test_batch(root):
    data = CityscapesDataModule(root)
    data.setup()
    return next(iter(data.test_dataloader()))


def test_a_truncated_png(broken):
    root, image, _ = broken
    image.write_bytes(image.read_bytes()[:-2000])
    with pytest.raises(ValueError, match=f"{image.name} is truncated"):
        first_test_batch(root)


def test_an_image_without_its_label(broken):
    root, image, label = broken
    label.unlink()
    with pytest.raises(ValueError, match=f"{image.name} has no label: .*{label.name} does not exist"):
        first_test_batch(root)


def test_a_label_of_another_size(broken):
    root, _, label = broken
    cv2.imwrite(str(label), np.zeros((10, 20), np.uint8))
    with pytest.raises(ValueError, match=f"{label.name} is 20x10, its image .* 512x256"):
        first_test_batch(root)


def test_a_label_id_out_of_range(broken):
    root, _, label = broken
    cv2.imwrite(str(label), np.full((256, 512), 77, np.uint8))
    with pytest.raises(ValueError, match=f"{label.name} holds id 77, which is no class"):
        first_test_batch(root)


def test_a_colour_label(broken):
    root, _, label = broken
    cv2.imwrite(str(label), np.zeros((256, 512, 3), np.uint8))
    with pytest.raises(ValueError, match="must be single-channel 8-bit"):
        first_test_batch(root)


class Code:
    def __reduce__(self):
        return os.mkdir, ("owned",)


def test_a_pickle_with_code_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "data_batch_1"
    path.write_bytes(pickle.dumps({b"data": Code()}))
    with pytest.raises(ValueError, match=r"is no CIFAR batch and was not loaded: it refers to posix\.mkdir"):
        read_batch(path)
    assert not (tmp_path / "owned").exists()


def test_damaged_archives(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"\0\0\x08\x01\0\0\0\x05abc")
    with pytest.raises(ValueError, match="truncated: 3 bytes instead of 5"):
        read_idx(path)
    path.write_bytes(b"junk")
    with pytest.raises(ValueError, match="no idx file"):
        read_idx(path)
    with pytest.raises(ValueError, match="no CIFAR batch"):
        read_batch(path)


@pytest.mark.parametrize("kind", ["grey", "palette", "rgba", "16 bit"])
def test_unusual_images_become_rgb(tmp_path, kind):
    from PIL import Image

    path, pixels = tmp_path / "x.png", np.arange(12 * 16 * 3, dtype=np.uint8).reshape(12, 16, 3)
    image = Image.fromarray(pixels)
    if kind == "16 bit":
        cv2.imwrite(str(path), pixels.astype(np.uint16) * 257)
    else:
        image.convert({"grey": "L", "palette": "P", "rgba": "RGBA"}[kind]).save(path)
    found = read_image(path)
    assert found.shape == (12, 16, 3) and found.dtype == np.uint8
    if kind == "rgba":
        assert np.array_equal(found, pixels)


# real files


@pytest.fixture
def real():
    root = os.environ.get("LSOOD_TEST_DATA")
    if not root:
        pytest.skip("LSOOD_TEST_DATA does not name a folder of real data")
    return Path(root)


def test_cityscapes_training_ids_equal_the_published_ones(real):
    folder = real / "samples" / "cityscapes_small"
    item = CityscapesDataModule.part(folder, "val").read(0)
    published = next((folder / "gtFine").rglob("*labelTrainIds.png"))
    equal = item.target == cv2.imread(str(published), cv2.IMREAD_UNCHANGED)
    assert (
        equal.mean() > 0.997
    )  # the sample's two maps were shrunk apart: 77 of 32,768 pixels differ, at edges


def test_full_size_cityscapes_frame(real):
    folder = real / "samples" / "cityscapes"
    files = sorted(folder.rglob("*_leftImg8bit.png"))
    assert FileSet("cityscapes", folder, files, "subset").read(0).image.shape == (1024, 2048, 3)


def test_bdd100k_frame_and_label(real, tmp_path):
    image = next((real / "samples" / "bdd100k" / "images").glob("0ace96c3*.jpg"))
    label = next((real / "samples" / "bdd100k" / "labels").glob("seg_train_labels*"))
    for source, target in (
        (image, tmp_path / "images/10k/val" / image.name),
        (label, tmp_path / "labels/sem_seg/masks/val" / f"{image.stem}.png"),
    ):
        target.parent.mkdir(parents=True)
        target.symlink_to(source)
    item = BDD100kSegmentationDataModule.part(tmp_path, "val").read(0)
    assert item.image.shape == (720, 1280, 3)
    assert set(np.unique(item.target)) <= {*range(19), 255}


def test_cifar10_equals_torchvision(real):
    from torchvision.datasets import CIFAR10

    theirs = CIFAR10(real, train=False)
    ours = CIFAR10DataModule.part(real / "cifar-10-batches-py", "test")
    assert np.array_equal(ours.images, theirs.data) and ours.labels.tolist() == theirs.targets
    assert ours.origin == "official"


def test_fashion_mnist_equals_torchvision(real):
    from torchvision.datasets import FashionMNIST

    theirs = FashionMNIST(real, train=False)
    data = FashionMNISTDataModule(real, ["mnist"])
    data.setup()
    assert np.array_equal(data.sets["test"].images[..., 0], theirs.data.numpy())
    assert {part: len(s) for part, s in data.sets.items()} == {"train": 54_000, "val": 6_000, "test": 10_000}
    assert data.origin == data.ood_sets["mnist"].origin == "official"


def test_camvid_and_the_ood_sets_beside_it(real):
    data = CamVidDataModule(real, ["road-anomaly-21", "textures"], batch_size=4)
    data.setup()
    assert {part: len(s) for part, s in data.sets.items()} == {"train": 367, "val": 101, "test": 233}
    batch = next(iter(data.test_dataloader()))
    assert set(batch["target"].unique().tolist()) <= {*range(11), 255}
    masks = [data.ood_sets["road-anomaly-21"].read(i).anomaly for i in range(10)]
    assert all(set(np.unique(mask)) <= {0, 1, 255} and (mask == 1).any() for mask in masks)


def test_voc_frames_and_cifar100_class_folders(real):
    data = CIFAR10DataModule(real, ["cifar100"], limit=20)
    data.setup()
    assert data.ood_sets["cifar100"].read(0).image.shape == (32, 32, 3)
    frames = OOD_SETS["voc"].load(real / "samples" / "voc")
    assert len(frames) == 3 and frames.read(0).image.ndim == 3
