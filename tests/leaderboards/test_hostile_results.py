"""Result files of others: one that cannot be is left out with a warning, the board is built from the rest."""

import copy
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_leaderboards import result

from leaderboards import load_result, load_results, save_result
from leaderboards.build import build
from leaderboards.earlier import NOISE
from leaderboards.store import MOST_ROWS, load_scores

NUMBERS = [
    ("seed",), ("n_fit",), ("ind", "n_test"), ("ood", 0, "n_in"), ("ood", 0, "n_images"), ("cost", "fit_seconds"),
    ("threshold", "value"), ("threshold", "n_calibration"), ("ood", 0, "metrics", "auroc", "low"), ("ood", 0, "naive"),
    ("ind", "network_metrics", "miou"),
]  # fmt: skip


def changed(content, path, value):
    content = copy.deepcopy(content)
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return content


@pytest.fixture
def folder(tmp_path):
    run, scores = result("msp")
    save_result(run, tmp_path, scores)
    return tmp_path


def refused(folder, path, value):
    content = json.loads((folder / "msp-seed0.json").read_text())
    (folder / "other-seed0.json").write_text(json.dumps(changed(content, path, value)))
    with pytest.raises(ValueError, match=r"other-seed0\.json: ") as caught:
        load_result(folder / "other-seed0.json")
    assert len(str(caught.value)) < 400
    assert [path.name for path in load_results(folder)] == ["msp-seed0.json"]


@pytest.mark.parametrize("path", NUMBERS, ids=lambda path: "-".join(map(str, path)))
def test_numbers_that_cannot_be(folder, path):
    for value in (10**400, float("nan"), float("inf"), "1", [1], True):
        refused(folder, path, value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("ood", 0, "n_in"), -5),
        (("ood", 0, "n_images"), -1),
        (("threshold", "false_alarm_rate"), 1e30),
        (("threshold", "false_alarm_rate"), -0.1),
        (("settings",), {"tuned": 5}),
        (("settings",), {"calibrate_share": "x"}),
        (("settings",), {"calibrate_on": 5}),
        (("ood", 0, "metrics", "auroc", "value"), 1e305),
    ],
)
def test_values_that_cannot_be(folder, path, value):
    refused(folder, path, value)


def test_the_board_is_built_from_the_rest(folder):
    content = json.loads((folder / "msp-seed0.json").read_text())
    for name, text in {
        "a": json.dumps(changed(content, ("cost", "fit_seconds"), 10**400)), "b": "[" * 100_000, "c": "1" * 5000,
        "d": "", "e": "[]", "f": "NaN",
    }.items():  # fmt: skip
        (folder / f"{name}.json").write_text(text)
    build(folder, folder / "out")
    html = (folder / "out" / "leaderboard.html").read_text()
    assert html.count("file left out") == 6 and ">msp<" in html


def test_scores_that_expand_are_refused_unread(folder, monkeypatch):
    """Equal values take next to nothing in a parquet file: 5 MB hold 50 million rows."""
    rows = MOST_ROWS + 1
    same = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), ["x"])
    table = pa.table({"set": same, "key": same, "score": pa.array(np.zeros(rows, np.float16))})
    pq.write_table(table, folder / "msp-seed0.parquet")
    monkeypatch.setattr(pd, "read_parquet", lambda *_, **__: pytest.fail("read"))
    with pytest.raises(ValueError, match=f"it has {rows} rows, at most {MOST_ROWS} are read"):
        load_scores(folder / "msp-seed0.json")


def test_flipped_bytes_of_scores_are_a_value_error_at_worst(folder):
    path, random = folder / "msp-seed0.parquet", np.random.default_rng(0)
    whole = path.read_bytes()
    for _ in range(100):
        content = bytearray(whole)
        for place in random.integers(0, len(content), 3):
            content[place] = random.integers(0, 256)
        path.write_bytes(content)
        try:
            load_scores(folder / "msp-seed0.json")
        except ValueError as error:
            assert "msp-seed0.parquet" in str(error)


def test_what_earlier_versions_did_not_record_follows_from_the_names(tmp_path):
    run, scores = result("msp")
    save_result(run, tmp_path, scores)
    path = tmp_path / "msp-seed0.json"
    content = json.loads(path.read_text())
    names = ["svhn", "gaussian-noise", "mnist-noise", "camvid-anomalies", "folder:a", "generated:b"]
    content["ood"] = [
        {n: v for n, v in (content["ood"][0] | {"name": name}).items() if n != "synthetic"} for name in names
    ]
    path.write_text(json.dumps(content))
    assert [(cell.origin, cell.synthetic) for cell in load_result(path).ood] == [
        ("official", ""), ("generated", "noise"), ("official", "noise"), ("official", "anomalies"), ("own", ""),
        ("own", "anomalies"),
    ]  # fmt: skip


def test_names_of_noise_are_those_that_are_declared():
    registry = pytest.importorskip("datamodules.registry")
    assert sorted(NOISE) == sorted(registry.NOISE)
