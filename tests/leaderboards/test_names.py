"""Names that others chose: files stay apart, figures stand under their own set, nothing is run or broken by a name."""

import dataclasses
import html.parser
import re

import numpy as np
import pandas as pd
import pytest
from test_leaderboards import result
from test_object_tables import drawn, objects

from leaderboards import box_picture_path, save_result
from leaderboards.build import build
from leaderboards.figures.boxes import boxes_figure
from leaderboards.figures.scores import picture_names
from leaderboards.file_names import distinct
from leaderboards.schema import Environment
from leaderboards.tables.escape import cell, code, csv_cell, csv_text

HOSTILE = (
    "\"><script>alert(1)</script>' onload=alert(2) `rm` [a](javascript:alert(3)) | $\\frac$ {{ 7*7 }} *x*"
)


def named(sets, method="msp"):
    """A result on sets with these names, and its scores."""
    run, scores = result(method, 0, 1.0)
    names = dict(zip([one.name for one in run.ood], sets, strict=True))
    cells = [dataclasses.replace(one, name=names[one.name]) for one in run.ood]
    scores["set"] = scores["set"].replace(names)
    return dataclasses.replace(run, ood=cells), scores


@pytest.mark.parametrize(
    "names",
    [
        ("folder:a/b", "folder:a_b"),
        ("mnist", "fashion-mnist"),
        ("Night", "night"),
        ("folder:" + "x" * 300 + "1", "folder:" + "x" * 300 + "2"),
        ("夜" * 100 + "a", "夜" * 100 + "b"),
        ("", "_"),
        ("a\udcff", "a\udcfe"),
    ],
)
def test_file_names_stay_distinct(names):
    found = distinct(names)
    assert len({text.casefold() for text in found.values()}) == 2
    assert all(0 < len(text.encode()) < 150 and re.fullmatch(r"[\w-]+", text) for text in found.values())
    places = [("run", name, "f" * 64) for name in names]
    assert len({name.casefold() for name in picture_names(places).values()}) == 2


def test_names_that_are_file_names_stay_as_they_were():
    assert distinct(["fashion-mnist", "road-anomaly-21", "folder:a/b"]) == {
        "fashion-mnist": "fashion-mnist", "road-anomaly-21": "road-anomaly-21", "folder:a/b": "folder_a_b",
    }  # fmt: skip


@pytest.mark.parametrize("names", [("mnist", "fashion-mnist"), ("folder:a/b", "folder:a_b")])
def test_each_figure_stands_under_its_own_set(tmp_path, names):
    for method in ("msp", "knn"):
        run, scores = named(names, method)
        save_result(run, tmp_path / "results", scores)
    build(tmp_path / "results", tmp_path)
    page = (tmp_path / "leaderboard.html").read_text()
    parts = page.split("<h2>")[1:]
    shown = {}
    for name in names:
        (part,) = [part for part in parts if part.startswith(f"cityscapes vs {name} ·")]
        shown[name] = re.findall(r'src="(.*?)"', part)
        assert len(shown[name]) == 2 and all((tmp_path / file).is_file() for file in shown[name])
    assert not set(shown[names[0]]) & set(shown[names[1]])
    pictures = [(tmp_path / shown[name][0]).read_bytes() for name in names]
    assert pictures[0] != pictures[1]


def test_box_pictures_of_similar_names_stay_apart(tmp_path):
    names = ("folder:a/b", "folder:a_b", "voc")
    paths = [box_picture_path(tmp_path / "results", name) for name in names]
    assert len(set(paths)) == 3 and paths[2].name == "boxes-voc.png"
    run = objects("msp")
    run = dataclasses.replace(run, ood=[dataclasses.replace(run.ood[0], name=name) for name in names])
    save_result(run, tmp_path / "results")
    for name, path in zip(names, paths, strict=True):
        boxes_figure([drawn()], name, path)
    build(tmp_path / "results", tmp_path)
    page = (tmp_path / "leaderboard.html").read_text()
    for name, path in zip(names, paths, strict=True):
        part = page[page.index(f"Objects: bdd100k vs {name} ") :].split("<h2>")[0]
        (shown,) = re.findall(r'src="(boxes-.*?)"', part)
        assert (tmp_path / shown).read_bytes() == path.read_bytes()


def test_box_pictures_of_version_0_1_are_shown_where_one_set_fits(tmp_path):
    run = objects("msp")
    old = tmp_path / "results" / "objects" / "boxes-folder_a_b.png"
    for names, count in ((["folder:a/b"], 1), (["folder:a/b", "folder:a_b"], 0)):
        cells = [dataclasses.replace(run.ood[0], name=name) for name in names]
        save_result(dataclasses.replace(run, ood=cells), tmp_path / "results")
        boxes_figure([drawn()], "x", old)
        build(tmp_path / "results", tmp_path)
        assert (tmp_path / "leaderboard.html").read_text().count('src="boxes-') == count


def test_a_picture_of_boxes_belongs_to_the_newest_run(tmp_path):
    first = objects("msp")
    newer = dataclasses.replace(
        first, created="2099-01-01", ind=dataclasses.replace(first.ind, n_fit=first.ind.n_fit + 1)
    )
    for run in (first, newer):
        save_result(run, tmp_path / "results")
    boxes_figure([drawn()], "voc", box_picture_path(tmp_path / "results", "voc"))
    build(tmp_path / "results", tmp_path)
    page = (tmp_path / "leaderboard.html").read_text()
    assert page.count('src="boxes-voc.png"') == 1
    assert page.index('src="boxes-voc.png"') > page.rindex('class="run"'), (
        "below the second run, the newer one"
    )


class Tags(html.parser.HTMLParser):
    """Every tag and attribute of a page."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [(tag, name) for name, _ in attributes] or [(tag, "")]


def hostile(text):
    """A result in which everything that is text is the given one."""
    run, scores = named((text, f"{text}2"))
    ind = dataclasses.replace(run.ind, name=text, origin=text, fingerprint=text, network_metrics={text: 0.5})
    network = dataclasses.replace(run.network, name=text, checkpoint=text, options={"loss": text})
    cells = [dataclasses.replace(one, origin=text, fingerprint=text) for one in run.ood]
    cells[1] = dataclasses.replace(cells[1], metrics={}, failure=text)
    cost = dataclasses.replace(run.cost, images_forwarded={text: 1})
    return dataclasses.replace(
        run, method=text, paper=text, protocol=text, ind=ind, network=network, ood=cells, command=text,
        version=text, git=text, created=text, cost=cost, environment=Environment(text, text, text, text, 1, text),
    ), scores  # fmt: skip


def test_html_and_markdown_are_those_of_harmless_names(tmp_path):
    """The same tags, attributes and table cells, whatever the names."""
    tags, bars, ticks = [], [], []
    for i, text in enumerate(("harmless", HOSTILE)):
        run, scores = hostile(text)
        out = tmp_path / str(i)
        save_result(run, out / "results", scores)
        other = dataclasses.replace(run, ind=dataclasses.replace(run.ind, n_fit=7), created="1999")
        save_result(other, out / "results", scores)
        (out / "results" / f"{'x' if i == 0 else '<b>`x`'}.json").write_text("{")
        build(out / "results", out)
        parser = Tags()
        parser.feed((out / "leaderboard.html").read_text())
        tags.append(parser.found)
        lines = (out / "leaderboard.md").read_text().splitlines()
        bars.append([line.count("|") - line.count("\\|") for line in lines if line.startswith("|")])
        ticks.append([line for line in lines if "<script" in line and not line.startswith("Command: ``")])
    assert tags[0] == tags[1]
    assert bars[0] == bars[1] and ticks[1] == []


def test_markdown_cells_and_code():
    assert cell("a|b`c`\nd") == "a\\|b\\`c\\` d"
    assert cell("[x](y) *b* _i_ max_logit") == "[x]\\(y) \\*b\\* \\_i\\_ max_logit"
    assert cell("97.1 [96.0, 98.2] ±") == "97.1 [96.0, 98.2] ±"
    assert code("run --x a|b") == "`run --x a|b`" and code("run `x`") == "`` run `x` ``"
    assert code("a ``` b") == "````a ``` b````" and "\n" not in code("a\n# b")


@pytest.mark.parametrize("text", ["=1+1", "+cmd|'/c calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_formulas_in_csv_cells_are_text(tmp_path, text):
    assert csv_cell(text) == f"'{text}".replace("\r", " ")
    run, scores = hostile(text)
    save_result(run, tmp_path / "results", scores)
    build(tmp_path / "results", tmp_path)
    table = pd.read_csv(tmp_path / "leaderboard.csv", dtype=str)
    values = [value for value in table.to_numpy().ravel() if isinstance(value, str)]
    assert values and not [value for value in values if re.match(r"[=+@\t\r]|-\D|-.*[^\d.e+-]", value)]


def test_numbers_in_csv_files_stay_numbers():
    table = pd.DataFrame(
        {"-x": [-1.5, np.nan], "n": pd.array([-3, None], dtype="Int64"), "s": ["-1.5", "-x"]}
    )
    assert csv_text(table) == "'-x,n,s\n-1.5,-3,-1.5\n,,'-x\n"
    plain = pd.DataFrame({"method": ["msp", None], "auroc": [1 / 3, 0.1]})
    assert csv_text(plain) == plain.to_csv(index=False, lineterminator="\n")


def test_names_in_other_encodings_do_not_end_the_build(tmp_path):
    run, _ = named(("far", "near"))
    run = dataclasses.replace(run, ood=[dataclasses.replace(run.ood[0], name="folder:\udcff"), run.ood[1]])
    save_result(run, tmp_path / "results")
    build(tmp_path / "results", tmp_path)
    assert "folder:\\udcff" in (tmp_path / "leaderboard.html").read_text()
