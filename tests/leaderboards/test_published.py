"""The committed results are what their scores say, and the documentation quotes them."""

from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

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
