"""Boards of frames of sequences: blocks of frames in tests, what intervals assume, no interval of too few frames."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from test_significance import result

from leaderboards import MetricValue, OodCell, load_results, rows, save_result
from leaderboards.analysis.dependence import image_blocks, intervals_of
from leaderboards.analysis.significance import significance, tied_with_best
from leaderboards.build import build
from leaderboards.papers.page import text_of
from leaderboards.papers.reproduction import NOT_COMPARABLE, aggregate, verdict_for
from leaderboards.tables import terminal_tables
from lsood import evaluate
from lsood.metrics.comparison import delong_test
from lsood.metrics.resampling import Blocks


def frames(method, shift, n=60, drives=5, smooth=4, paired=True):
    """Scores of frames of drives; neighbours share ``smooth`` frames of noise."""
    common, own = np.random.default_rng(0), np.random.default_rng([1, *method.encode()])

    def noise():
        values = common.normal(size=(drives, n + smooth)) + 0.5 * own.normal(size=(drives, n + smooth))
        return np.stack([np.convolve(row, np.ones(smooth), "valid")[:n] for row in values]).ravel()

    keys = [f"d{drive}_{i:03d}" for drive in range(drives) for i in range(n)]
    inside = pd.DataFrame(
        {"set": "ind-test", "key": keys, "score": noise(), "sequence": [k[:2] for k in keys]}
    )
    ood = "roads-anomalies" if paired else "elsewhere"
    outside = pd.DataFrame({"set": ood, "key": [f"x{i}" for i in range(len(keys))], "score": noise() + shift})
    if paired:
        outside = outside.assign(source=keys, sequence=inside["sequence"])
    return inside, outside


def write(folder, method, *sides, paired=True):
    inside, outside = sides
    blocks = image_blocks(inside, outside, paired)
    found = evaluate(inside["score"], outside["score"], 1.0, blocks=blocks)
    metrics = {name: MetricValue(e.value, e.low, e.high) for name, e in found.items()}
    cell = OodCell(outside["set"][0], "official", "f" * 64, len(inside), len(outside), metrics, None,
                   intervals=intervals_of(blocks))  # fmt: skip
    save_result(result(method, [cell]), folder, pd.concat(sides, ignore_index=True))
    return blocks


@pytest.fixture
def enough(tmp_path):
    return tmp_path, {m: write(tmp_path, m, *frames(m, s)) for m, s in (("one", 2.0), ("two", 1.8))}


def test_paired_tests_take_blocks_of_frames(enough):
    folder, blocks = enough
    table = significance(load_results(folder)).iloc[0]
    length = max(b.length for b in blocks.values())
    assert length > 1 and table["block_length"] == length and table["blocks"] >= 10 and table["clustered"]
    sides = [frames(m, s)[i]["score"] for m, s in (("one", 2.0), ("two", 1.8)) for i in (0, 1)]
    keys = list(frames("one", 2.0)[0]["key"])
    expected = delong_test(*sides, Blocks.of((keys, keys), {k: k[:2] for k in keys}, length))
    assert table["p"] == pytest.approx(expected.p)
    apart = delong_test(*sides, Blocks.of((keys, keys)))
    assert expected.p > apart.p, "frames taken as independent"


def test_stored_scores_give_the_intervals_of_the_run(enough):
    folder, _ = enough
    for path, run in load_results(folder).items():
        scores = pd.read_parquet(path.with_suffix(".parquet"))
        inside, outside = (scores[scores["set"] == name] for name in ("ind-test", "roads-anomalies"))
        blocks = image_blocks(inside, outside, True)
        assert intervals_of(blocks) == run.ood[0].intervals
        again = evaluate(inside["score"], outside["score"], 1.0, blocks=blocks)
        assert {n: (e.value, e.low, e.high) for n, e in again.items()} == {
            n: (m.value, m.low, m.high) for n, m in run.ood[0].metrics.items()
        }


def test_tables_say_what_intervals_assume(enough):
    folder, blocks = enough
    write(folder, "one", *frames("one", 2.0, paired=False), paired=False)
    build(folder, folder / "board")
    for name in ("leaderboard.md", "leaderboard.html"):
        text = (folder / "board" / name).read_text()
        assert (
            "Intervals resample circular blocks of in-distribution frames within sequences and assume independent"
            in text
        )
    length, units = blocks["two"].length, blocks["two"].fewest
    assert f"two {length} and {units:.1f}" in (folder / "board" / "leaderboard.md").read_text()
    table = pd.read_csv(folder / "board" / "leaderboard.csv").set_index("method")
    assert table.loc["two", "block_length"] == length and table.loc["two", "intervals"] == "blocks"


def test_without_sequences_independence_is_stated(tmp_path):
    sides = [side.drop(columns="sequence", errors="ignore") for side in frames("one", 2.0, paired=False)]
    write(tmp_path, "one", *sides, paired=False)
    build(tmp_path, tmp_path / "board")
    assert "Intervals assume independent images." in (tmp_path / "board" / "leaderboard.md").read_text()
    assert "Intervals assume independent images." in (tmp_path / "board" / "leaderboard.html").read_text()
    assert rows(list(load_results(tmp_path).values()))["intervals"].tolist() == ["independent"]


def test_too_few_independent_frames(tmp_path):
    for method, shift in (("one", 2.0), ("two", 1.99)):
        blocks = write(tmp_path, method, *frames(method, shift, n=40, drives=2, smooth=20))
        assert blocks.too_few is not None
    runs = load_results(tmp_path)
    for run in runs.values():
        assert {(m.low, m.high) for m in run.ood[0].metrics.values()} == {(None, None)}
        assert "too few independent frames" in run.ood[0].intervals.failure
    table = rows(list(runs.values()))
    pairs = significance(runs)
    assert pairs["p"].isna().all() and pairs["p_holm"].isna().all() and tied_with_best(pairs, table) == set()
    build(tmp_path, tmp_path / "board")
    for name in ("leaderboard.md", "leaderboard.html"):
        text = (tmp_path / "board" / name).read_text()
        assert "No intervals, because there are too few independent frames" in text and "nan" not in text
        assert "Not compared with the best, because there are too few independent frames: two." in text
    assert len(terminal_tables(list(runs.values()))) == 1


def test_a_number_without_an_interval_is_not_compared_with_a_paper():
    values = [[MetricValue(0.9, 0.8, 0.95), MetricValue(0.8, None, None)]]
    found = aggregate(values)
    assert found.mean == pytest.approx(0.85) and found.low is None and found.high is None
    assert verdict_for(0.7, 0.001, found) == NOT_COMPARABLE
    assert text_of(found, SimpleNamespace(decimals=1, scale=100.0)) == "85.0"
