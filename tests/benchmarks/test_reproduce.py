"""Tables of papers as data, verdicts against results made by hand, and the command."""

import io
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

import datamodules.miniature as miniature
from benchmarks import papers
from benchmarks.console import spread
from benchmarks.reproduce import app
from datamodules import known_names
from leaderboards import Cost, Environment, IndInfo, MetricValue, NetworkInfo, OodCell, Result
from leaderboards.papers.page import rich_table, write
from leaderboards.papers.reproduction import aggregate, cells, tally, verdict_for
from leaderboards.papers.tables import table_from
from lsood.methods import create

TABLES = papers.tables()


def call(*arguments):
    return CliRunner().invoke(app, spread([str(a) for a in arguments]))


def value(table, row, ood, metric):
    table = papers.load(table)
    column = [c.name for c in table.metrics].index(metric)
    return next(r for r in table.rows if r.name == row).values[ood][column]


def test_the_tables_are_there():
    assert {t.name for t in TABLES} >= {
        "fssd-fashionmnist", "fssd-cifar10", "odin-densenet-cifar10", "odin-densenet-cifar100", "odin-wrn-cifar10",
        "odin-wrn-cifar100", "vmdls-cifar10", "vmdls-cifar100", "vmdls-mnist", "larex-deeplab-cityscapes",
        "larex-deeplab-woodscape", "larex-unet-cityscapes", "larex-pca-sweep", "larex-kde-classifier", "larex-gtsrb",
        "openood-cifar10",
    }  # fmt: skip
    assert papers.load("vmdls-mnist").numbers == 0 and papers.load("vmdls-mnist").not_found
    assert papers.load("fssd-fashionmnist").numbers == 21
    assert papers.load("odin-wrn-cifar100").numbers == 2 * 7 * 5
    assert papers.load("larex-pca-sweep").numbers == 4 * 10 + 6
    assert papers.load("larex-gtsrb").numbers == 16 * 9


@pytest.mark.parametrize(
    ("table", "row", "ood", "metric", "reported"),
    [
        ("fssd-fashionmnist", "Base", "MNIST", "FPR80", 42.5),
        ("fssd-fashionmnist", "ODIN", "MNIST", "AUPRC", 88.0),
        ("fssd-fashionmnist", "FSSD", "MNIST", "AUROC", 99.6),
        ("fssd-cifar10", "OE", "SVHN", "AUPRC", 89.8),
        ("fssd-cifar10", "MCD", "SVHN", "FPR80", 2.4),
        ("odin-densenet-cifar10", "Baseline", "TinyImageNet crop", "FPR95", 34.7),
        ("odin-densenet-cifar10", "ODIN", "LSUN crop", "AUPR-Out", 97.8),
        ("odin-densenet-cifar100", "Baseline", "Gaussian", "AUROC", 30.5),
        ("odin-densenet-cifar100", "ODIN", "Uniform", "AUPR-Out", 68.9),
        ("odin-wrn-cifar10", "ODIN", "TinyImageNet resize", "Detection error", 13.4),
        ("odin-wrn-cifar100", "ODIN", "iSUN", "AUPR-In", 88.9),
        ("vmdls-cifar10", "VMDLS", "LSUN resize", "TNR95", 0.973),
        ("vmdls-cifar10", "VMDLS_b", "ImageNet resize", "AUROC", 0.961),
        ("vmdls-cifar100", "Maha*", "LSUN crop", "TNR95", 0.316),
        ("vmdls-cifar100", "CSI", "ImageNet resize", "TNR95", 0.284),
        ("larex-deeplab-cityscapes", "LaRED, PCA 58", "Cityscapes anomalies", "FPR95", 0.3235),
        ("larex-deeplab-woodscape", "LaREM, no PCA", "Soiling", "AUPR", 0.8914),
        ("larex-unet-cityscapes", "LaRED, PCA 50", "WoodScape", "FPR95", 0.1484),
        ("larex-pca-sweep", "LaRED, PCA 128", "WoodScape anomalies", "AUROC", 0.6777),
        ("larex-pca-sweep", "LaREM, PCA 8", "Soiling", "AUROC", 0.6441),
        ("larex-kde-classifier", "2: ws-valid against Cityscapes-valid", "Soiling", "F1", 0.7827),
        ("larex-kde-classifier", "Guide", "Cityscapes anomalies", "MCC", 0.9302),
        ("larex-gtsrb", "kNN", "Anomalies", "AUROC", 0.2863),
        ("larex-gtsrb", "LaREM m11", "STL10", "AUPR", 0.9782),
        ("openood-cifar10", "KNN", "near-OoD", "AUROC", 90.64),
        ("openood-cifar10", "SCALE", "far-OoD", "FPR95", 67.53),
        ("openood-cifar10", "ViM", "far-OoD", "FPR95", None),
        ("openood-cifar10", "OE", "near-OoD", "AUROC", 94.82),
        ("openood-cifar10", "ReAct (public log, one checkpoint)", "Textures", "FPR95", 67.36),
    ],
)
def test_numbers_are_the_papers(table, row, ood, metric, reported):
    assert value(table, row, ood, metric) == reported


def test_deviations_and_steps_are_the_papers():
    rows = {row.name: row for row in papers.load("openood-cifar10").rows}
    assert rows["ReAct"].std["far-OoD"] == [1.41, 8.37] and not rows["fDBD"].std
    chosen = {row.name: row for row in papers.load("odin-wrn-cifar10").rows}["ODIN"].chosen
    assert chosen["iSUN"].startswith("step .0008") and chosen["LSUN crop"].startswith("step 0,")


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_every_name_is_known_or_said_to_be_missing(table):
    for name in (table.ind, *table.sets):
        assert name in known_names() or table.elsewhere[name]
    assert table.caveats and table.differs and table.not_found and table.source and table.cost.note
    for row in table.rows:
        for reported in row.values.values():
            assert any(number is not None for number in reported)


def test_rows_carry_the_papers_parameters():
    methods = {row.name: row.method for row in papers.load("larex-pca-sweep").rows}
    assert methods["LaRED, PCA 56"] == methods["LaRED, PCA 56 (mean)"] == "lared@pca=56"
    assert methods["LaREM, PCA 256"] == "larem@pca=256"
    assert create("larem@pca=none").get_params()["pca"] is None


def tiny(**changes):
    table = {
        "name": "tiny", "title": "t", "paper": "p", "source": "s", "network": "lenet", "preset": "x", "ind": "cifar10",
        "unit": "percent", "decimals": 1, "protocol": "oracle-val", "protocol_text": "x", "accuracy": 90.0,
        "metrics": [
            {"name": "AUROC", "metric": "auroc", "positive": "symmetric"},
            {"name": "TNR", "metric": "fpr95_in", "positive": "in-distribution", "complement": True},
            {"name": "AUPR", "metric": "aupr_in", "positive": "in-distribution"},
        ],
        "ood": [
            {"name": "S", "sets": ["svhn"], "n_in": 100, "n_out": 100},
            {"name": "both", "sets": ["svhn", "cifar100"]},
        ],
        "rows": [{"name": "ODIN", "method": "odin", "values": {"S": [90.0, 60.0, 80.0], "both": [90.0, None, None]}}],
        "caveats": [], "differs": [], "cost": {"cpu_hours": None, "gpu_hours": 1, "note": "n"},
    }  # fmt: skip
    return table_from(table | changes, "tiny.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tittle": "t"}, "unknown field tittle"),
        ({"title": 3}, "title must be str"),
        ({"unit": "permille"}, "unit must be one of percent, fraction"),
        ({"decimals": 9}, "decimals must lie in 0..6"),
        ({"protocol": "ood-val"}, "unknown protocol 'ood-val'"),
        ({"rows": [{"name": "a", "method": None, "values": {"S": [101.0, 1.0, 1.0]}}]}, "101.0 is outside 0..100"),
        ({"rows": [{"name": "a", "method": None, "values": {"S": [1.0]}}]}, "has 1 numbers for 3 metrics"),
        ({"rows": [{"name": "a", "method": None, "values": {"T": [1.0, 1.0, 1.0]}}]}, "T is no OoD column"),
        ({"metrics": [{"name": "A", "metric": "aurroc", "positive": "ood"}]}, "unknown metric 'aurroc'"),
        ({"metrics": [{"name": "A", "metric": "auroc", "positive": "in"}]}, "positive must be one of"),
        ({"caveats": [{"text": "x", "rows": ["none"]}]}, "a caveat names 'none'"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        tiny(**changes)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("method: msp", "method: mps", "unknown method 'mps'; did you mean 'msp'?"),
        ("sets: [mnist]", "sets: [mnits]", "unknown data set 'mnits'; did you mean 'mnist'?"),
        ("name: fssd-fashionmnist", "name: fssd", "the file is named otherwise"),
        ("rows:", "rows: [", "fssd-fashionmnist.yaml"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, old, new, message):
    path = tmp_path / "fssd-fashionmnist.yaml"
    path.write_text((papers.FOLDER / path.name).read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=re.escape(message)):
        papers.read(path)


def result(seed=0, auroc=0.9, half=0.01, protocol="oracle-val", sets=("svhn", "cifar100"), **changes):
    options = {
        "origin": "official",
        "failure": None,
        "accuracy": 0.9,
        "network": "lenet",
        "n_out": 100,
    } | changes
    metrics = {
        name: MetricValue(v, v - half, v + half)
        for name, v in (("auroc", auroc), ("fpr95_in", 0.4), ("aupr_in", 0.8))
    }
    origin, n_out, failure = options["origin"], options["n_out"], options["failure"]
    found = [OodCell(n, origin, f"f-{n}", 100, n_out, {} if failure else metrics, failure) for n in sets]
    accuracy = {"accuracy": options["accuracy"]}
    return Result(
        "image", "odin", "p", protocol, seed, IndInfo("cifar10", "classification", origin, "f", 9, 9, 100, accuracy),
        found, None, NetworkInfo(options["network"], f"w{seed}", 1, "l", {}), {}, Cost(1.0, 2.0, 3.0, {}),
        Environment("3", "2", "2", "cpu", 1, "x"), "now", "python -m x", "1", None,
    )  # fmt: skip


def cell(results, ood="S", metric="AUROC", **changes):
    found = cells(tiny(**changes), results)
    return next(c for c in found if (c.ood, c.metric, c.row) == (ood, metric, "ODIN"))


def test_the_interval_joins_seeds_and_images():
    """Three seeds .80, .82, .84: s = .02, t(.975, 2) = 4.30265, so .0496828 from the seeds; .03 from the images."""
    joint = aggregate([[MetricValue(v, v - 0.03, v + 0.03)] for v in (0.80, 0.82, 0.84)])
    assert joint.mean == pytest.approx(0.82) and joint.std == pytest.approx(0.02) and joint.seeds == 3
    assert joint.high - joint.mean == pytest.approx((0.0496828**2 + 0.03**2) ** 0.5, abs=1e-6)
    one = aggregate([[MetricValue(0.9, 0.85, 0.92)]])
    assert (one.low, one.high, one.std) == (pytest.approx(0.85), pytest.approx(0.92), None)
    two = aggregate([[MetricValue(0.9, 0.86, 0.94), MetricValue(0.7, 0.67, 0.73)]])
    assert two.mean == pytest.approx(0.8) and two.high == pytest.approx(0.8 + 0.05 / 2)
    assert aggregate([[MetricValue(0.99, 0.9, 1.0)], [MetricValue(0.5, 0.4, 0.6)]]).high == 1.0


def test_verdicts():
    assert cell([result()]).verdict == "within"
    assert cell([result(auroc=0.93)]).verdict == "above" and cell([result(auroc=0.93)]).gap == pytest.approx(
        0.03
    )
    assert cell([result(auroc=0.88)]).verdict == "below"
    rounding = aggregate([[MetricValue(0.9104, 0.9004, 0.9204)]])
    assert verdict_for(0.9, 0.0005, rounding) == "within", "90.04 is printed as 90.0"
    assert verdict_for(0.9, 0.0003, rounding) == "above"
    assert cell([result()], metric="TNR").measured["oracle-val"].mean == pytest.approx(0.6)
    assert cell([result()], metric="TNR").verdict == "within"
    assert cell([result()], ood="both").verdict == "within"
    assert tally(cells(tiny(), [result(auroc=0.93)])) == {
        "within": 2,
        "above": 2,
        "below": 0,
        "not comparable": 0,
    }


@pytest.mark.parametrize(
    ("results", "where", "reason"),
    [
        ([result(protocol="no-ood")], {}, "protocol: measured under no-ood only, the paper's is oracle-val"),
        ([result(origin="miniature")], {}, "miniature: cifar10, svhn"),
        ([result(origin="subset")], {}, "subset: cifar10, svhn"),
        ([result(sets=("svhn",))], {"ood": "both"}, "data missing: cifar100"),
        ([result(failure="cannot learn")], {}, "failed on svhn: cannot learn"),
        ([result(accuracy=0.889)], {}, "accuracy 88.90 %, the paper's 90.00 %"),
        ([result(network="resnet18")], {}, "network resnet18, the paper's is lenet"),
        ([result(n_out=150)], {"metric": "AUPR"}, "prevalence: 100 to 150 images, the paper's 100 to 100"),
        ([result()], {"caveats": [{"text": "x", "ood": ["S"], "blocks": "a bug"}]}, "a bug"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_says_why(results, where, reason):
    found = cell(results, **where)
    assert (found.verdict, found.reason) == ("not comparable", reason)
    near = [result(accuracy=0.891)]
    assert cell(near).verdict == "within", "within a point of the paper's accuracy"


def test_the_same_without_ood_stands_beside():
    found = cell([result(), result(auroc=0.7, protocol="no-ood")])
    assert found.paper.mean == pytest.approx(0.9) and found.measured["no-ood"].mean == pytest.approx(0.7)
    assert found.verdict == "within"


def test_the_page_says_everything_and_is_reproducible(tmp_path):
    table = tiny(caveats=[{"text": "tuned on | the <OoD> set", "rows": ["ODIN"]}], differs=["other batches"])
    runs = [result(s, auroc=0.9 + 0.001 * s) for s in range(3)] + [result(0, 0.7, protocol="no-ood")]
    paths = write(table, runs, tmp_path)
    text, page = paths[0].read_text(), paths[1].read_text()
    for needed in (
        "90.1 ± 0.1",
        "90.0",
        "within",
        "70.0",
        "other batches",
        "python -m x",
        "`w0`",
        "fitting 4.0 s",
    ):
        assert needed in text, needed
    assert "&lt;OoD&gt;" in page and "tuned on \\| the &lt;OoD>" in text
    long = pd.read_csv(paths[2])
    assert set(long.protocol) == {"oracle-val", "no-ood"} and len(long) == 2 * 6
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write(table, runs, tmp_path)] == before
    assert not list(tmp_path.glob("*.part"))


def test_the_terminal_table_fits_a_hundred_columns():
    console = Console(width=100, record=True, file=io.StringIO())
    for shown in rich_table(tiny(), [result(0), result(1, 0.95), result(0, 0.7, protocol="no-ood")]):
        console.print(shown)
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 100
    assert any("92.5 ± 3.5" in line for line in lines)


def test_list_says_what_is_there_and_where_the_rest_is(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    (tmp_path / "FashionMNIST" / "raw").mkdir(parents=True)
    done = call("--list", "--data-root", tmp_path)
    assert done.exit_code == 0, done.output
    for table in TABLES:
        assert f"{table.name}  {table.title}; {table.numbers} reported numbers" in done.output
    assert "missing mnist" in done.output and "there   uniform-noise" in done.output
    assert "--download fetches it" in done.output and "cannot be downloaded automatically" in done.output
    assert "no loader here" in done.output and "cost: CPU 6 h" in done.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "name a table, one of fssd-cifar10"),
        (("fssd-fashonmnist",), 2, "unknown table 'fssd-fashonmnist'; did you mean 'fssd-fashionmnist'?"),
        (("fssd-fashionmnist", "--preset", "slow"), 2, "unknown preset 'slow'"),
        (("fssd-fashionmnist", "--protocols", "oracle"), 2, "unknown protocol 'oracle'; did you mean 'oracle-val'?"),
        (("fssd-fashionmnist", "--methods", "odn"), 2, "unknown method 'odn'; did you mean 'odin'?"),
        (("fssd-fashionmnist", "--data-root", "/no/where"), 2, "--data-root /no/where does not exist"),
    ],
)  # fmt: skip
def test_bad_usage(arguments, code, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call(*arguments)
    assert done.exit_code == code, done.output
    assert message in " ".join(done.output.split()) and "Traceback" not in done.output
    assert not list(tmp_path.iterdir())


def test_a_data_root_without_the_data(tmp_path):
    done = call("fssd-fashionmnist", "--data-root", tmp_path, "--out", tmp_path / "o")
    assert done.exit_code == 1 and "fssd-fashionmnist needs fashion-mnist: not in" in " ".join(
        done.output.split()
    )


@pytest.fixture
def small_miniatures(monkeypatch, tmp_path):
    monkeypatch.setenv("LSOOD_CACHE", str(tmp_path / "cache"))
    for name, train in (("fashion-mnist", 200), ("mnist", 60)):
        entry = miniature.MINIATURES[name]
        small = miniature.Miniature(entry.folder, entry.write, {"train": train, "test": 60})
        monkeypatch.setitem(miniature.MINIATURES, name, small)


def test_end_to_end(small_miniatures, tmp_path):
    out = tmp_path / "out"
    done = call("fssd-fashionmnist", "--limit", "48", "--epochs", "1", "--seeds", "0", "1", "--device", "cpu",
                "--methods", "msp", "odin", "lared", "--out", out)  # fmt: skip
    assert done.exit_code == 0, done.output
    table = pd.read_csv(out / "reproduction.csv")
    assert set(table.row) >= {"Base", "ODIN", "FSSD", "lared", "naive"}
    base = table[(table.row == "Base") & (table.metric == "AUROC")]
    assert base.reported.item() == pytest.approx(0.773) and base.seeds.item() == 2
    assert base.verdict.item() == "not comparable" and base.reason.item() == "miniature: fashion-mnist, mnist"
    assert "MINIATURE" in (out / "reproduction.md").read_text() and "not comparable" in done.output


def test_every_table_of_the_documentation_exists():
    text = (Path(__file__).parents[2] / "docs" / "reproducing.md").read_text()
    assert {t.name for t in TABLES} <= set(re.findall(r"`([a-z0-9-]+)`", text))


def test_shared_caveats_are_used():
    used = {yaml.safe_load(p.read_text()).get("caveats_from") for p in papers.FOLDER.glob("*.yaml")}
    assert {p.stem for p in (papers.FOLDER / "shared").glob("*.yaml")} == used - {None}
