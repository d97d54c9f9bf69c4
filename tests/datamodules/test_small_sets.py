"""CIFAR-100 and MNIST as in-distribution sets, and the small OoD sets of the papers' tables."""

import cv2
import numpy as np
import pytest
import torch

from datamodules import CIFAR10DataModule, CIFAR100DataModule, GTSRBDataModule, MNISTDataModule
from datamodules.miniature import write
from datamodules.miniature.files import save_batch


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("small")
    for name in ("mnist", "cifar100", "cifar10"):
        write(name, root, sizes={"train": 40, "test": 20})
    return root


@pytest.mark.parametrize(
    ("module", "ood", "beside"),
    [(MNISTDataModule, "mnist", CIFAR10DataModule), (CIFAR100DataModule, "cifar100", CIFAR10DataModule)],
)
def test_the_ood_set_is_the_test_part_of_the_in_distribution_set(root, module, ood, beside):
    inside, outside = module(root), beside(root, [ood])
    inside.setup()
    outside.setup()
    assert outside.ood_sets[ood].fingerprint == inside.sets["test"].fingerprint
    assert {part: len(images) for part, images in inside.sets.items()} == {"train": 36, "val": 4, "test": 20}


def test_ood_sets_need_no_training_part(root, tmp_path):
    for name in ("MNIST/raw", "cifar-100-python"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / "MNIST/raw" / name).symlink_to(root / "MNIST/raw" / name)
    for name in ("test", "meta"):
        (tmp_path / "cifar-100-python" / name).symlink_to(root / "cifar-100-python" / name)
    (tmp_path / "cifar-10-batches-py").symlink_to(root / "cifar-10-batches-py")
    data = CIFAR10DataModule(tmp_path, ["mnist", "cifar100"])
    data.setup()
    assert [len(images) for images in data.ood_sets.values()] == [20, 20]
    with pytest.raises(FileNotFoundError, match=r"cifar100 is not in .*\{train,test,meta\}"):
        CIFAR100DataModule(tmp_path).setup()
    with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte does not exist"):
        MNISTDataModule(tmp_path).setup()


def test_mnist_lies_between_minus_one_and_one(root):
    data = MNISTDataModule(root, ["bright-noise", "mnist-noise", "uniform-noise"])
    data.setup()
    digits = next(iter(data.test_dataloader()))["image"]
    assert digits.min() == -1 and 0.9 < digits.max() <= 1
    loaders = data.ood_dataloaders()
    bright, noisy, uniform = (
        next(iter(loaders[n]))["image"] for n in ("bright-noise", "mnist-noise", "uniform-noise")
    )
    assert bright.min() >= 0 and bright.mean() == pytest.approx(0.5, abs=0.02)
    assert uniform.mean() == pytest.approx(0, abs=0.02)
    difference = noisy - digits
    assert difference.min() >= 0 and difference[digits == -1].max() < 1
    assert difference[digits == -1].mean() == pytest.approx(0.5, abs=0.01)
    again, other = (MNISTDataModule(root, ["mnist-noise"], seed=seed) for seed in (0, 1))
    again.setup()
    other.setup()
    assert again.ood_sets["mnist-noise"].fingerprint == data.ood_sets["mnist-noise"].fingerprint
    assert other.ood_sets["mnist-noise"].fingerprint != data.ood_sets["mnist-noise"].fingerprint


def test_omniglot_is_inverted_in_alphabet_order_and_cut(root, tmp_path, monkeypatch):
    (tmp_path / "MNIST").symlink_to(root / "MNIST")
    folder = tmp_path / "omniglot-py" / "images_evaluation"
    for alphabet, row in (("Tibetan", 60), ("Angelic", 20)):
        for drawing in range(2):
            image = np.full((105, 105), 255, np.uint8)
            image[row : row + 8] = 0
            path = folder / alphabet / "character01" / f"0{drawing}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), image)
    monkeypatch.setattr("datamodules.ood.omniglot.TAKEN", 3)
    data = MNISTDataModule(tmp_path, ["omniglot"])
    data.setup()
    found = data.ood_sets["omniglot"]
    assert [key.split("/")[0] for key in found.keys] == ["Angelic", "Angelic", "Tibetan"]
    images = next(iter(data.ood_dataloaders()["omniglot"]))["image"]
    assert images.shape == (3, 1, 28, 28)
    assert images[0, 0, 0].max() == -1 and images[0, 0, round(24 * 28 / 105)].min() > 0.9


def test_stl10(root, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)
    (tmp_path / "stl10_binary").mkdir()
    (tmp_path / "cifar-10-batches-py").symlink_to(root / "cifar-10-batches-py")
    path = tmp_path / "stl10_binary" / "test_X.bin"
    path.write_bytes(images.transpose(0, 3, 2, 1).tobytes())  # column-major planes, as published
    data = CIFAR10DataModule(tmp_path, ["stl10"])
    data.setup()
    assert np.array_equal(data.ood_sets["stl10"].images, images)
    path.write_bytes(b"abc")
    with pytest.raises(ValueError, match="truncated: 3 bytes"):
        CIFAR10DataModule(tmp_path, ["stl10"]).setup()


def test_a_batch_of_another_set_is_refused(root, tmp_path):
    folder = tmp_path / "cifar-100-python"
    save_batch(folder / "train", {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 1]})
    save_batch(folder / "meta", {})
    save_batch(folder / "test", {b"data": np.zeros((2, 3072), np.uint8), b"fine_labels": [0, 100]})
    with pytest.raises(
        ValueError, match=r"train is no batch of cifar100: it needs data \(N, 3072\) uint8 and fine_l"
    ):
        CIFAR100DataModule.part(folder, "train")
    with pytest.raises(ValueError, match=r"2 images, 2 labels in 0\.\.100"):
        CIFAR100DataModule.part(folder, "test")


def test_a_network_of_a_hundred_classes_sees_them(root):
    data = CIFAR100DataModule(root)
    data.setup()
    assert data.num_classes == 100 and len(set(data.class_names)) == 100
    assert list(data.class_names) == sorted(data.class_names)
    targets = torch.cat([batch["target"] for batch in data.fit_dataloader()])
    assert targets.unique().tolist() == list(range(10))


def test_gtsrb_holds_out_whole_tracks_and_reads_the_official_classes(tmp_path):
    folder = write("gtsrb", tmp_path, sizes={"train": 430, "test": 10})
    data = GTSRBDataModule(tmp_path)
    data.setup()
    train, val = ({key.rsplit("_", 1)[0] for key in data.sets[part].keys} for part in ("train", "val"))
    assert not train & val and len(train | val) == 86 and len(val) == 9
    item = data.sets["train"].read(0)
    assert item.target == int(item.key.split("/")[2]) and item.image.shape[2] == 3
    table = folder / "Final_Test" / "Images" / "GT-final_test.csv"
    assert [data.sets["test"].read(i).target for i in range(10)] == [0] * 5 + [1] * 5
    before = data.sets["test"].fingerprint
    table.write_text(table.read_text().replace("00009.ppm;1", "00009.ppm;7"))
    assert GTSRBDataModule.part(folder, "test").fingerprint != before
    for content, message in (
        ("Filename;ClassId\n00000.ppm;43\n", "names no class of 00001.ppm"),
        ("a,b\n1,2\n", "has no columns Filename and ClassId"),
        (table.read_text().replace(";7", ";43"), "class 43 of test is none of"),
    ):
        table.write_text(content)
        with pytest.raises(ValueError, match=message):
            GTSRBDataModule.part(folder, "test")
    table.unlink()
    with pytest.raises(FileNotFoundError, match=r"archive GTSRB_Final_Test_GT\.zip"):
        GTSRBDataModule.part(folder, "test")
