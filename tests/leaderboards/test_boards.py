"""A board shows runs that belong together; seeds are averaged only within one; what differs is told."""

import dataclasses
import io
import json

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from test_leaderboards import result
from test_object_tables import objects

from benchmarks import papers
from leaderboards import identity, load_results, markdown, rows, run_id, save_result, terminal_tables
from leaderboards.analysis.ranks import ranks
from leaderboards.boards import boards, cautions, differences
from leaderboards.build import build
from leaderboards.papers.page import write
from leaderboards.schema import ThresholdInfo

OPTIONS = {"epochs": 1, "lr": 0.1, "seed": 0}
SETTINGS = {
    "image_size": [8, 8], "mc_samples": 16, "reduction": "fullmean", "recipe": "default",
    "recipe_fingerprint": "e" * 64, "severity": "mixed", "every_kind": False, "precision": "float32",
}  # fmt: skip


def run_of(method="msp", seed=0, shift=1.0, options=None, settings=None, ind=None, network=None, **fields):
    """A result with everything recorded, and its scores."""
    run, scores = result(method, seed, shift)
    options = OPTIONS | {"seed": seed} | (options or {})
    run = dataclasses.replace(
        run,
        ind=dataclasses.replace(run.ind, **(ind or {})),
        network=dataclasses.replace(run.network, options=options, **(network or {})),
        settings=SETTINGS | (settings or {}),
        **fields,
    )
    return run, scores


def plain(**kwargs):
    return run_of(**kwargs)[0]


DIFFERING = {
    "limit": {"ind": {"n_fit": 200}},
    "images": {"ind": {"fingerprint": "b" * 64}},
    "set": {"ind": {"name": "camvid"}},
    "epochs": {"options": {"epochs": 5}},
    "network": {"network": {"name": "vgg"}},
    "image size": {"settings": {"image_size": [16, 16]}},
    "Monte-Carlo": {"settings": {"mc_samples": 8}},
    "reduction": {"settings": {"reduction": "mean"}},
    "recipe": {"settings": {"recipe_fingerprint": "d" * 64}},
    "severity": {"settings": {"severity": "5"}},
    "every kind": {"settings": {"every_kind": True}},
    "precision": {"settings": {"precision": "bfloat16"}},
}


@pytest.mark.parametrize("change", DIFFERING.values(), ids=DIFFERING)
def test_what_changes_the_numbers_makes_another_board(change):
    runs = [plain(), plain(method="knn", **change)]
    assert run_id(runs[0]) != run_id(runs[1]) and len(boards(runs)) == 2
    table = rows(runs)
    ids = list(table["run_id"])
    assert len(set(ids)) == 2 and ids == sorted(ids, key=ids.index), "boards one after the other"


def test_what_may_differ_on_a_board():
    other = plain(
        method="knn",
        seed=3,
        network={"checkpoint": "9" * 64},
        git="abc",
        version="9",
        created="2027",
        command="x",
    )
    other = dataclasses.replace(other, ood=other.ood[:1], settings=other.settings | {"k": 50, "tuned": {}})
    runs = [plain(), other]
    assert run_id(runs[0]) == run_id(other) and len(boards(runs)) == 1
    assert set(rows(runs)["run_id"]) == {run_id(runs[0])}
    assert "seed" not in json.dumps(identity(other))


def test_a_given_checkpoint_is_told_by_its_weights_not_by_its_name():
    given = [{"checkpoint": name} for name in ("a.pth", "b.pth", "a.pth")]
    runs = [plain(network={"checkpoint": h * 64}) for h in "aab"]
    runs = [
        dataclasses.replace(run, network=dataclasses.replace(run.network, options=one))
        for run, one in zip(runs, given, strict=True)
    ]
    assert run_id(runs[0]) == run_id(runs[1]) != run_id(runs[2])
    trained = plain(network={"checkpoint": "a" * 64})
    assert [len(board.results) for board in boards([*runs, trained])].count(1) == 2, (
        "trained here: a third board"
    )


def test_seeds_are_averaged_within_one_identity_only():
    runs = [plain(seed=seed, options={"epochs": epochs}) for epochs in (1, 5) for seed in (0, 1)]
    table = rows(runs)
    near = table[table["ood"] == "near"]
    assert list(near["seeds"]) == [2, 2] and near["run_id"].nunique() == 2
    for board in boards(runs):
        values = [run.ood[0].metrics["auroc"].value for run in board.results]
        found = near.loc[near["run_id"] == board.id, "auroc"].item()
        assert found == pytest.approx(np.mean(values), abs=1e-15)
    ranked = ranks(rows([plain(method=m, shift=s, **c) for m, s in (("a", 1), ("bb", 2), ("ccc", 3))
                         for c in ({}, DIFFERING["limit"])]))["no-ood"]  # fmt: skip
    assert ranked.blocks == 4, "two OoD sets, two runs: never a mean over runs"


def test_what_older_results_did_not_record_counts_as_equal():
    old = dataclasses.replace(plain(method="old"), settings={"image_size": [8, 8]})
    older = dataclasses.replace(plain(method="older"), settings={}, created="2020")
    for order in ([plain(), old, older], [older, old, plain()]):
        (board,) = boards(order)
        assert board.id == run_id(plain()) and len(board.results) == 3
    two = [plain(command="one"), plain(method="knn", command="two", **DIFFERING["precision"])]
    for command in ("one", "two"):
        unsure = dataclasses.replace(older, command=command)
        (home,) = [board for board in boards([unsure, *two]) if unsure in board.results]
        assert {run.command for run in home.results} == {command}


def test_two_runs_in_one_folder_are_two_boards_everywhere(tmp_path):
    """`--limit 120` and `--limit 300` into one --out: two tables, with a line that says what differs."""
    for settings in ({"ind": {"n_fit": 100}}, {"ind": {"n_fit": 200}, "options": {"epochs": 5}}):
        for method, shift in (("msp", 1.0), ("knn", 2.0), ("energy", 1.5)):
            run, scores = run_of(method, shift=shift, **settings)
            save_result(run, tmp_path / "results", scores)
    runs = list(load_results(tmp_path / "results").values())
    assert len(runs) == 6, "the second run leaves the first one's files"
    build(tmp_path / "results", tmp_path)
    line = "differs in: limit/n_fit 100 / 200; epochs 1 / 5"
    ids = [board.id for board in boards(runs)]
    for name in ("leaderboard.md", "leaderboard.html"):
        text = (tmp_path / name).read_text()
        assert line in text and all(one in text for one in ids)
        assert text.count("near · ") + text.count("vs near") >= 2
    text = (tmp_path / "leaderboard.md").read_text()
    for part in text.split("# Run ")[1:]:
        assert part.count("**") == 4, "a best method for each of two tables"
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    assert list(table["run_id"].drop_duplicates()) == ids and len(table) == 12
    assert (table.groupby(["run_id", "ood"])["method"].nunique() == 3).all()
    pairs = pd.read_csv(tmp_path / "significance.csv")
    assert set(pairs["run_id"]) == set(ids) and (pairs.groupby(["run_id", "ood"]).size() == 3).all()
    pictures = sorted(path.name for path in tmp_path.glob("roc-*.png"))
    assert len(pictures) == 4
    page = (tmp_path / "leaderboard.html").read_text()
    for one in ids:
        part = page[page.index(f'id="run-{one}"') :].split('class="run"')[0]
        assert f"roc-near-{one}.png" in part and sum(f"-{other}.png" in part for other in ids) == 1
    console = Console(width=80, record=True, file=io.StringIO())
    for shown in terminal_tables(runs):
        console.print(shown)
    text = console.export_text()
    assert line in " ".join(text.split()) and all(one in text for one in ids)


def test_one_board_looks_as_before():
    text = markdown([plain(), plain(method="knn")])
    assert "differs" not in text and "run " not in text.lower().split("command")[0] and "Warning" not in text


def test_a_run_replaces_its_own_results_and_no_others(tmp_path):
    first, other = plain(), plain(**DIFFERING["limit"])
    paths = [save_result(run, tmp_path) for run in (first, other, other, first)]
    assert paths[0].name == "msp-seed0.json" and paths[1] == paths[2] != paths[0] == paths[3]
    assert list(load_results(tmp_path).values()) == [first, other] or len(load_results(tmp_path)) == 2
    paths[0].unlink()
    assert save_result(other, tmp_path) == paths[1]
    paths[1].write_text("{")
    assert save_result(first, tmp_path) == paths[0]


def test_methods_whose_names_give_one_file_name_keep_their_files(tmp_path):
    names = [
        ("fssd@relu1", "no-ood"),
        ("fssd_relu1", "no-ood"),
        ("odin", "oracle-val"),
        ("odin-oracle-val", "no-ood"),
    ]
    runs = [plain(method=method, protocol=protocol) for method, protocol in names]
    paths = {save_result(run, tmp_path) for run in runs}
    assert len(paths) == 4 and sorted(r.method for r in load_results(tmp_path).values()) == sorted(
        n for n, _ in names
    )
    assert len(save_result(plain(method="knn@" + "x" * 400), tmp_path).name) < 200


def test_scores_of_a_replaced_result_go_with_it(tmp_path):
    run, scores = run_of()
    path = save_result(run, tmp_path, scores)
    save_result(run, tmp_path)
    assert not path.with_suffix(".parquet").exists()


def test_run_ids_survive_the_disk_and_old_files_are_read(tmp_path):
    run = dataclasses.replace(plain(), run_id=run_id(plain()))
    path = save_result(run, tmp_path)
    assert load_results(tmp_path)[path] == run and run_id(load_results(tmp_path)[path]) == run.run_id
    content = json.loads(path.read_text())
    del content["run_id"]
    path.write_text(json.dumps(content))
    assert load_results(tmp_path)[path].run_id == ""


def test_confidence_belongs_to_the_identity():
    runs = [objects("msp"), objects("knn")]
    runs[1] = dataclasses.replace(runs[1], settings=runs[1].settings | {"confidence": 0.5})
    assert "differs in: confidence 0.25 / 0.5" in markdown(runs)


def test_other_images_under_one_name_are_another_table():
    other = plain(method="knn")
    other = dataclasses.replace(
        other, ood=[dataclasses.replace(other.ood[0], fingerprint="9" * 64), *other.ood[1:]]
    )
    table = rows([plain(), other])
    assert len(table) == 4 and table["run_id"].nunique() == 1
    text = markdown([plain(), other])
    assert (
        "· images ffffffff" in text
        and "· images 99999999" in text
        and text.count("## cityscapes vs near") == 2
    )


def test_warnings_within_a_board(tmp_path):
    runs = [
        plain(git="aaa"),
        plain(method="knn", git="bbb+", environment=dataclasses.replace(plain().environment, torch="3.0")),
        plain(method="energy", git="aaa", network={"checkpoint": "7" * 64}),
        plain(method="energy", git="aaa", seed=1, settings={"k": 2}, threshold=ThresholdInfo(1.0, 0.01, 9)),
    ]
    runs[2] = dataclasses.replace(runs[2], settings=runs[2].settings | {"k": 1})
    found = cautions(runs)
    assert found == [
        "Warning: results of different commits: aaa, bbb+.",
        "Warning: the code had changes that were not committed: bbb+.",
        "Warning: results of different versions or hardware: torch 2.15 / 3.0.",
        f"Warning: the results of seed 0 come from different weights: {'7' * 12}, {'b' * 12}.",
        "Warning: thresholds for different false-alarm rates: 0.01, 0.05.",
        "Warning: energy: k differs between seeds: 1, 2.",
    ]
    for run in runs:
        save_result(run, tmp_path / "results")
    build(tmp_path / "results", tmp_path)
    page, text = ((tmp_path / f"leaderboard.{kind}").read_text() for kind in ("html", "md"))
    for line in found:
        assert line in page and line in text
    assert "commit aaa" in page and "commit bbb+" in page and "commit aaa" in text and "commit bbb+" in text


def test_a_papers_table_shows_the_newest_run_and_says_what_it_leaves_out(tmp_path):
    table = papers.load("fssd-fashionmnist")
    new = plain(seed=1, options={"epochs": 5}, created="2027")
    write(table, [new], tmp_path / "alone")
    write(table, [plain(), new, plain(method="knn")], tmp_path / "mixed")
    line = "Warning: 2 results of other runs in this folder are left out: the newest run differs in: epochs 5 / 1."
    for name in ("reproduction.md", "reproduction.html", "reproduction.csv"):
        alone, mixed = ((tmp_path / folder / name).read_text() for folder in ("alone", "mixed"))
        assert (line in mixed) == (not name.endswith("csv")) and line not in alone
        assert mixed.replace(f"> {line}\n\n", "").replace(f'<p class="caution">{line}</p>\n', "") == alone


def test_differences_name_causes_not_consequences():
    text = differences(boards([plain(), plain(ind={"n_fit": 7, "fingerprint": "0" * 64})]))
    assert text == "differs in: limit/n_fit 7 / 100" or text == "differs in: limit/n_fit 100 / 7"
    assert differences(boards([plain()])) == ""
    assert "every kind no / yes" in differences(
        boards([plain(), plain(**DIFFERING["every kind"], created="2027")])
    )
