"""Stored scores give the metrics of their results again."""

import dataclasses

from typer.testing import CliRunner

from benchmarks.console import spread
from benchmarks.rescore import app as rescore
from benchmarks.run import app
from leaderboards import MetricValue, load_result, load_results, save_result
from leaderboards.store import load_scores

WORDS = [
    "--ind",
    "cifar10",
    "--ood",
    "svhn",
    "cifar10-anomalies",
    "--methods",
    "msp",
    "knn",
    "rankfeat",
    "--epochs",
    "1",
]
WORDS += ["--limit", "60", "--batch-size", "30", "--device", "cpu"]


def test_results_of_earlier_versions_get_the_metrics_of_today(tmp_path):
    done = CliRunner().invoke(app, spread([*WORDS, "--out", str(tmp_path)]))
    assert done.exit_code == 0, done.output
    folder, whole = tmp_path / "results", load_results(tmp_path / "results")
    for path, run in whole.items():
        old = [
            dataclasses.replace(
                cell,
                metrics={"auroc": MetricValue(0.1, 0.1, 0.1)} if cell.metrics else {},
                strata=[],
                intervals=None,
            )
            for cell in run.ood
        ]
        save_result(dataclasses.replace(run, ood=old), folder, load_scores(path))
    done = CliRunner().invoke(rescore, ["--results", str(folder)])
    assert done.exit_code == 0 and f"of {len(whole)} results computed again" in done.output
    for path, run in whole.items():
        found = load_result(path)
        assert found.rescored.startswith("version ") and dataclasses.replace(found, rescored="") == run
    assert any(cell.strata for run in whole.values() for cell in run.ood)


def test_results_without_scores_stay(tmp_path):
    CliRunner().invoke(app, spread([*WORDS, "--out", str(tmp_path)]))
    path = tmp_path / "results" / "msp-seed0.json"
    path.with_suffix(".parquet").unlink()
    before = path.read_bytes()
    done = CliRunner().invoke(rescore, ["--results", str(tmp_path / "results")])
    assert done.exit_code == 0 and path.read_bytes() == before, done.output


def test_a_folder_without_results_is_refused(tmp_path):
    done = CliRunner().invoke(rescore, ["--results", str(tmp_path)])
    assert done.exit_code == 1 and "no result" in done.output
