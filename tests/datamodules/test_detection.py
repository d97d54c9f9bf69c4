"""Detection sets: nothing distorted, batches of equal shape, unknown objects only in OoD sets."""

import json
import logging
import os
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from anomalies import Entry, Recipe
from anomalies.generate import app as generate
from datamodules import BDD100kDataModule, CIFAR10DataModule, Preprocess
from datamodules.formats.voc import voc_boxed
from datamodules.imagesets.arrays import ArraySet
from datamodules.loading.augment import flip_boxes
from datamodules.loading.equal_shapes import EqualShapes
from datamodules.loading.samples import SampleDataset
from datamodules.miniature import MINIATURES, write
from datamodules.miniature.files import save_image
from datamodules.tasks.detection import Detection

SIZES = {"10k/train": 1, "10k/val": 1, "100k/train": 20, "100k/val": 6}


@pytest.fixture(scope="module")
def minis(tmp_path_factory):
    root = tmp_path_factory.mktemp("detection")
    write("bdd100k", root, sizes=SIZES)
    write("voc", root, sizes={"val": 18})
    write("openimages", root, sizes={"images": 18})
    return root


@pytest.fixture(scope="module")
def data(minis):
    module = BDD100kDataModule(
        minis, ["voc", "openimages", "bdd100k-anomalies", "uniform-noise"], batch_size=4
    )
    module.setup()
    return module


def samples(loader):
    for batch in loader:
        for image, target, key in zip(batch["image"], batch["target"], batch["key"], strict=True):
            yield key, image, target


def test_samples_of_the_contract(data):
    assert data.origin == "miniature" and data.task == "detection" and data.num_classes == 10
    batch = next(iter(data.test_dataloader()))
    assert batch["image"].shape == (4, 3, 180, 320) and batch["key"] == data.sets["test"].keys[:4]
    for target in batch["target"]:
        boxes, labels = target["boxes"], target["labels"]
        assert (
            boxes.dtype == torch.float32 and labels.dtype == torch.int64 and boxes.shape == (len(labels), 4)
        )
        assert (
            (boxes[:, :2] < boxes[:, 2:]).all()
            and (boxes >= 0).all()
            and (boxes[:, 2:] <= torch.tensor([320, 180])).all()
        )
        assert ((labels >= 0) & (labels < 10)).all()
    assert {len(s) for s in (data.sets["train"], data.sets["val"])} == {18, 2}


def test_a_box_stays_on_its_object_through_preprocessing_and_flip(tmp_path):
    image = np.zeros((60, 100, 3), np.uint8)
    image[20:40, 10:50] = 255
    preprocess = Preprocess((30, 80), (0.0,) * 3, (1.0,) * 3, keep_aspect=True)
    boxes = preprocess.boxes(np.array([[10, 20, 50, 40]], np.float32), 60, 100)
    assert boxes.tolist() == [[5, 10, 25, 20]]
    small, target = preprocess.image(image), {"boxes": boxes, "labels": torch.tensor([3])}
    torch.manual_seed(1)
    flipped = [flip_boxes(small, target) for _ in range(8)]
    assert {tuple(found["boxes"][0].tolist()) for _, found in flipped} == {(5, 10, 25, 20), (25, 10, 45, 20)}
    for pixels, found in flipped:
        x1, y1, x2, y2 = map(int, found["boxes"][0])
        covered = torch.zeros_like(pixels, dtype=torch.bool)
        covered[:, y1:y2, x1:x2] = True
        assert torch.equal(pixels > 0.5, covered)
    assert flip_boxes(small, {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()})[1][
        "boxes"
    ].shape == (0, 4)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(720, 1280, (750, 1333)), (375, 500, (800, 1067)), (500, 375, (1067, 800)), (100, 4000, (33, 1333)),
     (1, 9999, (1, 1333))],
)  # fmt: skip
def test_short_and_long_side_are_bounded_and_the_aspect_ratio_kept(height, width, expected):
    preprocess = Preprocess((800, 1333), (0.5,), (0.5,), keep_aspect=True)
    assert preprocess.size_of(height, width) == expected
    assert preprocess.fingerprint != Preprocess((800, 1333), (0.5,), (0.5,)).fingerprint


def test_batches_of_equal_shape_hold_every_image_once_in_a_stable_order(data):
    for name in ("voc", "openimages"):
        loader = data.ood_dataloaders()[name]
        batches = list(loader)
        assert len(batches) == len(loader)
        keys = [key for batch in batches for key in batch["key"]]
        order = data.ood_sets[name].keys
        assert sorted(keys) == sorted(order) and keys[0] == order[0]
        firsts = [order.index(batch["key"][0]) for batch in batches]
        assert firsts == sorted(firsts) and len({batch["image"].shape[2:] for batch in batches}) > 1
        assert keys == [key for batch in loader for key in batch["key"]]


def test_a_sample_does_not_depend_on_batch_size_or_workers(minis, data):
    other = BDD100kDataModule(minis, ["voc"], batch_size=3, num_workers=2)
    other.setup()
    found = {key: (image, target) for key, image, target in samples(other.ood_dataloaders()["voc"])}
    for key, image, target in samples(data.ood_dataloaders()["voc"]):
        assert torch.equal(image, found[key][0]) and torch.equal(target["boxes"], found[key][1]["boxes"])


def test_training_is_shuffled_anew_by_the_loader_s_generator(data):
    loader = data.train_dataloader(3)
    first, second = ([k for batch in loader for k in batch["key"]] for _ in range(2))
    assert sorted(first) == sorted(second) == sorted(data.sets["train"].keys) and first != second
    keys = []
    for _ in range(2):
        loader.generator.manual_seed(5)
        keys.append([k for batch in loader for k in batch["key"]])
    assert keys[0] == keys[1]


def test_equal_shapes():
    shapes = [(4, 6), (6, 4), (4, 6), (4, 6), (6, 4), (4, 6)]
    assert list(EqualShapes(shapes, 2)) == [[0, 2], [1, 4], [3, 5]]
    assert list(EqualShapes(shapes, 3)) == [[0, 2, 3], [1, 4], [5]] and len(EqualShapes(shapes, 3)) == 3
    assert list(EqualShapes([], 3)) == []


def test_images_with_known_objects_are_left_out_and_counted(minis, caplog):
    with caplog.at_level(logging.INFO, logger="lsood-bench"):
        module = BDD100kDataModule(minis, ["voc", "openimages"])
        module.setup()
    for name in ("voc", "openimages"):
        assert f"{name}: 3 of 18 images hold objects of classes of bdd100k and are left out" in caplog.text
        images = module.ood_sets[name]
        targets = [images.read(i).target for i in range(len(images))]
        assert len(images) == 15 and images.boxed and all(len(t.boxes) for t in targets)
        assert {c for t in targets for c in t.classes} == {-1}
        assert not {n.lower() for t in targets for n in t.names} & {"person", "car"}
    unfiltered = CIFAR10DataModule(ood=["voc"], limit=4, miniature=True)
    assert unfiltered.task == "classification"
    assert {"car", "motorbike", "human face"} <= set(BDD100kDataModule.synonyms)


def test_a_set_of_known_objects_only_and_one_without_labels(minis, tmp_path, caplog):
    (tmp_path / "bdd100k").symlink_to(minis / "bdd100k")
    save_image(tmp_path / "coco" / "x.jpg", np.zeros((40, 60, 3), np.uint8))
    with caplog.at_level(logging.WARNING, logger="lsood-bench"):
        module = BDD100kDataModule(tmp_path, ["coco", f"folder:{tmp_path / 'coco'}"])
        module.setup()
    assert "coco has no box labels: images with objects that bdd100k knows cannot be left out" in caplog.text
    target = next(iter(module.ood_dataloaders()["coco"]))["target"][0]
    assert target["boxes"].shape == (0, 4) and not module.ood_sets["coco"].boxed
    content = {"images": [{"id": 1, "file_name": "x.jpg"}], "categories": [{"id": 1, "name": "Person"}],
               "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}]}  # fmt: skip
    (tmp_path / "coco" / "instances.json").write_text(json.dumps(content))
    with pytest.raises(
        ValueError, match="coco: all 1 images hold objects of classes of bdd100k; none is left"
    ):
        BDD100kDataModule(tmp_path, ["coco"]).setup()


def test_classifiers_read_the_same_sets_without_boxes(minis):
    write("cifar10", minis, sizes={"train": 100, "test": 20})
    module = CIFAR10DataModule(minis, ["voc", "bdd100k"])
    module.setup()
    assert len(module.ood_sets["voc"]) == 18 and not module.ood_sets["voc"].boxed
    for loader in module.ood_dataloaders().values():
        assert set(next(iter(loader))["target"].tolist()) == {-1}


@pytest.mark.parametrize(
    ("kind", "kept"), [("fog", True), ("mud", True), ("identity", True), ("roll", False), ("pitch", False)]
)
def test_anomalies_keep_the_boxes_where_pixels_stay(minis, kind, kept):
    module = BDD100kDataModule(minis, ["bdd100k-anomalies"], recipe=Recipe("one", (Entry(kind),)))
    module.setup()
    clean, drawn = module.sets["test"].read(0), module.ood_sets["bdd100k-anomalies"].read(0)
    assert drawn.kind == kind and drawn.source == clean.key
    if kept:
        assert np.array_equal(drawn.target.boxes, clean.target.boxes)
    else:
        assert drawn.target is None
    batch = next(iter(module.ood_dataloaders()["bdd100k-anomalies"]))
    assert len(batch["target"][0]["boxes"]) == (len(clean.target.boxes) if kept else 0)
    if kind == "identity":
        assert torch.equal(batch["image"], next(iter(module.test_dataloader()))["image"])


@pytest.mark.parametrize("kind", ["object", "out_of_context"])
def test_drawn_objects_have_boxes_of_no_class(minis, kind):
    module = BDD100kDataModule(
        minis, ["bdd100k-anomalies"], recipe=Recipe("one", (Entry(kind, severities=(5,)),))
    )
    module.setup()
    images = module.ood_sets["bdd100k-anomalies"]
    found = 0
    for i in range(4):
        clean, drawn = module.sets["test"].read(i), images.read(i)
        if drawn.kind != kind:
            continue
        known = drawn.target.classes >= 0
        assert np.array_equal(drawn.target.boxes[known], clean.target.boxes)
        assert len(drawn.target.names) == len(drawn.target.boxes) and not known[-1]
        inside = np.zeros(drawn.anomaly.shape, bool)
        for x1, y1, x2, y2 in drawn.target.boxes[~known].astype(int):
            box = drawn.anomaly[y1:y2, x1:x2] == 1
            assert box[[0, -1]].any(axis=1).all() and box[:, [0, -1]].any(axis=0).all()  # tight
            inside[y1:y2, x1:x2] = True
        assert not (drawn.anomaly == 1)[~inside].any()
        found += 1
    assert found >= 2


def test_a_set_on_disk_brings_the_boxes_of_what_was_drawn_in(minis, tmp_path, monkeypatch):
    point = EntryPoint("lsood-bench", "datamodules.sources:PROVIDER", "anomalies.sources")
    monkeypatch.setattr("anomalies.sets.source.entry_points", lambda group: [point])
    (tmp_path / "recipe.yaml").write_text("- kind: object\n- kind: mud\n- kind: out_of_context\n")
    words = ["--ind", "bdd100k", "--data-root", minis, "--recipe", tmp_path / "recipe.yaml", "--out", tmp_path / "set",
             "--difficulty", 0]  # fmt: skip
    done = CliRunner().invoke(generate, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    name, recipe = f"generated:{tmp_path / 'set'}", Recipe.load(str(tmp_path / "recipe.yaml"))
    module = BDD100kDataModule(minis, ["bdd100k-anomalies", name], recipe=recipe)
    module.setup()
    drawn, stored = module.ood_sets["bdd100k-anomalies"], module.ood_sets["generated:set"]
    assert stored.keys == drawn.keys and stored.boxed
    kinds = set()
    for i in range(len(stored)):
        one, other = drawn.read(i), stored.read(i)
        new = (one.target.classes < 0) & (one.kind == "object")
        assert (
            np.array_equal(other.target.boxes, one.target.boxes[new]) and (other.target.classes == -1).all()
        )
        kinds.add(one.kind)
    assert {"object", "mud"} <= kinds


def test_noise_and_arrays_have_no_boxes(data):
    batch = next(iter(data.ood_dataloaders()["uniform-noise"]))
    assert batch["image"].shape[1:] == (3, 180, 320) and batch["target"][0]["labels"].shape == (0,)
    arrays = ArraySet("x", np.zeros((3, 8, 9, 3), np.uint8), None, "official")
    dataset = SampleDataset(arrays, data.preprocess, Detection.target_of)
    assert (
        dataset.shapes() == [data.preprocess.size_of(8, 9)] * 3 == [tuple(dataset[0]["image"].shape[1:])] * 3
    )


def test_the_miniature_s_boxes_are_tight(minis):
    """A box is the extent of its object: on VOC's plain backgrounds, its edges are where the picture changes."""
    images = voc_boxed(minis / "VOCdevkit" / "VOC2012")
    contrasts = []
    for i in range(len(images)):
        item = images.read(i)
        grey = item.image.astype(float).mean(2)
        for x1, y1, x2, y2 in item.target.boxes.astype(int):
            within, around = grey[y1:y2, x1:x2], grey[max(y1 - 4, 0) : y2 + 4, max(x1 - 4, 0) : x2 + 4]
            contrasts.append((np.abs(np.diff(within, axis=0)).max(), np.abs(around - around.mean()).max()))
            assert min(x2 - x1, y2 - y1) >= 8
    assert len(contrasts) > 18 and np.median([c[0] for c in contrasts]) > 20


def test_both_bdd100k_modules_share_one_miniature_with_every_frequent_class(minis):
    sizes = MINIATURES["bdd100k"].sizes
    assert sizes["100k/train"] >= 120 and sizes["100k/val"] >= 40
    module = BDD100kDataModule(minis)
    module.setup()
    labels = [c for i in range(18) for c in module.sets["train"].read(i).target.classes]
    assert {module.class_names[c] for c in labels} >= {"car", "pedestrian", "traffic sign", "bicycle"}
    assert write("bdd100k-seg", minis, sizes=SIZES) == minis / "bdd100k"


# real files


@pytest.fixture
def real():
    root = os.environ.get("LSOOD_TEST_DATA")
    if not root:
        pytest.skip("LSOOD_TEST_DATA does not name a folder of real data")
    return Path(root) / "samples"


def test_real_frames_through_the_official_layouts(real, tmp_path):
    """Six BDD100K frames (their labels are not at hand: one box each, by hand) and three VOC frames with people."""
    files = sorted((real / "bdd100k" / "images").glob("*.jpg"))
    frames = [{"name": f.name, "labels": [{"category": "car", "box2d": {"x1": 600, "y1": 300, "x2": 1400, "y2": 500}}]}
              for f in files]  # fmt: skip
    for part in ("train", "val"):
        folder = tmp_path / "bdd100k" / "images" / "100k" / part
        folder.mkdir(parents=True)
        for file in files:
            (folder / file.name).symlink_to(file)
        path = tmp_path / "bdd100k" / "labels" / "det_20" / f"det_{part}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(frames))
    (tmp_path / "voc").symlink_to(real / "voc")
    module = BDD100kDataModule(tmp_path, batch_size=6)
    module.setup()
    assert module.origin == "subset"
    batch = next(iter(module.test_dataloader()))
    assert batch["image"].shape == (6, 3, 750, 1333)
    torch.testing.assert_close(
        batch["target"][0]["boxes"][0], torch.tensor([625, 312.5, 1333, 520.8]), atol=0.3, rtol=0
    )
    frames = voc_boxed(tmp_path / "voc")
    assert [len(frames.read(i).target.boxes) for i in range(3)] == [2, 4, 3]
    with pytest.raises(
        ValueError, match="voc: all 3 images hold objects of classes of bdd100k; none is left"
    ):
        BDD100kDataModule(tmp_path, ["voc"]).setup()
