"""Object-level results on disk, in tables and on the page; boxes on images."""

import dataclasses
import io
import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from rich.console import Console

from leaderboards import (
    Block,
    Cost,
    Environment,
    IndInfo,
    MetricValue,
    NetworkInfo,
    OodCell,
    Result,
    ThresholdInfo,
    box_picture_path,
    load_results,
    load_scores,
    rows,
    save_result,
    terminal_tables,
)  # fmt: skip
from leaderboards.build import build
from leaderboards.figures.boxes import BoxPicture, boxes_figure
from leaderboards.tables.aggregate import groups, quality
from leaderboards.tables.levels import OBJECTS
from lsood.metrics.open_set.evaluation import OPEN_SET_METRICS
from lsood.metrics.table import OPEN_SET, ROWS, names

METRICS = names(ROWS)

HOSTILE = "<script>alert(1)</script>|x"
IND = IndInfo("bdd100k", "detection", "official", "a" * 64, 100, 20, 60, {"map": 0.3149, "map50": 0.518})
NETWORK = NetworkInfo("faster-rcnn", "b" * 64, 1000, "rpn", {})
HERE = Environment("3.11", "2.15", "2.6", "cpu", 2, "Linux")
WHEN = "2026-11-21T00:00:00+00:00"


def figure(value):
    return MetricValue(value, value - 0.05, value + 0.05)


def cell(ood, shift, boxed=True):
    metrics = {name: figure(0.6 + shift) for name in METRICS}
    block, counts = Block(0, {}, "no unknown objects are labelled"), {}
    if boxed:
        open_set = {name: figure(0.3 + shift) for name in OPEN_SET} | {"aose": MetricValue(30, 21.5, 40)}
        block, counts = Block(40, open_set), {"unknown": 40, "flagged": 12, "taken": 8, "missed": 20}
    more = {"n_images": 9, "counts": counts, "blocks": {"open-set": block}}
    return OodCell(ood, "official", "f" * 64, 500, 80, metrics, None, **more)


def objects(method, shift=0.0, seed=0, **changes):
    run = Result(
        "object", method, "Somebody, 2026", "no-ood", seed, IND, [cell("voc", shift), cell(HOSTILE, shift, False)],
        ThresholdInfo(0.7, 0.05, 300), NETWORK, {"k": 10, "confidence": 0.25, "image_size": [512, 288]},
        Cost(0.5, 0.1), HERE, WHEN, "python", "0.1.0", None, 400,
    )  # fmt: skip
    return dataclasses.replace(run, **changes)


def failed(method, why):
    cells = [
        dataclasses.replace(c, metrics={}, failure=why, counts={}, blocks={"open-set": Block(0, {}, why)})
        for c in objects(method).ood
    ]
    return objects(method, ood=cells)


def image_level(method="msp"):
    values = {name: figure(0.5) for name in METRICS}
    cells = [OodCell("voc", "official", "f" * 64, 60, 75, values, None)]
    return Result(
        "image", method, "Somebody, 2026", "no-ood", 0, IND, cells, None, NETWORK, {}, Cost(0.1, 0.2, 900.0, {}), HERE,
        WHEN, "python -m benchmarks.run", "0.1.0", None,
    )  # fmt: skip


def scores():
    return pd.DataFrame(
        {"set": ["ind-test", "voc"], "key": ["a#0", "b#0"], "score": [0.1, 0.9], "x1": [0.0, 1.0]}
    )


def test_columns_are_the_metrics_that_are_computed():
    assert set(OPEN_SET) == set(OPEN_SET_METRICS)
    assert {column.name for column in OBJECTS.columns} == {*METRICS, *OPEN_SET_METRICS}
    compact = [column.title for view in OBJECTS.views for column in view.columns(view.markdown)]
    assert compact == [
        "AUROC", "FPR95", "AUPR-out", "FAR", "AP_U", "R_U", "P_U", "nOSE", "A-OSE", "WI", "missed",
        "classified as known",
    ]  # fmt: skip
    assert [column.name for column in OBJECTS.columns if column.count] == ["aose"]


def test_results_survive_the_disk(tmp_path):
    run = objects("knn@box 1")
    path = save_result(run, tmp_path, scores())
    assert (
        path.parent.name == "objects"
        and path.name == "knn_box_1-seed0.json"
        and not list(tmp_path.rglob("*.part"))
    )
    assert load_results(tmp_path) == {path: run}
    pd.testing.assert_frame_equal(load_scores(path), scores())
    assert load_scores(save_result(objects("msp"), tmp_path)) is None
    assert save_result(objects("msp", protocol="paper"), tmp_path).name == "msp-paper-seed0.json"


def without_metrics(content):
    content["ood"][0]["metrics"] = {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["ood"][0]["counts"].update(missed=19),
            "voc: outcomes of unknown objects do not add up to 40",
        ),
        (without_metrics, "voc: metrics needs either values or a reason for none"),
        (
            lambda c: c["ood"][0]["blocks"]["open-set"].update(failure="x"),
            "voc: open-set needs either values or a reason",
        ),
        (
            lambda c: c["ood"][0]["blocks"]["open-set"]["metrics"]["wi"].update(low="none"),
            r"ood\[0\]: blocks\.open-set: metrics\.wi: low must be float",
        ),
        (lambda c: c.update(more=1), "unknown field more"),
        (lambda c: c.pop("seed"), "seed is missing"),
        (lambda c: c.update(schema=9), "schema 9, this version reads 1 and 2"),
    ],
)
def test_damaged_results_are_refused_in_one_line(tmp_path, change, message):
    path = save_result(objects("msp"), tmp_path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"msp-seed0\.json.*{message}") as caught:
        load_results(tmp_path)
    assert "\n" not in str(caught.value)
    path.write_text(path.read_text()[:100])
    with pytest.raises(ValueError, match=r"msp-seed0\.json is not JSON"):
        load_results(tmp_path)


def test_damaged_scores_are_refused_in_one_line(tmp_path):
    run = objects("msp")
    with pytest.raises(ValueError, match="scores of msp: column key is missing"):
        save_result(run, tmp_path, scores().drop(columns="key"))
    path = save_result(run, tmp_path, scores())
    path.with_suffix(".parquet").write_bytes(b"PAR1 cut")
    with pytest.raises(ValueError, match=r"msp-seed0\.parquet is not a parquet file") as caught:
        load_scores(path)
    assert "\n" not in str(caught.value)
    scores().drop(columns="score").to_parquet(path.with_suffix(".parquet"))
    with pytest.raises(ValueError, match="column score is missing"):
        load_scores(path)


def test_rows_are_ordered_and_seeds_averaged():
    runs = [objects("msp", 0.0), objects("msp", 0.02, seed=1), objects("knn", 0.1), failed("vim", "no head")]
    table = rows(runs, "object")
    part = table[table.ood == "voc"].set_index("method")
    assert list(part.index) == ["knn", "msp", "vim"]
    assert part.loc["msp"].auroc == pytest.approx(0.61) and part.loc["msp"].auroc_std == pytest.approx(0.01)
    assert part.loc["msp"].seeds == 2 and np.isnan(part.loc["msp"].wi_low)
    assert part.loc["knn"].unknown_ap_high == pytest.approx(0.45) and part.loc["knn"].n_unknown == 40
    assert part.loc["vim"].failure == "no head" and np.isnan(part.loc["vim"].auroc)
    titles = [title for title, _ in groups(table, "object")]
    sizes = "500 / 80 detections of confidence 0.25 and more, 40 unknown objects"
    assert (
        f"Objects: bdd100k vs voc · faster-rcnn (mAP .31 / mAP50 .52) · protocol no-ood · {sizes}" in titles
    )


def test_a_detectors_quality_is_its_mean_average_precision():
    assert (
        quality([{"map": 0.3149, "map50": 0.518}, {"map": 0.3051, "map50": 0.522}]) == "mAP .31 / mAP50 .52"
    )
    assert quality([{"map": 1.0, "map50": 0.0}]) == "mAP 1.00 / mAP50 .00"
    assert quality([{"accuracy": 0.95231}]) == "accuracy 0.9523" and quality([{}]) == "not measured"


@pytest.fixture
def folder(tmp_path):
    save_result(image_level(), tmp_path / "results")
    for run in (objects("msp"), objects("knn", 0.1), failed("vim", f"no head {HOSTILE}")):
        save_result(run, tmp_path / "results", scores())
    picture = box_picture_path(tmp_path / "results", "voc")
    boxes_figure([drawn()], "voc", picture)
    return tmp_path


def test_page_and_tables(folder):
    written = {path.name for path in build(folder / "results", folder / "out")}
    assert {"objects.csv", "boxes-voc.png", "leaderboard.html"} <= written and not list(
        folder.rglob("*.part")
    )
    html = (folder / "out" / "leaderboard.html").read_text()
    assert HOSTILE not in html and "Objects: bdd100k vs voc" in html and "mAP .31 / mAP50 .52" in html
    part = html[html.index("Objects: bdd100k vs voc") :]
    assert part.index(">knn<") < part.index(">msp<") < part.index(">vim<")
    assert 'title="70.0 [65.0, 75.0]"' in part and "<strong>70.0</strong>" in part and ">30<" in part
    assert part.index("<h3>Objects</h3>") < part.index("<h3>Unknown objects</h3>")
    assert (
        html.count('src="boxes-voc.png"') == 1
        and "No open-set metrics: no unknown objects are labelled" in html
    )
    text = (folder / "out" / "leaderboard.md").read_text()
    assert "## Objects: bdd100k vs voc" in text and "<script>" not in text
    assert "| knn | **70.0 [65.0, 75.0]** | 70.0 |" in text and "| **60.0** |" in text
    assert "failed: no head" in text and OBJECTS.note in text
    table = pd.read_csv(folder / "out" / "objects.csv")
    assert len(table) == 6 and table.aose_high.max() == 40
    build(folder / "results", folder / "again")
    assert (folder / "again" / "leaderboard.html").read_text() == html


def test_results_without_objects_say_nothing_of_them(tmp_path):
    save_result(image_level(), tmp_path / "results")
    written = {path.name for path in build(tmp_path / "results", tmp_path)}
    assert written == {"leaderboard.md", "leaderboard.csv", "leaderboard.html"}
    assert "Objects:" not in (tmp_path / "leaderboard.html").read_text()


def test_terminal_tables_fit_80_columns():
    console = Console(width=80, file=io.StringIO())
    for table in terminal_tables(
        [objects("mahalanobis"), objects("deep-ensemble", 0.1), failed("vim", "no head")]
    ):
        console.print(table)
    text = console.file.getvalue()
    assert all(len(line) <= 80 for line in text.splitlines()) and "…" not in text
    assert (
        "70.0 [65.0, 75.0]" in text
        and "failed (1)" in text
        and "(1) no head" in text
        and text.count("unknown objects:") == 1
    )
    for name in ("mahalanobis", "deep-ensemble", "A-OSE", "missed", "known"):
        assert name in text


def drawn(**changes):
    image = np.full((60, 100, 3), 128, np.uint8)
    boxes = np.array([[10, 10, 40, 50], [50, 5, 95, 55]], float)
    picture = BoxPicture(
        image, "a $b_c.png", boxes, ["car", "person"], [0.9, 0.3], [False, True], boxes, ["car", None]
    )
    return dataclasses.replace(picture, **changes)


def test_boxes_are_drawn_in_the_colours_of_what_they_are(tmp_path):
    def counts(**changes):
        boxes_figure([drawn(**changes)], HOSTILE, tmp_path / "boxes.png")
        pixels = (imread(tmp_path / "boxes.png")[:-80, :, :3] * 255).round().astype(int)  # without the legend
        colours = {"known": (0, 0x72, 0xB2), "flagged": (0xD5, 0x5E, 0)}
        return {name: int((np.abs(pixels - c).max(-1) < 8).sum()) for name, c in colours.items()}

    both, none = counts(), counts(flagged=[False, False])
    assert both["known"] > 200 and both["flagged"] > 200
    assert none["flagged"] == 0 and none["known"] > both["known"] + 200
    assert counts(boxes=np.zeros((0, 4)), names=[], confidence=[], flagged=[]) == {"known": 0, "flagged": 0}
    with pytest.raises(ValueError, match="no image"):
        boxes_figure([], "nothing", tmp_path / "nothing.png")


def test_a_reason_is_said_once_and_takes_no_room_from_figures():
    why = "no objects are labelled, so that detections may be of known classes of the in-distribution set"
    console = Console(file=io.StringIO(), width=80)
    for table in terminal_tables([failed("msp", why), failed("knn", why), objects("lared")]):
        console.print(table)
    text = console.file.getvalue()
    assert " ".join(text.split()).count(f"(1) {why}") == 3  # two sets, one of them with open-set errors
    assert text.count("failed (1)") == 6 and "60.0 [55.0, 65.0]" in text
