"""The committed results are what their scores say, and the documentation quotes them."""

import io
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from leaderboards import load_results, rows
from leaderboards.analysis.strata import all_strata
from leaderboards.store import load_scores

NETWORKS = ("dabnet", "espnetv2")
SIDE_BY_SIDE = 12
"""Bars of a line of a table of both."""
MAIN_ROWS = {
    "cifar10-resnet20": ["energy", "knn", "lared", "mahalanobis", "mds-pp", "naive", "vra"],
    "cifar10-resnet20-shift": [],
    "cifar10-resnet20-dropblock": [],
}
"""Boards of which only these methods' scores are committed, because of their size."""
ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path.parent for path in ROOT.glob("leaderboards/results/*/leaderboard.csv"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_auroc_follows_from_the_committed_scores(folder):
    seen = 0
    for path, run in load_results(folder / "results").items():
        if folder.name in MAIN_ROWS and not path.with_suffix(".parquet").is_file():
            continue
        for cell in run.ood if run.level == "image" else ():
            scores = load_scores(path)
            part = scores[scores["set"].isin(["ind-test", cell.name])]
            expected = roc_auc_score(part["set"] == cell.name, part["score"])
            assert cell.metrics["auroc"].value == pytest.approx(expected, abs=1e-9), (path.name, cell.name)
            seen += 1
    board = pd.read_csv(folder / "leaderboard.csv")
    assert seen == len(board[board.method.isin(MAIN_ROWS.get(folder.name, board.method))])


def compared(table, published, keys):
    """Rows of both by their keys, with the columns of both."""
    table = pd.read_csv(io.StringIO(table.to_csv(index=False)))
    found = [frame.astype(dict.fromkeys(keys, str)).set_index(keys) for frame in (table, published)]
    columns = [name for name in published if name in table and name not in keys]
    assert {"auroc", "auroc_low", "auroc_high"} <= set(columns)
    return [frame.loc[found[1].index, columns] for frame in found]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_results_give_the_published_tables(folder):
    results = list(load_results(folder / "results").values())
    strata = all_strata(results)
    tables = {
        "leaderboard.csv": (rows(results), ["method", "ood"]),
        "kinds.csv": (strata, ["level", "method", "ood", "kind", "severity"]),
        "pixels.csv": (rows(results, "pixel"), ["method", "ood", "part"]),
    }
    for name, (table, keys) in tables.items():
        if not (folder / name).is_file():
            continue
        published = pd.read_csv(folder / name)
        new, old = compared(table, published, keys)
        pd.testing.assert_frame_equal(new, old, check_dtype=False, rtol=1e-12)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_pages_show_no_missing_numbers(folder):
    assert not re.search(r"\bnan\b", (folder / "leaderboard.md").read_text())


def test_thresholds_by_drive_in_the_documentation():
    text = (ROOT / "docs/results.md").read_text().split("| method | validation to all test frames |")[1]
    lines = [line.strip("| ").split(" | ") for line in text.split("\n\n")[0].splitlines()[2:]]
    assert len(lines) == 13
    for method, *quoted in lines:
        scores = pd.read_parquet(ROOT / f"leaderboards/results/camvid/results/{method}-seed0.parquet")
        held_out, test = (scores[scores["set"] == name] for name in ("ind-val", "ind-test"))
        one, other = (test[test["key"].str.contains(drive)] for drive in ("0001TP", "Seq05VD"))
        assert (len(one), len(other), len(test)) == (62, 171, 233)
        for (a, b), rate in zip(
            [(held_out, test), (held_out, one), (held_out, other), (one, other), (other, one)],
            quoted,
            strict=True,
        ):
            rank = math.ceil(0.95 * (len(a) + 1))
            threshold = sorted(a["score"])[rank - 1]
            assert rate == f"{100 * (b['score'] > threshold).mean():.1f}", method


def test_the_documentation_quotes_the_tables():
    tables = "".join((folder / "leaderboard.md").read_text() for folder in FOLDERS)
    quoted = [
        line
        for line in (ROOT / "docs/results.md").read_text().splitlines()
        if line.startswith("|") and "[" in line and "](" not in line
    ]
    quoted = [line for line in quoted if line.count("|") != SIDE_BY_SIDE]
    assert len(quoted) >= 26
    for line in quoted:
        assert line in tables, line


def test_two_networks_side_by_side_in_the_documentation():
    text = (ROOT / "docs/results.md").read_text()
    blocks = re.findall(r"^`([\w-]+)` \([^\n]*\n\n\| score \|[^\n]*\n[^\n]*\n((?:\|[^\n]*\n)+)", text, re.M)
    assert len(blocks) == 3
    tables = [pd.read_csv(ROOT / f"leaderboards/results/cityscapes-{name}/pixels.csv") for name in NETWORKS]
    for ood, lines in blocks:
        for line in lines.splitlines():
            name, *cells = [cell.strip(" *") for cell in line.strip().strip("|").split("|")]
            expected = []
            for table in tables:
                row = table[(table.ood == ood) & (table.part == "pooled") & (table.method == name)].iloc[0]
                interval = f" [{100 * row.ap_low:.0f}, {100 * row.ap_high:.0f}]" if name != "random" else ""
                rest = ("fpr95", "siou", "ppv", "f1_components")
                expected += [f"{100 * row.ap:.1f}{interval}"]
                expected += ["" if pd.isna(row[m]) else f"{100 * row[m]:.1f}" for m in rest]
            assert cells == expected, (ood, line)


def test_the_board_of_every_post_hoc_method_in_the_documentation():
    board = pd.read_csv(ROOT / "leaderboards/results/cifar10-resnet20/leaderboard.csv")
    lines = (
        (ROOT / "docs/results.md").read_text().split("| AUROC | cifar100 |")[1].split("\n\n")[0].splitlines()
    )
    sets = ["cifar100", *lines[0].strip("| ").split(" | ")[:-1]]
    rows = {
        line.strip("| ").split(" | ")[0].strip("*"): line.strip("| ").split(" | ")[1:] for line in lines[2:]
    }
    assert set(rows) == set(board.method) and set(sets) == set(board.ood)
    for method, cells in rows.items():
        for ood, cell in zip(sets, cells, strict=False):
            measured = board[(board.method == method) & (board.ood == ood)].auroc.iloc[0]
            assert cell.removesuffix(" |") == f"{100 * measured:.1f}", (method, ood)


def test_severities_in_the_documentation():
    folder = ROOT / "leaderboards/results/cifar10-resnet20-shift"
    table = all_strata(list(load_results(folder / "results").values()))
    board = pd.read_csv(folder / "leaderboard.csv").set_index("method").auroc
    text = (ROOT / "docs/results.md").read_text().split("| AUROC by severity |")[1].split("\n\n")[0]
    lines = [line.strip("| ").split(" | ") for line in text.splitlines()[2:]]
    assert len(lines) == 13
    for name, *cells in lines:
        method = name.strip("*")
        own = table[(table.method == method) & (table.kind == "all")].astype({"severity": str})
        severities = own.set_index("severity").auroc[[str(n) for n in range(1, 6)]]
        assert cells == [f"{100 * value:.1f}" for value in [*severities, board[method]]], method


def test_the_heat_map_of_kinds_in_the_documentation():
    kinds = pd.read_csv(ROOT / "leaderboards/results/camvid-kinds/kinds.csv")
    kinds = kinds[kinds.level == "image"]
    text = (ROOT / "docs/anomalies.md").read_text().split("| AUROC | mean of 20 kinds |")[1].split("\n\n")[0]
    lines = [line.strip("| ").split(" | ") for line in text.splitlines()[2:]]
    assert len(lines) == kinds.method.nunique() == 9
    for name, *cells in lines:
        own = kinds[kinds.method == name.strip("*")]
        every = own[(own.kind != "all") & (own.severity == "all")].auroc
        severities = own[own.kind == "all"].set_index("severity").auroc[[str(n) for n in range(1, 6)]]
        assert len(every) == 20
        assert cells == [f"{100 * value:.1f}" for value in [every.mean(), *severities]], name
