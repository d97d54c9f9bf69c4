"""``--network predictions:FILE`` gives the numbers of the network that wrote the file; detectors of the user on
``coco:DIR`` through the command.
"""

import json
import re

import coco_data
import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from typer.testing import CliRunner

import networks
from benchmarks.predictions.files import read_predictions
from benchmarks.predictions.network import head_of
from benchmarks.run import app
from datamodules import module_of
from datamodules.loading.samples import SampleDataset
from leaderboards.store import load_results
from lsood.extraction.one_pass import OnePass
from networks.outside.detection.adapt import adapt_detector
from networks.outside.opening import open_network

NETWORK = "torchvision:fasterrcnn_mobilenet_v3_large_320_fpn"
METHODS = ("msp", "energy", "knn", "mahalanobis", "vim@dimension=4", "lared", "mc-dropout", "msp@proposals")
IDS, NAMES = (3, 7), ("red", "green")


def detections(folder, ind, ood, head=None):
    """COCO results of a network on every set, with a name or an id."""
    data = module_of(f"coco:{ind}")(None, [f"coco:{ood}"], image_size=(64, 96))
    data.prepare_data()
    data.setup()
    networks.seed_everything(0)
    opened = open_network(NETWORK, 2, 3, {}, "detection")
    network = adapt_detector(opened.module, next(iter(data.val_dataloader()))["image"], 2)
    found = []
    for images in (*data.sets.values(), *data.ood_sets.values()):
        for batch in data.loader(images):
            with torch.no_grad():
                rows = network(batch["image"])
            for key, one in zip(batch["key"], rows, strict=True):
                for i in range(len(one)):
                    x1, y1, x2, y2 = one.boxes[i].double().tolist()
                    found.append({
                        "file_name": key,
                        "category_id": data.category_ids[int(one.labels[i])],
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "score": float(one.scores[i]),
                        "logits": one.logits[i].tolist(),
                        "background": float(one.background[i]),
                        "features": one.features[i].tolist(),
                    })  # fmt: skip
    if head is not None:
        layer = network.get_submodule(network.head_layer)
        np.savez(head, weight=layer.weight.detach()[1:], bias=layer.bias.detach()[1:])
    return coco_data.write(folder / "found.json", found)


def run(out, *arguments):
    result = CliRunner().invoke(app, [*arguments, "--out", str(out)])
    return result


def command(out, ind, ood, network, *more, methods=METHODS):
    options = ["--confidence", "0.05", "--image-size", "64", "96", "--no-naive", *more]
    for method in methods:
        options += ["--methods", method]
    return run(out, "--ind", f"coco:{ind}", "--ood", f"coco:{ood}", "--network", network, *options)


def loaded(out):
    """{(level, method): (result, scores by set and key)}."""
    found = {}
    for path, result in load_results(out / "results").items():
        scores = path.with_suffix(".parquet")
        table = pd.read_parquet(scores).set_index(["set", "key"]).sort_index() if scores.is_file() else None
        found[result.level, result.method] = result, table
    return found


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coco")
    return coco_data.coco(folder / "ind"), coco_data.single(folder / "odd", categories={1: "blue"})


@pytest.fixture(scope="module")
def both(tmp_path_factory, sets):
    """Results of the network and of its file."""
    folder = tmp_path_factory.mktemp("runs")
    file = detections(folder, *sets, folder / "found.head.npz")
    for name, network in (("network", NETWORK), ("file", f"predictions:{file}")):
        result = command(folder / name, *sets, network)
        assert result.exit_code == 0, result.output
    return loaded(folder / "network"), loaded(folder / "file")


@pytest.mark.parametrize(
    ("level", "method"),
    [
        ("image", "msp"), ("image", "energy"), ("object", "msp"), ("object", "energy"), ("object", "knn"),
        ("object", "mahalanobis"), ("object", "vim@dimension=4"),
    ],
)  # fmt: skip
def test_the_numbers_are_those_of_the_network(both, level, method):
    (expected, rows), (found, own) = (one[level, method] for one in both)
    assert [cell.failure for cell in found.ood] == [cell.failure for cell in expected.ood] == [None]
    assert len(own) > 10 and own.index.equals(rows.index)
    np.testing.assert_allclose(own["score"], rows["score"], rtol=1e-4, atol=1e-4)
    for name, value in expected.ood[0].metrics.items():
        assert found.ood[0].metrics[name].value == pytest.approx(value.value, abs=2e-3)
    if level == "object":
        np.testing.assert_allclose(own["x2"], rows["x2"], atol=1e-3)
    assert found.ind.network_metrics == pytest.approx(expected.ind.network_metrics)


@pytest.mark.parametrize(
    ("level", "method", "reason"),
    [
        ("image", "knn", "predictions:found.json holds detections, not the network"),
        ("image", "lared", "holds detections, not the network"),
        ("object", "lared", "holds detections, not the network"),
        ("image", "mc-dropout", "holds detections, not the network"),
        ("image", "msp@proposals", "predictions:found.json holds detections, no proposals"),
    ],
)
def test_what_needs_the_network_is_a_row_with_the_reason(both, level, method, reason):
    assert reason in both[1][level, method][0].ood[0].failure


def test_results_name_no_folder_of_this_machine(both):
    result = both[1]["image", "msp"][0]
    assert (result.network.name, result.network.parameters) == (
        "predictions:found.json", 2 * 1024 + 2,  # of the head
    )  # fmt: skip
    assert result.cost.images_forwarded == {"from_cache": 0}


def test_no_image_is_prepared_where_no_method_looks_at_it(both, sets, tmp_path, monkeypatch):
    file = detections(tmp_path, *sets)
    monkeypatch.setattr(SampleDataset, "__getitems__", None)
    monkeypatch.setattr(OnePass, "forward", None)
    assert command(tmp_path / "out", *sets, f"predictions:{file}", methods=("msp",)).exit_code == 0


def few(folder, sets, **changes):
    """A small file: one detection on each of two images, changed."""
    entry = {
        "file_name": "0000.png", "category_id": 3, "bbox": [1, 2, 30, 20], "score": 0.9, "logits": [2.0, 0.5],
    }  # fmt: skip
    other = entry | {"file_name": "odd/5000.png"}
    return coco_data.write(folder / "few.json", [entry | changes, other])


def test_images_without_entries_have_no_detections(sets, tmp_path):
    file = few(tmp_path, sets)
    result = command(tmp_path / "out", *sets, f"predictions:{file}", methods=("msp",))
    assert result.exit_code == 0, result.output
    found = loaded(tmp_path / "out")["image", "msp"][1]
    assert len(found.loc["ind-test"]) == 6 and found.loc["ind-test"]["score"].nunique() == 1
    assert found.loc[("coco:odd", "5000.png"), "score"] != found.loc[("coco:odd", "5001.png"), "score"]
    told = " ".join((tmp_path / "out/run.log").read_text().split())
    assert (
        "images without detections: 11 of 12 in train, 6 of 6 in val, 6 of 6 in test, 14 of 15 in coco:odd"
        in told
    )


BAD = {
    "file_name": ("nothing.png", r"image nothing\.png is no image of the sets train, val, test, coco:odd"),
    "category_id": (5, r"entry 0: category_id 5 is no class; classes: 3 red, 7 green"),
    "bbox": ([1, 2, -3, 4], r"entry 0: bbox \[1.0, 2.0, -3.0, 4.0\] has a negative width or height"),
    "score": (1.5, r"entry 0: score must lie in 0 to 1, got 1.5"),
    "logits": ([1.0, 2.0, 3.0], r"entry 0: logits must be a list of 2 numbers, got 3"),
    "background": (float("nan"), r"entry 0: background must be finite numbers, got nan"),
    "features": ([1.0], r"entry 1 has 0 features, .*entry 0 has 1; all need as many"),
}


@pytest.mark.parametrize("field", BAD)
def test_bad_entries_are_one_line(sets, tmp_path, field):
    value, message = BAD[field]
    result = command(
        tmp_path / "out", *sets, f"predictions:{few(tmp_path, sets, **{field: value})}", methods=("msp",)
    )
    assert result.exit_code == 1
    last = result.output[result.output.index("error: ") :]
    assert re.search(message, last) and last.strip().count("\n") == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": 1}, "must hold a list of detections"),
        ([], "holds no detections"),
        ([3], "entry 0 is no object with bbox, score and logits: 3"),
        ([{"logits": [1, 2]}], "entry 0 names no image: it needs file_name, or the image_id"),
        ([{"image_id": 1, "category_id": 3, "bbox": [1, 2, 3]}], "bbox must be a list of 4 numbers, got 3"),
        ([{"image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5}], "logits must be a list of 2 numbers"),
    ],
)  # fmt: skip
def test_files_that_are_none_are_refused(tmp_path, content, message):
    file = coco_data.write(tmp_path / "x.json", content)
    with pytest.raises(ValueError, match=message):
        read_predictions(f"predictions:{file}", NAMES, IDS)
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        read_predictions(f"predictions:{tmp_path / 'y.json'}", NAMES, IDS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"the folder holds no \.json files"):
        read_predictions(f"predictions:{tmp_path / 'empty'}", NAMES, IDS)


def entry(**more):
    return {"category_id": 3, "bbox": [1, 2, 30, 20], "score": 0.9, "logits": [2.0, 0.5]} | more


def test_several_files_and_folders_and_image_ids(sets, tmp_path):
    coco_data.write(
        tmp_path / "both/a.json", [entry(image_id=100, score=0.3), entry(image_id=100, category_id=7)]
    )
    coco_data.write(tmp_path / "both/b.json", [entry(file_name="val2017/1000.png")])
    a, b = tmp_path / "both/a.json", tmp_path / "both/b.json"
    one = read_predictions(f"predictions:{a},{b}", NAMES, IDS)
    two = read_predictions(f"predictions:{tmp_path / 'both'}", NAMES, IDS)
    assert (one.name, two.name) == (
        "predictions:a.json,b.json",
        "predictions:both",
    ) and one.sha256 == two.sha256
    assert one.by_id[100].labels.tolist() == [1, 0] and one.by_id[100].boxes[0].tolist() == [1, 2, 31, 22]
    # 100 is the first image of train, of val and of the OoD set
    result = command(tmp_path / "out", *sets, f"predictions:{tmp_path / 'both'}", methods=("msp",))
    assert result.exit_code == 1 and "image_id 100 could be" in result.output
    assert "state file_name with more of its path" in result.output


def test_ids_that_name_one_image_are_taken(tmp_path, sets):
    ind = coco_data.coco(tmp_path / "ind")
    for place, path in enumerate(sorted(ind.glob("annotations/*.json"))):
        content = json.loads(path.read_text())
        for one in content["images"]:
            one["id"] += 1000 * (place + 1)
        for one in content["annotations"]:
            one["image_id"] += 1000 * (place + 1)
        coco_data.write(path, content)
    file = coco_data.write(
        tmp_path / "x.json", [entry(image_id=1100), entry(image_id=2105), entry(image_id=100)]
    )
    result = command(tmp_path / "out", ind, sets[1], f"predictions:{file}", methods=("msp",))
    assert result.exit_code == 0, result.output


def test_options_of_networks_and_other_tasks_are_refused(sets, tmp_path):
    file = few(tmp_path, sets)
    result = command(tmp_path / "out", *sets, f"predictions:{file}", "--epochs", "1", methods=("msp",))
    assert result.exit_code and "epochs is for networks" in result.output
    for option in ("--dry-run", "--describe-network"):
        result = command(tmp_path / "out", *sets, f"predictions:{file}", option, methods=("msp",))
        assert result.exit_code == 2 and f"{option[2:].replace('-', '_')} is for networks" in result.output
    result = run(tmp_path / "out", "--ind", "camvid", "--ood", "svhn", "--network", f"predictions:{file}")
    assert result.exit_code and "holds detections; camvid is a data set for segmentation" in result.output
    result = command(tmp_path / "out", *sets, f"predictions:{file}", "--ood", "anomalies", methods=("msp",))
    assert result.exit_code and "its images are drawn when they are read" in result.output


def test_a_damaged_head_is_refused(sets, tmp_path):
    file = few(tmp_path, sets, features=[1.0])
    np.savez(tmp_path / "few.head.npz", weight=np.zeros((2, 5)), bias=np.zeros(2))
    content = json.loads(file.read_text())
    coco_data.write(file, [one | {"features": [1.0]} for one in content])
    result = command(tmp_path / "out", *sets, f"predictions:{file}", methods=("msp",))
    assert result.exit_code == 1 and "weight must be 2 x 1 and bias 2" in result.output


def test_a_head_must_give_the_logits(tmp_path):
    file = coco_data.write(
        tmp_path / "x.json",
        [
            entry(file_name="a.png", features=[1.0, 3.0]),
            entry(image_id=1, features=[0.0, 1.0], logits=[1.0, 0.0]),
        ],
    )
    spec, head = f"predictions:{file}", tmp_path / "x.head.npz"
    found = read_predictions(spec, NAMES, IDS)
    weight, bias = np.array([[0.0, 0.5], [0.5, 0.0]]), np.array([0.5, 0.0])  # logits [2, 0.5] and [1, 0]
    np.savez(head, weight=weight, bias=bias)
    assert head_of(spec, 2, found).weight.tolist() == weight.tolist()
    for wrong in (
        {"weight": weight, "bias": bias + np.array([0, 0.25])},
        {"weight": weight + np.eye(2), "bias": bias},
    ):
        np.savez(head, **wrong)
        with pytest.raises(ValueError, match=r"x\.head\.npz: weight and bias do not give the logits"):
            head_of(spec, 2, found)
    np.savez(head, weight=weight)
    with pytest.raises(ValueError, match=r"x\.head\.npz has no numbers bias"):
        head_of(spec, 2, found)
    np.save(tmp_path / "x.npy", weight)
    (tmp_path / "x.npy").rename(head)
    with pytest.raises(ValueError, match=r"x\.head\.npz is no \.npz file of arrays"):
        head_of(spec, 2, found)


@pytest.mark.parametrize("wrong", [{"score": True}, {"logits": [True, 1.0]}])
def test_true_is_no_number(tmp_path, wrong):
    file = coco_data.write(tmp_path / "x.json", [entry(image_id=1, **wrong)])
    with pytest.raises(
        ValueError, match=r"x\.json: entry 0: (score|logits) must be finite numbers, got True"
    ):
        read_predictions(f"predictions:{file}", NAMES, IDS)


def test_no_file_is_not_the_current_folder(tmp_path, monkeypatch):
    coco_data.write(tmp_path / "x.json", [entry(image_id=1)])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="predictions:: a file or folder is missing"):
        read_predictions("predictions:", NAMES, IDS)


# detectors of the user through the command


def test_a_transformers_detector_on_coco(sets, tmp_path):
    torch.manual_seed(0)
    backbone = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 12, 16, 24],
        depths=[1] * 4,
        layer_type="basic",
        out_features=["stage4"],
    )
    config = transformers.DetrConfig(
        backbone_config=backbone, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, num_queries=12, num_labels=2,
    )  # fmt: skip
    transformers.DetrForObjectDetection(config).save_pretrained(tmp_path / "detr")
    methods = ("msp", "knn", "lared", "mc-dropout", "deep-ensemble")
    result = command(tmp_path / "out", *sets, f"transformers:{tmp_path / 'detr'}", methods=methods)
    assert result.exit_code == 0, result.output
    found = {key: one.ood[0].failure for key, (one, _) in loaded(tmp_path / "out").items()}
    assert [found["image", name] for name in ("msp", "knn", "lared")] == [None] * 3
    for name in ("mc-dropout", "deep-ensemble"):
        assert "finds boxes by queries and cannot classify given ones" in found["image", name]
    assert "was not trained with the DropBlock2D" in (tmp_path / "out/leaderboard.md").read_text()
