"""Kinds, severities and pixel-level results in tables, page and pictures."""

import dataclasses
import io
import json
import math

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
    Stratum,
    load_result,
    load_results,
    rows,
    save_result,
    terminal_tables,
)
from leaderboards.analysis.strata import (
    MEAN,
    by_kind,
    by_severity,
    comparisons,
    grid,
    grids,
    strata_rows,
)
from leaderboards.build import build
from leaderboards.figures import heatmap
from leaderboards.figures.heatmap import colour
from leaderboards.tables.page import page
from lsood.metrics.table import PIXELS, ROWS, names

METRICS = names(ROWS)
HOSTILE = "<script>alert(1)</script>|x"
KINDS = {"fog": 0.95, "mud": 0.7, HOSTILE: 0.5}
IND = IndInfo("cityscapes", "segmentation", "official", "a" * 64, 100, 20, 60, {"miou": 0.61})
NETWORK = NetworkInfo("unet", "b" * 64, 1000, "drop", {})
HERE = Environment("3.11", "2.15", "2.6", "cpu", 2, "Linux")


def figure(value):
    return MetricValue(value, max(0.0, value - 0.05), min(1.0, value + 0.05))


def strata(shift, few=()):
    made = []
    for kind, value in KINDS.items():
        made.append(Stratum(kind, None, 25, {"auroc": figure(value + shift), "fpr95": figure(0.3)}))
        for severity in range(1, 6):
            known = {} if (kind, severity) in few else {"auroc": figure(value + shift + severity / 100)}
            made.append(Stratum(kind, severity, 5 if known else 3, known))
    return made + [Stratum(None, s, 15, {"auroc": figure(0.6 + s / 20 + shift)}) for s in range(1, 6)]


def result(method, shift=0.0, seed=0, **options):
    values = {name: figure(0.5) for name in METRICS}
    cells = [
        OodCell("cityscapes-anomalies", "official", "f" * 64, 60, 75, values, None, strata=strata(shift, **options)),
        OodCell("svhn", "official", "f" * 64, 60, 75, values, None),
    ]  # fmt: skip
    return Result(
        "image", method, "Somebody, 2026", "no-ood", seed, IND, cells, None, NETWORK, {}, Cost(0.1, 0.2, 900.0, {}),
        HERE, "2026-11-21T00:00:00+00:00", "python -m benchmarks.run", "0.1.0", None,
    )  # fmt: skip


def pixels(score, ap=0.4, seed=0, failure=None):
    metrics = {name: figure(ap) for name in names(PIXELS)}
    chance = {"ap": 0.1, "auroc": 0.5, "fpr95": 0.95, "f1": 0.2 / 1.1}
    by = [Stratum(HOSTILE, None, 9, {"ap": figure(ap / 2)}), Stratum(None, 3, 9, {"ap": figure(ap)})]
    cell = OodCell(
        "cityscapes-anomalies", "official", "f" * 64, 900, 100, metrics, failure, None, by, 30, {"ignored": 5},
        chance, {"image-means": Block(28, {"ap": figure(ap + 0.1)})},
    )  # fmt: skip
    if failure:
        cell = dataclasses.replace(cell, metrics={}, chance={}, blocks={}, strata=[])
    return Result(
        "pixel", score, "", "no-ood", seed, IND, [cell], None, NETWORK, {"image_size": [64, 128]}, Cost(), HERE,
        "2026-11-21T00:00:00+00:00", "python", "0.1.0", None,
    )  # fmt: skip


def test_rows_hold_every_stratum_and_seeds_are_averaged():
    runs = [result("msp", 0.0, 0), result("msp", 0.02, 1), result("lared", -0.1)]
    table = strata_rows(runs)
    assert len(table) == 2 * (3 + 15 + 5)
    whole = table[(table.kind == "fog") & (table.severity == "all")].set_index("method")
    assert whole.loc["msp"].auroc == pytest.approx(0.96) and whole.loc["msp"].auroc_std == pytest.approx(0.01)
    assert whole.loc["lared"].auroc_low == pytest.approx(0.80) and math.isnan(whole.loc["lared"].auroc_std)
    assert whole.n.tolist() == [25, 25]


def test_kinds_without_severities_have_tables_and_no_grid(tmp_path):
    """As of hazards that were painted in: by kind alone."""
    runs = [result(method) for method in ("msp", "lared")]
    for run in runs:
        cell = run.ood[0]
        kinds = [stratum for stratum in cell.strata if stratum.severity is None]
        run.ood[0] = dataclasses.replace(cell, strata=kinds)
        save_result(run, tmp_path / "results")
    (_, _, part), *rest = comparisons(strata_rows(runs))
    assert not rest and by_severity(part).empty and not grids(part)
    assert set(by_kind(part).columns) == {*KINDS, MEAN}
    build(tmp_path / "results", tmp_path / "out")
    assert (tmp_path / "out" / "missed-cityscapes-anomalies.png").is_file()
    assert not (tmp_path / "out" / "severities-cityscapes-anomalies.png").exists()
    text = (tmp_path / "out" / "leaderboard.html").read_text()
    assert "mud" in text and "<th></th>" not in text


def test_kinds_most_missed_first_best_method_first_naive_last():
    (_, ood, part), *rest = comparisons(
        strata_rows([result("naive", 0.05), result("msp", -0.1), result("lared")])
    )
    assert ood == "cityscapes-anomalies" and not rest, "a set without drawn anomalies has no strata"
    heat = by_kind(part)
    assert list(heat.index) == ["lared", "msp", "naive"]
    assert list(heat.columns) == [HOSTILE, "mud", "fog", MEAN]
    assert heat.loc["lared", MEAN] == pytest.approx(np.mean(list(KINDS.values())))
    assert by_severity(part).loc["lared"].tolist() == pytest.approx([0.65, 0.7, 0.75, 0.8, 0.85])
    assert grid(part, "msp").loc["fog"].tolist() == pytest.approx([0.86, 0.87, 0.88, 0.89, 0.9])


def test_too_few_images_leave_a_blank_and_too_many_blanks_no_grid():
    everything = [(kind, severity) for kind in KINDS for severity in range(1, 6)]
    (_, _, part), *_ = comparisons(
        strata_rows([result("msp", few=everything[:4]), result("odin", few=everything[4:])])
    )
    assert grid(part, "msp").isna().to_numpy().sum() == 4
    assert list(grids(part)) == ["msp"]


def test_colours_grow_brighter_and_ink_stays_legible():
    def luminance(text):
        linear = [(int(text[i : i + 2], 16) / 255) ** 2.2 for i in (1, 3, 5)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    found = [colour(v) for v in np.linspace(0, 1, 41)]
    backs = [luminance(back) for back, _ in found]
    assert (np.diff(backs) >= -1e-6).all()
    for back, ink in found:
        dark, bright = sorted((luminance(back), luminance(ink)))
        assert (bright + 0.05) / (dark + 0.05) > 4.0


@pytest.fixture
def folder(tmp_path):
    for run in (result("msp"), result("lared", -0.2), result("naive", 0.05)):
        save_result(run, tmp_path / "results")
    for score, ap in (("msp", 0.3), ("energy", 0.5)):
        save_result(pixels(score, ap), tmp_path / "results")
    return tmp_path


def test_page_pictures_and_tables(folder):
    written = {path.name for path in build(folder / "results", folder / "out")}
    assert {"kinds.csv", "pixels.csv", "missed-cityscapes-anomalies.png"} <= written
    assert "severities-cityscapes-anomalies.png" in written and not list(folder.rglob("*.part"))
    picture = imread(folder / "out" / "missed-cityscapes-anomalies.png")
    assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 50
    html = (folder / "out" / "leaderboard.html").read_text()
    assert HOSTILE not in html and "&lt;script&gt;alert(1)&lt;/script&gt;|x" in html
    assert html.count('<table class="heat">') == 2 + 3 + 2
    assert "50.0</strong> <small>[45.0, 55.0]" in html and 'title="95.0 [90.0, 100.0]"' in html
    part = html[html.index("Pixels: cityscapes") :]
    assert part.index(">energy<") < part.index(">msp<") < part.index(">random<")
    assert "Mean over images: 28 images" in part and "not recorded" in part
    text = (folder / "out" / "leaderboard.md").read_text()
    assert (
        "## What is missed (images)" in text
        and "## What is missed (pixels)" in text
        and "## Pixels" in text
        and "<script>" not in text
    )
    kinds = pd.read_csv(folder / "out" / "kinds.csv")
    assert kinds.groupby("level").size().to_dict() == {"image": 3 * 23, "pixel": 2 * 2}
    assert (
        kinds[kinds.level == "image"].auroc.notna().all() and kinds[kinds.level == "pixel"].ap.notna().all()
    )
    build(folder / "results", folder / "again")
    assert (folder / "again" / "leaderboard.html").read_text() == html
    for name in ("missed", "severities"):
        name = f"{name}-cityscapes-anomalies.png"
        assert (folder / "again" / name).read_bytes() == (folder / "out" / name).read_bytes()


def test_results_without_drawn_anomalies_give_the_files_they_gave(tmp_path):
    run = result("msp")
    save_result(dataclasses.replace(run, ood=run.ood[1:]), tmp_path / "results")
    written = {path.name for path in build(tmp_path / "results", tmp_path)}
    assert written == {"leaderboard.md", "leaderboard.csv", "leaderboard.html"}
    assert "What does each detector miss" not in (tmp_path / "leaderboard.html").read_text()


def test_results_of_earlier_versions_are_read(tmp_path):
    path = save_result(result("msp"), tmp_path)
    content = json.loads(path.read_text())
    for cell in content["ood"]:
        del cell["strata"]
    path.write_text(json.dumps(content))
    assert all(cell.strata == [] for cell in load_result(path).ood)


def test_pixel_results_survive_the_disk_and_are_checked(tmp_path):
    path = save_result(pixels("msp"), tmp_path)
    assert path.parent.name == "pixels" and load_results(tmp_path) == {path: pixels("msp")}
    content = json.loads(path.read_text())
    content["ood"][0]["metrics"]["ap"]["low"] = "none"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"msp-seed0\.json: ood\[0\]: metrics\.ap: low must be float"):
        load_results(tmp_path)


def test_pixel_rows_keep_pooled_and_means_over_images_apart():
    runs = [pixels("msp", 0.3), pixels("msp", 0.4, seed=1), pixels("energy", 0.6)]
    table = rows(runs, "pixel")
    whole = table[table.part == "pooled"].set_index("method")
    assert whole.loc["msp"].ap == pytest.approx(0.35) and whole.loc["msp"].ap_std == pytest.approx(0.05)
    assert whole.loc["random"].ap == pytest.approx(0.1)
    assert whole.loc["msp"].n_ignored == 5 and whole.loc["msp"].n_in == 900 and whole.loc["msp"].seeds == 2
    means = table[table.part == "mean over images"].set_index("method")
    assert means.loc["energy"].ap == pytest.approx(0.7) and means.loc["energy"].n_images == 28
    assert list(whole.index) == ["energy", "msp", "random"]
    assert set(rows(runs, "image").columns) > {"method", "auroc"} and not len(rows(runs, "image"))


def test_strata_of_pixels_are_those_of_images_with_another_metric():
    table = strata_rows([pixels("msp", 0.4), pixels("energy", 0.6), result("msp")], "pixel")
    assert len(table) == 4 and "auroc" not in table
    ((_, _, part),) = comparisons(table, "ap")
    heat = by_kind(part, "ap")
    assert list(heat.index) == ["energy", "msp"] and heat.loc["msp", HOSTILE] == pytest.approx(0.2)


def test_a_set_without_anomalous_pixels_says_so():
    runs = [pixels("msp", failure="no anomalous pixels")]
    assert rows(runs, "pixel").ap.isna().all()
    assert "failed: no anomalous pixels" in page(runs) and "failed (1)" in printed(terminal_tables(runs))


def printed(tables):
    console = Console(width=80, file=io.StringIO())
    for table in tables:
        console.print(table)
    return console.file.getvalue()


def test_terminal_tables_fit_80_columns_with_every_name_whole():
    names = "deep-ensemble mahalanobis-noise mahalanobis fssd-noise fssd@relu1 kde-classifier".split()
    names += "lared larem odin msp naive".split()
    text = printed(terminal_tables([result(name, -i / 100) for i, name in enumerate(names)]))
    assert all(len(line) <= 80 for line in text.splitlines()) and "…" not in text
    words = text.split()
    for piece in ("deep-", "ensemble", "noise", "fssd@", "relu1", "kde-", "classifier", "naive", *KINDS):
        assert piece in words, piece
    assert words.count("further") == 2 and words.count("fog") == 3, "in three parts"
    assert "further" not in printed(
        terminal_tables([result(name) for name in ("deep-ensemble", "larem", "naive")])
    )
    text = printed(
        terminal_tables([pixels("max-logit", 0.949), pixels("latent-neighbour", 0.5), pixels("msp", 0.3)])
    )
    assert all(len(line) <= 80 for line in text.splitlines()) and "…" not in text
    assert "94.9 [89.9, 99.9]" in text and text.index("max-logit") < text.index("msp") < text.index("random")


def test_no_strata_no_heat_maps():
    assert "What does each detector miss" not in page([dataclasses.replace(result("msp"), ood=[])])


def test_a_figure_of_many_detectors_shows_the_first_ones(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(heatmap, "save", lambda figure, path: seen.append(figure))
    table = pd.DataFrame([[0.5, 0.9]], index=["fog"], columns=[1, 2])
    names = [f"m{n}" for n in range(20)]
    heatmap.severities_figure(dict.fromkeys([*names, "naive"], table), "set", tmp_path / "x.png")
    heatmap.severities_figure(dict.fromkeys(names[:16], table), "set", tmp_path / "x.png")
    for figure, shown in zip(seen, ([*names[:15], "naive"], names[:16]), strict=True):
        assert [axes.get_title() for axes in figure.axes if axes.get_visible()] == shown
    assert [figure.get_suptitle() for figure in seen] == [
        "set\nthe first 16 of 21 rows, all in kinds.csv · AUROC x 100",
        "set · AUROC x 100",
    ]
