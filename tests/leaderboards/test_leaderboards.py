"""From results on disk to tables, page and pictures."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from rich.console import Console
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from leaderboards import (
    Cost,
    Environment,
    IndInfo,
    MetricValue,
    NetworkInfo,
    OodCell,
    Result,
    ThresholdInfo,
    load_result,
    load_results,
    load_scores,
    markdown,
    rows,
    save_result,
    terminal_tables,
)
from leaderboards.build import app, build
from leaderboards.figures.roc import _curve
from lsood.metrics.table import ROWS, names

METRICS = names(ROWS)
HOSTILE = "<script>alert(1)</script>|x"


def result(method, seed=0, shift=1.0, protocol="no-ood", origin="official", failure=None):
    random = np.random.default_rng([seed, len(method)])
    scores_in = random.normal(size=60)
    frames = [pd.DataFrame({"set": "ind-test", "key": range(60), "score": scores_in})]
    cells = []
    for i, ood in enumerate(("near", HOSTILE)):
        scores_out = random.normal(shift * (i + 1), 1, 50)
        frames.append(pd.DataFrame({"set": ood, "key": range(50), "score": scores_out}))
        auroc = roc_auc_score(np.r_[np.zeros(60), np.ones(50)], np.r_[scores_in, scores_out])
        values = {name: MetricValue(0.5 + 0.01 * j, 0.4, 0.6) for j, name in enumerate(METRICS)}
        values["false_alarm_rate"] = MetricValue(0.05, 0.01, 0.14)
        values["auroc"] = MetricValue(auroc, auroc - 0.05, min(1, auroc + 0.05))
        cells.append(OodCell(ood, origin, "f" * 64, 60, 50, {} if failure else values, failure))
    run = Result(
        "image", method, "Somebody, 2026", protocol, seed,
        IndInfo("cityscapes", "segmentation", origin, "a" * 64, 100, 20, 60, {"miou": 0.61}),
        cells, ThresholdInfo(1.5, 0.05, 20), NetworkInfo("unet", "b" * 64, 1000, "drop", {}), {},
        Cost(0.1, 0.2, 900.0, {"shared_pass": 180}), Environment("3.11", "2.15", "2.6", "cpu", 2, "Linux"),
        "2026-11-21T00:00:00+00:00", "python -m benchmarks.run", "0.1.0", None,
    )  # fmt: skip
    return run, pd.concat(frames, ignore_index=True)


@pytest.fixture
def folder(tmp_path):
    for method, shift in (("msp", 0.5), ("lared", 2.0), ("larem", 1.5)):
        for seed in (0, 1):
            run, scores = result(method, seed, shift)
            save_result(run, tmp_path / "results", scores)
    run, scores = result("fssd", failure=f"constant {HOSTILE}")
    save_result(run, tmp_path / "results", scores)
    run, scores = result("kde-classifier", protocol="oracle-val", shift=3)
    save_result(run, tmp_path / "results", scores)
    return tmp_path / "results"


def read(folder):
    return list(load_results(folder).values())


def test_round_trip(tmp_path):
    run, scores = result("lared@layer1")
    path = save_result(run, tmp_path, scores)
    assert load_result(path) == run
    pd.testing.assert_frame_equal(load_scores(path), scores.astype({"key": "int64"}), check_dtype=False)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("method"), "method is missing"),
        (lambda c: c.update(extra=1), "unknown field extra"),
        (lambda c: c.update(seed="0"), "seed must be int, got '0'"),
        (lambda c: c["ind"].update(n_fit=1.5), "ind: n_fit must be int"),
        (
            lambda c: c["ood"][0]["metrics"]["auroc"].update(value=None),
            r"ood\[0\]: metrics.auroc: value must be float",
        ),
        (lambda c: c.update(schema=99), "schema 99, this version reads 1 and 2"),
    ],
)
def test_damaged_results_name_file_and_field(tmp_path, change, message):
    run, _ = result("msp")
    path = save_result(run, tmp_path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"msp-seed0.json.*{message}"):
        load_result(path)


def test_not_a_number_is_not_a_result(tmp_path):
    run, _ = result("msp")
    path = save_result(run, tmp_path)
    path.write_text(
        path.read_text().replace('"n_calibration": 20,', '"n_calibration": 20,').replace("1.5", "NaN", 1)
    )
    with pytest.raises(ValueError, match="must be finite"):
        load_result(path)
    with pytest.raises(FileNotFoundError, match="no results"):
        load_results(tmp_path / "none")


def test_rows_aggregate_seeds_and_keep_protocols_apart(folder):
    runs = read(folder)
    table = rows(runs)
    assert len(table) == 2 * 5
    row = table[(table.method == "lared") & (table.ood == "near")].iloc[0]
    values = [
        c.metrics["auroc"].value for r in runs if r.method == "lared" for c in r.ood if c.name == "near"
    ]
    assert row.auroc == pytest.approx(np.mean(values)) and row.auroc_std == pytest.approx(np.std(values))
    assert row.seeds == 2 and pd.isna(row.auroc_low)
    single = table[table.method == "kde-classifier"].iloc[0]
    assert pd.isna(single.auroc_std) and single.auroc_low < single.auroc <= single.auroc_high
    for _, group in table.groupby(["protocol", "ood"], sort=False):
        ranked = group.auroc.dropna().tolist()
        assert ranked == sorted(ranked, reverse=True)
    assert table[table.method == "fssd"].auroc.isna().all()


def test_csv_has_one_row_per_method_and_ood_set(folder, tmp_path):
    build(folder, tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "leaderboard.csv")
    assert list(table.columns[:4]) == ["method", "ood", "auroc", "fpr95"]
    assert not table.duplicated(["method", "ood"]).any() and len(table) == 10
    assert set(METRICS) <= set(table.columns)


def test_markdown(folder):
    text = markdown(read(folder))
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert all(line.count("|") - line.count("\\|") == 8 for line in lines)
    assert "<script>" not in text and "MINIATURE" not in text
    best = [line for line in lines if "**" in line]
    assert len(best) == 4, "one best per OoD set and protocol"
    assert "failed: constant" in text


def test_miniatures_are_announced_everywhere(tmp_path):
    run, scores = result("msp", origin="miniature")
    save_result(run, tmp_path / "r", scores)
    build(tmp_path / "r", tmp_path)
    for name in ("leaderboard.md", "leaderboard.html"):
        assert "MINIATURE: generated images" in (tmp_path / name).read_text()
    assert set(pd.read_csv(tmp_path / "leaderboard.csv").ind_origin) == {"miniature"}


def test_page_is_self_contained_escaped_and_repeats(folder, tmp_path):
    first = build(folder, tmp_path / "a")
    second = build(folder, tmp_path / "b")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    page = (tmp_path / "a" / "leaderboard.html").read_text()
    assert "<script>alert" not in page and page.count("<script>") == 1
    assert "http" not in page.replace("http-equiv", "")
    assert len(page) < 150_000
    for picture in (tmp_path / "a").glob("*.png"):
        assert picture.name in page
        assert imread(picture).shape[0] > 250 and imread(picture).std() > 0.05
    assert len(list((tmp_path / "a").glob("*.png"))) == 4
    assert not list((tmp_path / "a").glob("*.part"))


def test_terminal_tables_fit_80_columns(folder):
    console = Console(width=80, record=True, file=io.StringIO())
    for table in terminal_tables(read(folder)):
        console.print(table)
    text = console.export_text()
    assert (
        "lared" in text and "failed (1)" in text and "(1) " in text and max(map(len, text.splitlines())) <= 80
    )


def test_curve_equals_scikit_learn():
    random = np.random.default_rng(0)
    scores_in, scores_out = random.integers(0, 9, 40).astype(float), random.integers(2, 12, 30).astype(float)
    area = _curve(scores_in, scores_out)[2]
    assert area == pytest.approx(
        roc_auc_score(np.r_[np.zeros(40), np.ones(30)], np.r_[scores_in, scores_out])
    )


def test_command(folder, tmp_path):
    runner = CliRunner()
    done = runner.invoke(app, ["--results", str(folder), "--out", str(tmp_path / "o")])
    assert done.exit_code == 0 and "leaderboard.html" in done.output
    done = runner.invoke(app, ["--results", str(tmp_path / "none"), "--out", str(tmp_path / "o2")])
    assert done.exit_code == 1 and "error: no results" in done.output and not (tmp_path / "o2").exists()
