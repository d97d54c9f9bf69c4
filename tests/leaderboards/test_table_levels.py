"""One way to tables for all levels: metrics come from the table of metrics, and nothing imports torch."""

import dataclasses
import re
import subprocess
import sys

import pandas as pd
import pytest
from test_leaderboards import result

from leaderboards import Cost, MetricValue, rows, save_result, terminal_tables
from leaderboards.build import build
from leaderboards.tables import levels
from leaderboards.tables.levels import LEVELS
from leaderboards.tables.page import page
from lsood.metrics.table import FIELDS, names
from lsood.registry import Registry


@pytest.mark.parametrize("level", LEVELS.values(), ids=list(LEVELS))
def test_columns_are_those_of_the_table_of_metrics(level):
    table = rows([], level.name)
    for view in level.views:
        assert {column.name for column in view.columns()} == set(view.table)
        assert view.columns()[0].name == view.leading
        for column in view.columns():
            assert column.title == view.table.about(column.name, "title")
            assert column.better in ("higher", "lower", "as stated")
            ends = ("", "_low", "_high", "_std")
            assert {f"{column.name}{end}" for end in ends} <= set(table), "every metric is in the CSV"


def test_a_new_metric_needs_no_change_here(tmp_path, monkeypatch):
    (tmp_path / "more_metrics.py").write_text(
        'PRECISION = Metric("p_at_10", "P@10", "higher", 10, "precision of the ten highest scores")\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    table = Registry("metric", ("lsood.metrics.rows", "more_metrics"), maker="Metric", fields=FIELDS)
    image = LEVELS["image"]
    view = dataclasses.replace(image.views[0], table=table)
    monkeypatch.setitem(levels.LEVELS, "image", dataclasses.replace(image, views=(view,)))
    run, scores = result("msp")
    metrics = run.ood[0].metrics | {"p_at_10": MetricValue(0.9, 0.8, 1.0)}
    run = dataclasses.replace(run, ood=[dataclasses.replace(run.ood[0], metrics=metrics)])
    save_result(run, tmp_path / "results", scores)
    build(tmp_path / "results", tmp_path)
    html = (tmp_path / "leaderboard.html").read_text()
    assert (
        names(table)[-1] == "p_at_10" and ">P@10<" in html and "precision of the ten highest scores" in html
    )
    assert pd.read_csv(tmp_path / "leaderboard.csv").p_at_10.tolist() == [0.9]


def test_unknown_levels_are_named():
    with pytest.raises(ValueError, match="did you mean 'pixel'"):
        rows([], "pixels")


def test_what_was_not_recorded_says_so_and_is_empty_in_csv():
    run = dataclasses.replace(result("msp")[0], cost=Cost(), paper="")
    html = page([run])
    assert len(re.findall(r"<td[^>]*>not recorded</td>", html)) == 2 + 4, (
        "a cell per table, and the list of runs"
    )
    assert html.count(f"<li>seed 0, {run.created}: not recorded</li>") == 1
    table = rows([run])
    assert table[["fit_seconds", "score_seconds", "n_images"]].isna().all(axis=None)
    assert terminal_tables([run])


def test_tables_are_built_without_torch(tmp_path):
    run, scores = result("msp")
    save_result(run, tmp_path / "results", scores)
    code = (
        "import sys; from pathlib import Path; import leaderboards; from leaderboards.build import build;"
        f"results = Path({str(tmp_path / 'results')!r}); build(results, results.parent);"
        "leaderboards.terminal_tables(list(leaderboards.load_results(results).values()));"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "leaderboard.html").is_file()


def test_help_loads_neither_pandas_nor_matplotlib():
    code = (
        "import sys; import leaderboards.build;"
        "assert not {'pandas', 'matplotlib', 'scipy', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
