"""The committed results are what their scores say, and the documentation quotes them."""

import io
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from leaderboards import load_results, rows
from leaderboards.analysis.strata import all_strata
from leaderboards.schema_1 import PIXEL_METHODS

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path.parent for path in ROOT.glob("leaderboards/results/*/leaderboard.csv"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_auroc_follows_from_the_committed_scores(folder):
    table = pd.read_csv(folder / "leaderboard.csv")
    assert len(table)
    for row in table.itertuples():
        scores = pd.read_parquet(folder / "results" / f"{row.method.replace('@', '_')}-seed0.parquet")
        part = scores[scores["set"].isin(["ind-test", row.ood])]
        expected = roc_auc_score(part["set"] == row.ood, part["score"])
        assert row.auroc == pytest.approx(expected, abs=1e-9), (row.method, row.ood)


def compared(table, published, keys):
    """Rows of both by their keys, with the columns of both."""
    table = pd.read_csv(io.StringIO(table.to_csv(index=False)))
    found = [frame.astype(dict.fromkeys(keys, str)).set_index(keys) for frame in (table, published)]
    columns = [name for name in published if name in table and name not in keys]
    assert {"auroc", "auroc_low", "auroc_high"} <= set(columns)
    return [frame.loc[found[1].index, columns] for frame in found]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_results_of_schema_1_give_the_published_tables(folder):
    results = list(load_results(folder / "results").values())
    strata = all_strata(results)
    tables = {
        "leaderboard.csv": (rows(results), ["method", "ood"]),
        "kinds.csv": (strata[strata["level"] == "image"], ["method", "ood", "kind", "severity"]),
        "pixels.csv": (rows(results, "pixel"), ["method", "ood", "part"]),
    }
    for name, (table, keys) in tables.items():
        if not (folder / name).is_file():
            continue
        published = pd.read_csv(folder / name)
        if name == "pixels.csv":
            published = published[published["part"] != "stratum"].rename(columns={"score": "method"})
            published["method"] = published["method"].replace(PIXEL_METHODS)
        new, old = compared(table, published, keys)
        pd.testing.assert_frame_equal(new, old, check_dtype=False, rtol=1e-12)


def test_the_documentation_quotes_the_tables():
    tables = "".join((folder / "leaderboard.md").read_text() for folder in FOLDERS)
    quoted = [
        line
        for line in (ROOT / "docs/results.md").read_text().splitlines()
        if line.count("[") == 1 and line[0] == "|"
    ]
    assert len(quoted) >= 26
    for line in quoted:
        assert line in tables, line
