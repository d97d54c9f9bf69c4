"""The naive row stands apart, ranks nowhere, and what methods gain over it is right."""

import dataclasses
import io
import re

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from test_leaderboards import result

from leaderboards import load_result, markdown, rows, save_result, terminal_tables
from leaderboards.analysis.gain import gain
from leaderboards.build import build
from leaderboards.schema import MetricValue
from leaderboards.tables.levels import GAIN
from leaderboards.tables.page import page
from leaderboards.tables.text import GAIN_NOTE, NAIVE_TITLE, figure


def with_naive(method, auroc, naive, seed=0, protocol="no-ood", failure=None):
    """A result on one OoD set with this AUROC, beside this naive one."""
    run, scores = result(method, seed, protocol=protocol, failure=failure)
    cell = run.ood[0]
    metrics = cell.metrics if failure else cell.metrics | {"auroc": MetricValue(auroc, auroc - 0.01, auroc)}
    return dataclasses.replace(run, ood=[dataclasses.replace(cell, metrics=metrics, naive=naive)]), scores


def board(**options):
    runs = [
        with_naive("msp", 0.70, 0.80),
        with_naive("lared", 0.90, 0.80),
        with_naive("fssd", 0.0, 0.80, failure="constant"),
        with_naive("naive", 0.80, 0.80),
        with_naive("kde-classifier", 0.95, 0.75, protocol="oracle-val"),
    ]
    return [run for run, _ in runs]


@pytest.mark.parametrize(
    ("auroc", "naive", "expected"),
    [(0.9, 0.8, 0.5), (0.8, 0.8, 0.0), (0.6, 0.8, -1.0), (0.9, 0.2, 0.8), (1.0, 0.5, 1.0),
     (1.0, 1.0, np.nan), (0.9, 1 - 1e-16, np.nan),
     (0.9, np.nan, np.nan), (np.nan, 0.7, np.nan)],
)  # fmt: skip
def test_gain(auroc, naive, expected):
    assert gain(auroc, naive) == pytest.approx(expected, nan_ok=True)


def test_gains_are_written_short():
    texts = [figure({"method": "msp", "gain": x}, GAIN) for x in (0.5, 0.0, -1.0, -4.6, np.nan)]
    assert texts == ["50.0", "0.0", "-100.0", "< -100", ""]
    runs = [with_naive("msp", 0.5, 0.98)[0], with_naive("naive", 0.98, 0.98)[0]]
    assert "| &lt; -100 |" in markdown(runs) and ">&lt; -100</td>" in page(runs)
    assert rows(runs).gain[0] == pytest.approx(-24), "exact in the CSV"


def test_terminal_tables_with_a_gain_fit_eighty_columns():
    console = Console(width=80, record=True, file=io.StringIO())
    runs = [with_naive(method, 0.91, 0.98)[0] for method in ("mahalanobis-noise", "naive")]
    for table in terminal_tables(runs):
        console.print(table)
    text = console.export_text()
    assert (
        "…" not in text and "mahalanobis-noise" in text and "91.0 [90.0, 91.0]" in text and "< -100" in text
    )


def test_rows_rank_methods_and_put_the_yardstick_last():
    table = rows(board())
    own = table[table.protocol == "no-ood"]
    assert own.method.tolist() == ["lared", "msp", "fssd", "naive"]
    np.testing.assert_allclose(own.gain, [0.5, -0.5, np.nan, 0.0], atol=1e-12)
    oracle = table[table.protocol == "oracle-val"].iloc[0]
    assert oracle.naive == 0.75 and oracle.gain == pytest.approx(0.8)


def test_several_seeds_gain_by_their_means():
    runs = [with_naive("msp", 0.8, 0.6, 0)[0], with_naive("msp", 0.9, 0.8, 1)[0]]
    assert rows(runs).gain.item() == pytest.approx((0.85 - 0.7) / 0.3)


def test_a_perfect_naive_detector_is_never_best():
    runs = [with_naive("msp", 0.9, 1.0)[0], with_naive("naive", 1.0, 1.0)[0]]
    best = [line for line in markdown(runs).splitlines() if "**" in line]
    assert len(best) == 1 and best[0].startswith("| msp |")
    assert page(runs).count('class="best"') == 1
    assert rows(runs).gain.isna().all()


def test_markdown_has_the_column_in_every_table():
    lines = markdown(board()).splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in tables} == {9}
    assert any(line.startswith(f"| *{NAIVE_TITLE}* | 80.0 [79.0, 80.0] | 0.0 |") for line in lines)
    assert any(line.startswith("| lared | **90.0") and "| 50.0 |" in line for line in lines)
    assert any(line.startswith("| msp |") and "| -50.0 |" in line for line in lines)
    assert any(GAIN_NOTE in line for line in lines)


def test_the_page_sets_it_apart():
    text = page(board())
    foot = re.findall(r"<tfoot>(.*?)</tfoot>", text, re.S)
    assert len(foot) == 1 and NAIVE_TITLE in foot[0] and foot[0].count("<tr") == 1
    tables = text.split("<details")[0]
    assert tables.count("<tbody>") == tables.count("</tbody>") == 2
    assert text.count('class="reference" x1="90.0"') == 3, "lared, msp and naive, at 80 %"
    assert text.count('class="reference" x1="85.0"') == 1, "the oracle's own half, at 75 %"
    for row in re.findall(r"<tr.*?</tr>", tables, re.S):
        cells = sum(int(n or 1) for n in re.findall(r'<t[dh][^>]*?(?:colspan="(\d+)")?>', row))
        assert cells == 15, row


def test_results_without_a_naive_detector_look_as_before():
    runs = [result(method)[0] for method in ("msp", "lared")]
    assert rows(runs)[["naive", "gain"]].isna().all(axis=None)
    assert GAIN_NOTE not in markdown(runs) and "gain" not in markdown(runs)
    text = page(runs)
    assert "<tfoot>" not in text and ">gain<" not in text
    assert [c.header for c in terminal_tables(runs)[0].columns][:3] == ["method", "AUROC", "FPR95"]


def test_round_trip_and_csv(tmp_path):
    for method, auroc in (("msp", 0.7), ("naive", 0.8)):
        run, scores = with_naive(method, auroc, 0.8)
        path = save_result(run, tmp_path / "r", scores)
        assert load_result(path) == run
    build(tmp_path / "r", tmp_path)
    table = pd.read_csv(tmp_path / "leaderboard.csv").set_index("method")
    assert table.gain.round(9).to_dict() == {"msp": -0.5, "naive": 0.0}
    text = path.read_text()
    path.write_text(text.replace('"naive": 0.8', '"naive": "high"'))
    with pytest.raises(ValueError, match=r"ood\[0\]: naive must be float"):
        load_result(path)
    path.write_text(text.replace('"naive": 0.8,', "").replace(',\n   "naive": 0.8', ""))
    assert load_result(path).ood[0].naive is None, "results of before can be read"
