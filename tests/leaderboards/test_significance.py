"""Which methods differ on the same images, and mean ranks over data sets: against scipy and published numbers."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import friedmanchisquare

from leaderboards import (
    Cost,
    Environment,
    IndInfo,
    MetricValue,
    NetworkInfo,
    OodCell,
    Result,
    load_results,
    rows,
    save_result,
)  # fmt: skip
from leaderboards.analysis.ranks import Ranks, critical_difference, mean_ranks, ranks
from leaderboards.analysis.significance import TIED, significance, tied_with_best, untested
from leaderboards.build import build
from leaderboards.figures.critical_difference import ranks_figure
from lsood.metrics.comparison import delong_test
from lsood.metrics.points import auroc
from lsood.metrics.resampling import Blocks


def result(method, cells, seed=0, protocol="no-ood"):
    return Result(
        "image", method, "a paper", protocol, seed,
        IndInfo("roads", "classification", "official", "f" * 64, 50, 20, 60, {"accuracy": 0.9}), cells, None,
        NetworkInfo("net", "c" * 64, 10, "drop", {}), {}, Cost(0.1, 0.1, 10.0, {}),
        Environment("3.11", "2", "2", "cpu", 1, "Linux"), "2026-01-01", "a command", "0.1", None,
    )  # fmt: skip


def write(folder, method, sets, seed=0, protocol="no-ood", sources=None, n_in=60):
    """A result with its scores: ``sets`` gives {OoD set: shift}."""
    parts, cells = [], []
    base = np.random.default_rng(seed)
    noise = np.random.default_rng([seed, *method.encode()])
    scores_in = base.normal(size=n_in) + 0.3 * noise.normal(size=n_in)
    parts.append(
        pd.DataFrame({"set": "ind-test", "key": [f"in{i}" for i in range(n_in)], "score": scores_in})
    )
    for ood, shift in sets.items():
        scores_out = base.normal(size=50) + shift + 0.3 * noise.normal(size=50)
        frame = pd.DataFrame({"set": ood, "key": [f"out{i}" for i in range(50)], "score": scores_out})
        if sources is not None:
            frame["source"] = sources
        parts.append(frame)
        value = auroc(scores_in, scores_out)
        cells.append(
            OodCell(ood, "official", "f" * 64, n_in, 50, {"auroc": MetricValue(value, value, value)}, None)
        )
    frame = pd.concat(parts, ignore_index=True)
    frame = frame.sample(frac=1, random_state=len(method))  # rows in another order for every method
    return save_result(result(method, cells, seed, protocol), folder, frame)


read = load_results


@pytest.fixture
def three_methods(tmp_path):
    for method, shift in (("good", 2.0), ("alike", 1.95), ("poor", 0.2), ("naive", 3.0)):
        write(tmp_path, method, {"far": shift, "near": shift / 4})
    return tmp_path


def test_pairs_are_tested_on_the_same_images(three_methods):
    table = significance(read(three_methods))
    far = table[table["ood"] == "far"]
    assert len(far) == 3 and "naive" not in {*table["method_a"], *table["method_b"]}
    row = far[(far["method_a"] == "good") & (far["method_b"] == "poor")].iloc[0]
    sides = []
    for method in ("good", "poor"):
        frame = pd.read_parquet(three_methods / f"{method}-seed0.parquet").sort_values("key")
        sides += [frame.loc[frame["set"] == name, "score"] for name in ("ind-test", "far")]
    assert row["p"] == pytest.approx(delong_test(*sides).p)
    assert row["difference"] == pytest.approx(delong_test(*sides).difference) and row["p_holm"] >= row["p"]
    part = rows(list(read(three_methods).values()))
    far_rows = part[part["ood"] == "far"]
    assert tied_with_best(table, far_rows) == {"alike"} and untested(table, far_rows) == {}


def test_a_difference_must_show_at_every_seed(tmp_path):
    for seed, shift in ((0, 2.0), (1, 0.0)):
        write(tmp_path, "one", {"far": shift}, seed)
        write(tmp_path, "two", {"far": 1.0}, seed)
    write(tmp_path, "one", {"far": 2.0}, 2)
    table = significance(read(tmp_path))
    assert len(table) == 1 and table["seeds"][0] == 2 and table["p"][0] == 1.0
    for seed in (0, 1):
        write(tmp_path, "one", {"far": 2.0 + seed}, seed)
    pairs = [
        significance({p: r for p, r in read(tmp_path).items() if r.seed == seed})["p"] for seed in (0, 1)
    ]
    both = significance({p: r for p, r in read(tmp_path).items() if r.seed < 2})
    assert both["p"][0] == max(p[0] for p in pairs) < 0.05


def test_images_of_one_source_are_not_independent(tmp_path):
    sources = [f"in{i}" for i in range(25) for _ in range(2)]
    for method, shift in (("a", 1.0), ("b", 0.8)):
        write(tmp_path, method, {"roads-anomalies": shift, "elsewhere": shift}, sources=sources)
    table = significance(read(tmp_path)).set_index("ood")
    assert table["clustered"].all()
    frames = [pd.read_parquet(tmp_path / f"{m}-seed0.parquet").set_index("key") for m in "ab"]
    sides = []
    for frame in frames:
        sides += [
            frame[frame["set"] == "ind-test"]["score"].sort_index(),
            frame[frame["set"] == "elsewhere"]["score"].sort_index(),
        ]
    ends = frames[0][frames[0]["set"] == "elsewhere"]["source"].sort_index()
    other = delong_test(*sides, Blocks.of((list(sides[0].index), ["x/" + s for s in ends])))
    assert table.loc["elsewhere", "p"] == pytest.approx(other.p)
    assert table.loc["elsewhere", "p"] != pytest.approx(delong_test(*sides).p)


def test_scores_that_are_not_those_of_the_result_are_not_tested(three_methods):
    path = three_methods / "alike-seed0.parquet"
    frame = pd.read_parquet(path)
    frame.assign(score=frame["score"] ** 2).to_parquet(path, index=False)
    (three_methods / "poor-seed0.parquet").unlink()
    table, part = significance(read(three_methods)), rows(list(read(three_methods).values()))
    assert table.empty
    assert untested(table, part[part["ood"] == "far"]) == {
        "their scores are on different images": ["good", "alike", "poor"]
    }


def test_q_values_are_those_of_demsar():
    published = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]  # table 5a, level .05
    for methods, q in enumerate(published, 2):
        scale = np.sqrt(methods * (methods + 1) / 60)
        assert critical_difference(methods, 10) / scale == pytest.approx(q, abs=1.1e-3)
    tenth = [1.645, 2.052, 2.291, 2.459]
    for methods, q in enumerate(tenth, 2):
        scale = np.sqrt(methods * (methods + 1) / 60)
        assert critical_difference(methods, 10, 0.1) / scale == pytest.approx(q, abs=1.1e-3)


DEMSAR = np.array([  # AUCs of C4.5 and three variants on 14 data sets, Demsar 2006, table 6
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
])  # fmt: skip


def table_of(values, methods, protocol="no-ood"):
    return pd.DataFrame([
        {"method": method, "auroc": value, "ood": f"set{i}", "ood_origin": "official", "ind": "roads",
         "ind_origin": "official", "network": "net", "protocol": protocol, "synthetic": ""}
        for i, line in enumerate(values) for method, value in zip(methods, line, strict=True)
    ])  # fmt: skip


def test_the_example_of_demsar():
    methods = ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]
    found = ranks(table_of(DEMSAR, methods))["no-ood"]
    assert [round(found.mean[m], 3) for m in methods] == [3.143, 2.000, 2.893, 1.964]
    assert round(found.critical, 2) == 1.25 and found.blocks == 14
    assert found.p == pytest.approx(friedmanchisquare(*DEMSAR.T).pvalue) and found.p < 0.05
    assert found.bars == [("C4.5+m+cf", "C4.5")] and "little power" not in found.note


def test_bars_join_every_longest_run():
    found = Ranks({"a": 1.0, "b": 1.5, "c": 2.4, "d": 4.0}, 20, 1e-4, 1.0, ())
    assert found.bars == [("a", "b"), ("b", "c")]
    assert dataclasses.replace(found, critical=0.1).bars == []
    assert dataclasses.replace(found, p=0.3).bars == [("a", "d")]


def test_ranks_share_ties_and_leave_out_what_is_missing():
    np.testing.assert_array_equal(mean_ranks(np.array([[0.9, 0.9, 0.5], [0.8, 0.7, 0.6]])), [1.25, 1.75, 3])
    table = table_of(np.random.default_rng(0).random((4, 4)), ["a", "b", "c", "d"])
    table.loc[3, "auroc"] = np.nan
    found = ranks(table)["no-ood"]
    assert found.left_out == ("d",) and len(found.mean) == 3 and "little power" in found.note
    assert ranks(table[table["ood"].isin(["set0", "set1"])]) == {}
    naive = table.replace({"method": {"c": "naive"}})
    assert ranks(naive) == {}


def test_noise_and_drawn_anomalies_are_no_blocks():
    table = table_of(np.random.default_rng(0).random((6, 4)), ["a", "b", "c", "d"])
    plain = ranks(table[~table["ood"].isin(["set1", "set4"])])["no-ood"]
    table.loc[table["ood"] == "set1", "synthetic"] = "noise"
    table.loc[table["ood"] == "set4", "synthetic"] = "anomalies"
    found = ranks(table)["no-ood"]
    assert found == dataclasses.replace(plain, synthetic=("set1", "set4")) and found.blocks == 4
    assert "Sets of noise or drawn anomalies do not count: set1, set4." in found.note
    assert "drawn anomalies" not in plain.note
    table.loc[table["ood"] == "set2", "synthetic"] = table.loc[table["ood"] == "set3", "synthetic"] = "noise"
    assert ranks(table) == {}, "two blocks are too few"


def test_build_marks_and_draws(three_methods, tmp_path):
    for method, shift in (("good", 2.0), ("alike", 1.95), ("poor", 0.2), ("naive", 3.0)):
        write(three_methods, method, {"far": shift, "near": shift / 4, "third": shift / 2})
    out = tmp_path / "out"
    written = {path.name for path in build(three_methods, out)}
    assert {"significance.csv", "critical-difference.png"} <= written
    text, html = (out / "leaderboard.md").read_text(), (out / "leaderboard.html").read_text()
    line = next(line for line in text.splitlines() if line.startswith("| alike"))
    assert f" {TIED} |" in line and TIED not in next(x for x in text.splitlines() if x.startswith("| poor"))
    assert "3 blocks" in text and "little power" in html and "critical-difference.png" in html
    table = pd.read_csv(out / "significance.csv")
    assert len(table) == 9 and (table["p_holm"] >= table["p"]).all()
    first = (out / "leaderboard.html").read_bytes()
    build(three_methods, out)
    assert (out / "leaderboard.html").read_bytes() == first


def test_the_diagram_is_drawn_for_many_methods(tmp_path):
    values = np.random.default_rng(0).random((5, 17))
    found = ranks(table_of(values, [f"method{i}" for i in range(17)]))["no-ood"]
    ranks_figure(found, "roads", tmp_path / "diagram.png")
    assert (tmp_path / "diagram.png").read_bytes()[:4] == b"\x89PNG"
    assert all(b >= a for a, b in itertools.pairwise(found.mean.values()))
