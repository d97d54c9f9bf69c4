"""The committed reproductions of papers' tables are what their results and scores say."""

from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks import papers
from leaderboards import load_result, load_results
from leaderboards.papers.page import write

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path.parent for path in ROOT.glob("leaderboards/results/*/reproduction.csv"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_auroc_follows_from_the_committed_scores(folder):
    stored = sorted((folder / "results").glob("*.parquet"))
    assert stored
    for path in stored:
        scores, run = pd.read_parquet(path), load_result(path.with_suffix(".json"))
        for cell in run.ood:
            part = scores[scores["set"].isin(["ind-test", cell.name])]
            expected = roc_auc_score(part["set"] == cell.name, part["score"])
            assert cell.metrics["auroc"].value == pytest.approx(expected, abs=1e-9), path.name


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_numbers_follow_from_the_results(folder, tmp_path):
    write(papers.load(folder.name), list(load_results(folder / "results").values()), tmp_path)
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "reproduction.csv"), pd.read_csv(folder / "reproduction.csv")
    )
