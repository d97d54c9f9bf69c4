"""The code of docs/python.md runs, block after block, and does what the page says."""

import re
from pathlib import Path

import pytest

import datamodules.miniature as miniature

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


@pytest.fixture
def small_miniatures():
    before = dict(miniature.MINIATURES)
    for name, counts in {
        "mnist": {"train": 80, "test": 60},
        "fashion-mnist": {"train": 2, "test": 60},
    }.items():
        entry = before[name]
        miniature.MINIATURES[name] = miniature.Miniature(entry.folder, entry.write, counts)
    yield
    miniature.MINIATURES.update(before)


def test_the_code_of_the_page_runs(tmp_path, monkeypatch, small_miniatures, capfd):
    monkeypatch.chdir(tmp_path)
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    first, shown, beside, features = blocks
    exec(first, names)
    assert capfd.readouterr() == ("", "")
    assert set(names["results"].table().method) == {"msp", "knn", "vim", "naive"}
    exec(shown, names)
    assert (tmp_path / "runs" / "mine" / "leaderboard.html").is_file()
    assert set(names["scores"]["set"]) == {"ind-val", "ind-test", "loud"}
    exec(beside, names)
    assert set(names["results"].table().ood) == {"fashion-mnist", "grey"}
    exec(features, names)
    table = names["results"].table().set_index("method")
    assert table.failure[["msp", "knn", "vim"]].isna().all() and "gradient" in table.failure["odin"]
