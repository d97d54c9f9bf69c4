"""Sets made from data sets: official layouts and labels, exports other evaluators read, the runner's OoD sets."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from anomalies import Recipe, Scene
from anomalies.generate import app
from anomalies.sets.arrays import write_arrays
from anomalies.sets.codec import read_map
from anomalies.sets.generation import generate
from anomalies.sets.plan import Plan
from anomalies.sets.source import SourceSpec
from anomalies.sets.stored import StoredSet
from anomalies.verify import verify
from datamodules import OOD_SETS, CityscapesDataModule, load_ood
from datamodules.sources import file_ids

LIMIT = 6
RECIPE = Recipe.named("driving")
PLAN = Plan(SourceSpec("cityscapes", limit=LIMIT), RECIPE)


@pytest.fixture(scope="module")
def data():
    module = CityscapesDataModule(None, limit=LIMIT, recipe=RECIPE)
    module.prepare_data()
    module.setup()
    return module


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("cityscapes") / "set"
    return out, generate(PLAN, out)


def test_official_tree_and_labels(made):
    out, outcome = made
    assert (len(outcome.records), outcome.bad) == (2 * LIMIT, [])
    table = json.loads((out / "dataset.json").read_text())["training_ids"]
    assert (table[7], table[26], table[5]) == (0, 13, 255)
    for record in outcome.records:
        image = out / record["out_path"]
        label = out / record["label_path"]
        assert image.name.endswith("_leftImg8bit.png")
        assert "/leftImg8bit/" in record["out_path"]
        assert label.name == image.name.replace("leftImg8bit", "gtFine_labelIds")
        assert label.parent == out / record["id"].split("/")[0] / "gtFine" / image.parent.relative_to(
            out / record["id"].split("/")[0] / "leftImg8bit"
        )
        assert record["origin"] == "miniature"
        if record["mask_path"]:
            assert record["mask_path"].endswith("_gtAnomaly_mask.png")
            assert "/gtAnomaly/" in record["mask_path"]
            void = np.asarray(table)[read_map(label)] == 255
            mask = read_map(out / record["mask_path"])
            assert (mask[void] != 0).all()


def test_labels_change_only_where_the_anomaly_says(made):
    out, outcome = made
    clean = {r["key"]: r for r in outcome.records if r["is_clean_copy"]}
    for record in outcome.records:
        before = read_map(out / clean[record["key"]]["label_path"])
        after = read_map(out / record["label_path"])
        assert (before != after).sum() == (record["label_delta_px"] or 0)


def test_an_object_gets_the_id_that_evaluations_ignore():
    """Cityscapes has no id for what is in none of its classes: 5, dynamic, is not evaluated."""
    classes = np.full(256, 254, np.uint8)
    classes[[0, 5, 7, 26]] = 255, 255, 0, 13
    ids = file_ids(classes, void=5)
    assert (ids[0], ids[13], ids[255]) == (7, 26, 5)
    assert file_ids(classes)[255] == 0


def test_runner_on_the_fly_and_from_disk_are_identical(made, data, tmp_path):
    out, _ = made
    virtual = tmp_path / "virtual"
    generate(replace(PLAN, materialize="none"), virtual)
    flying = data.anomalies_of("test")
    assert flying.view == PLAN.source.open().view == data.view()
    assert (flying.view.horizon, flying.view.camera_height) == (427 / 1024, 1.22)
    for folder in (out, virtual):
        stored = load_ood(f"generated:{folder}", data)
        assert stored.keys == sorted(flying.keys)
        assert stored.origin == "miniature"
        for index, key in enumerate(stored.keys):
            one, other = stored.read(index), flying.read(flying.keys.index(key))
            np.testing.assert_array_equal(one.image, other.image)
            np.testing.assert_array_equal(one.target, other.target)
            assert (one.anomaly is None) == (other.anomaly is None)
            if one.anomaly is not None:
                np.testing.assert_array_equal(one.anomaly, other.anomaly)
    assert (
        load_ood(f"generated:{virtual}", data).fingerprint == load_ood(f"generated:{out}", data).fingerprint
    )


def test_generated_set_goes_through_the_loaders(made):
    out, _ = made
    data = CityscapesDataModule(None, [f"generated:{out}"], limit=LIMIT, batch_size=3)
    data.prepare_data()
    data.setup()
    batches = list(data.ood_dataloaders()[f"generated:{out.name}"])
    assert sum(len(batch["key"]) for batch in batches) == LIMIT


def test_a_folder_without_a_set_is_no_ood_set(data, tmp_path):
    with pytest.raises(ValueError, match="holds no generated set"):
        load_ood(f"generated:{tmp_path}", data)


@pytest.mark.parametrize(("layout", "entry"), [("smiyc", "road-anomaly-21"), ("fishyscapes", "fishyscapes")])
def test_layouts_other_evaluators_read(layout, entry, made, tmp_path):
    outcome = generate(replace(PLAN, layout=layout), tmp_path / "set")
    folder = tmp_path / ("dataset_AnomalyTrack" if layout == "smiyc" else "fishyscapes")
    (tmp_path / "set" / "anomalous").rename(folder)
    assert OOD_SETS[entry].is_there(folder)
    read = OOD_SETS[entry].load(folder)
    masked = [r for r in outcome.records if r["mask_path"]]
    assert 0 < len(read) == len(masked)
    for index in range(len(read)):
        item = read.read(index)
        record = next(r for r in masked if read.keys[index] in r["out_path"])
        assert (item.anomaly == 1).mean() == pytest.approx(record["area_frac"])


def test_cifar10_c_arrays(tmp_path):
    recipe = Recipe.named("reference/cifar10")
    plan = Plan(SourceSpec("cifar10", limit=8), recipe, "all", True, layout="cifar10-c")
    outcome = generate(plan, tmp_path / "set")
    assert write_arrays(tmp_path / "set") == {}
    labels = np.load(tmp_path / "set" / "labels.npy")
    assert (labels.shape, labels.dtype) == ((40,), np.int64)
    stored = plan.source.open()
    items = [stored.read(i) for i in range(8)]
    np.testing.assert_array_equal(labels, [item.target for item in items] * 5)
    for entry, kind in enumerate(dict.fromkeys(e.kind for e in recipe.entries)):
        array = np.load(tmp_path / "set" / f"{kind}.npy")
        assert (array.shape, array.dtype) == ((40, 32, 32, 3), np.uint8)
        record = next(r for r in outcome.records if (r["kind"], r["severity"], r["index"]) == (kind, 4, 2))
        drawn = recipe.candidates(items[2].key, 0, 4, entry)[0]
        assert record["severity"] == drawn.severity
        np.testing.assert_array_equal(array[3 * 8 + 2], StoredSet(tmp_path / "set").read(record).image)
        changes = [
            np.abs(array[8 * s : 8 * s + 8].astype(float) - [i.image for i in items]).mean() for s in range(5)
        ]
        assert np.all(np.diff(changes) > 0)
    assert verify(tmp_path / "set").problems == []
    array[5, 5, 5, 0] ^= 1
    np.save(tmp_path / "set" / f"{kind}.npy", array)
    assert len(verify(tmp_path / "set").problems) == 1


def test_a_mask_of_another_size_is_a_failed_image(data, tmp_path):
    root = tmp_path / "cityscapes"
    shutil.copytree(data.sets["test"].base.root, root)
    label = sorted((root / "gtFine" / "val").rglob("*_labelIds.png"))[0]
    cv2.imwrite(str(label), np.zeros((10, 10), np.uint8))
    spec = SourceSpec("cityscapes", data_root=root)
    outcome = generate(Plan(spec, RECIPE), tmp_path / "set", shard=(1, 12))
    assert outcome.bad or outcome.made
    every = spec.open()
    name = label.name.removesuffix("_gtFine_labelIds.png")
    index = next(i for i, key in enumerate(every.keys) if name in key)
    outcome = generate(Plan(spec, RECIPE), tmp_path / "one", shard=(index + 1, len(every.keys)))
    assert outcome.made == 0
    assert {record["status"] for record in outcome.bad} == {"failed"}
    assert all(label.name in record["error"] for record in outcome.bad)


def test_command_on_a_data_set(tmp_path):
    words = ["--ind", "cityscapes", "--recipe", "reference", "--limit", "2", "--out", tmp_path / "set"]
    result = CliRunner().invoke(app, [str(word) for word in (*words, "--difficulty", "0")])
    assert result.exit_code == 0, result.output
    header = json.loads((tmp_path / "set" / "dataset.json").read_text())
    assert header["recipe"] == "reference/cityscapes"
    assert header["origin"] == "miniature"
    assert "MINIATURE" in (tmp_path / "set" / "README.md").read_text()


def test_scene_reaches_the_anomalies(made, data):
    """What is drawn may depend on the labels: a set on disk must have seen the same ones as the runner."""
    stored = StoredSet(made[0])
    record = next(r for r in stored.records if r["mask_path"])
    item = PLAN.source.open().read(record["index"])
    assert item.labels is not None
    scene = Scene(item.labels, data.class_names, horizon=427 / 1024, camera_height=1.22)
    drawn = RECIPE.render(item.image, item.key, 0, scene)
    np.testing.assert_array_equal(stored.read(record).maps["mask"], drawn.mask)
