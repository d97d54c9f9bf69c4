"""Stray, foreign and damaged files in a folder of results are left out and named; the rest is built."""

import dataclasses
import json

import pandas as pd
import pytest
from test_leaderboards import result
from typer.testing import CliRunner

from leaderboards import load_result, load_results, load_scores, save_result
from leaderboards.build import app, build
from lsood import io

SCHEMA_1 = {"schema": 1, "score": "msp", "ood": 3}
STRAY = {
    "package.json": b'{"name": "x", "version": "1"}',
    "list.json": b"[1, 2]",
    "cut.json": b'{"schema": 2, "method": "ms',
    "empty.json": b"",
    "._msp-seed0.json": b"\x00\x05\x16\x07\x00",
    "latin.json": "{'é'}".encode("latin-1"),
    "old.json": json.dumps(SCHEMA_1).encode(),
    "older.json": b'{"schema": 1}',
    "deep.json": b"[" * 100_000,
}


@pytest.fixture
def folder(tmp_path):
    for method, shift in (("msp", 0.5), ("lared", 2.0)):
        run, scores = result(method, 0, shift)
        save_result(run, tmp_path / "results", scores)
    return tmp_path / "results"


@pytest.mark.parametrize("name", STRAY)
def test_a_stray_file_is_left_out_and_named(folder, tmp_path, name, caplog):
    build(folder, tmp_path / "clean")
    (folder / name).write_bytes(STRAY[name])
    build(folder, tmp_path / "out")
    warnings = [record.getMessage() for record in caplog.records if name in record.getMessage()]
    assert len(warnings) == 1 and "\n" not in warnings[0]
    for kind in ("html", "md"):
        text = (tmp_path / "out" / f"leaderboard.{kind}").read_text()
        assert sum(name.strip("._") in line and "Warning" in line for line in text.splitlines()) == 1
    csv = "leaderboard.csv"
    assert (tmp_path / "out" / csv).read_bytes() == (tmp_path / "clean" / csv).read_bytes()
    with pytest.raises(ValueError, match="json"):
        load_result(folder / name)


def test_a_folder_with_a_results_name_is_left_out(folder, tmp_path):
    (folder / "folder.json").mkdir()
    assert len(load_results(folder)) == 2
    build(folder, tmp_path / "out")
    assert "folder.json" in (tmp_path / "out" / "leaderboard.html").read_text()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"no parquet"),
        lambda path: path.write_bytes(path.read_bytes()[:300]),
        lambda path: pd.DataFrame({"set": ["ind-test"], "key": [0]}).to_parquet(path),
        lambda path: pd.DataFrame({"set": ["near"], "key": [0], "score": ["high"]}).to_parquet(path),
        lambda path: pd.read_parquet(path).assign(key=0).to_parquet(path),
    ],
)
def test_damaged_scores_cost_the_curves_only(folder, tmp_path, damage, caplog):
    damage(folder / "msp-seed0.parquet")
    build(folder, tmp_path / "out")
    assert set(pd.read_csv(tmp_path / "out" / "leaderboard.csv").method) == {"msp", "lared"}
    if "left out" in caplog.text:
        assert "msp-seed0.parquet" in caplog.text
        assert "msp-seed0.parquet" in (tmp_path / "out" / "leaderboard.html").read_text()
        assert "msp-seed0.parquet" in (tmp_path / "out" / "leaderboard.md").read_text()


def test_nothing_left_is_one_clear_error(folder, tmp_path):
    for path in folder.glob("*.json"):
        path.write_text("{")
    with pytest.raises(ValueError, match=r"no result left in .*, 2 not readable; first: .*lared-seed0"):
        load_results(folder)
    done = CliRunner().invoke(app, ["--results", str(folder), "--out", str(tmp_path / "o")])
    assert done.exit_code == 1 and done.output.count("\n") == 1 and not (tmp_path / "o").exists()


def test_a_copy_of_a_result_is_no_second_seed(folder, tmp_path):
    content = (folder / "msp-seed0.json").read_text()
    (folder / "msp-seed0 (copy).json").write_text(content)
    found = load_results(folder)
    assert sorted(path.name for path in found) == ["lared-seed0.json", "msp-seed0.json"]
    newer = json.loads(content) | {"created": "2027-01-01T00:00:00+00:00"}
    (folder / "msp-seed0 (copy).json").write_text(json.dumps(newer))
    assert "msp-seed0 (copy).json" in {path.name for path in load_results(folder)}
    build(folder, tmp_path / "out")
    assert "msp-seed0 (copy).json has the same method" in (tmp_path / "out" / "leaderboard.html").read_text()
    table = pd.read_csv(tmp_path / "out" / "leaderboard.csv")
    assert set(table.seeds) == {1}


def test_a_result_with_a_set_twice_is_refused(tmp_path):
    run, _ = result("msp")
    path = save_result(dataclasses.replace(run, ood=[run.ood[0], run.ood[0]]), tmp_path)
    with pytest.raises(ValueError, match="json: an OoD set stands in it twice"):
        load_result(path)


@pytest.mark.parametrize("flushes", range(1, 3))
def test_scores_never_stand_beside_another_runs_result(folder, monkeypatch, flushes):
    """A process that died between the two files left the new scores with the old result."""
    path = folder / "msp-seed0.json"
    before = load_result(path), load_scores(path)
    run, scores = result("msp", 0, 3.0)
    left, flush = [flushes], io._flush

    def dying(part):
        flush(part)
        left[0] -= 1
        if not left[0]:
            monkeypatch.setattr(
                type(part), "unlink", lambda *_, **__: None
            )  # a killed process removes nothing
            raise KeyboardInterrupt

    monkeypatch.setattr(io, "_flush", dying)
    with pytest.raises(KeyboardInterrupt):
        save_result(run, folder, scores)
    monkeypatch.undo()
    if path.is_file():
        assert load_result(path) == before[0] and load_scores(path).equals(before[1])
    save_result(run, folder, scores)
    assert load_result(path) == run and load_scores(path).equals(scores)
