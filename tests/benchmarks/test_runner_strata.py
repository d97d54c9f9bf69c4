"""By kind and severity, and by pixel: what the runner reports equals what a plain computation gives."""

import dataclasses
import json
from importlib.metadata import EntryPoint

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import average_precision_score, roc_auc_score
from typer.testing import CliRunner

import datamodules.miniature as miniature
from anomalies import Entry, Recipe
from anomalies.validity import Unusable
from benchmarks.console import spread
from benchmarks.levels.image import ImageLevel
from benchmarks.levels.pixel import PixelLevel
from benchmarks.pipeline.evaluation import Evaluation
from benchmarks.pipeline.extraction import Extraction
from benchmarks.pipeline.level_methods import LevelMethods
from benchmarks.pipeline.strata import anomaly_info, halves, strata_rows
from benchmarks.pipeline.tuning import validation_rows
from benchmarks.run import app
from datamodules import CityscapesDataModule
from datamodules.imagesets.anomalous import AnomalousSet
from datamodules.imagesets.arrays import ArraySet
from datamodules.imagesets.base import NOT_DRAWN
from leaderboards.store import load_result
from lsood import Activations, ModelInfo
from lsood.extraction.hook import Hook
from lsood.methods import create
from lsood.metrics.pixel.pixel_set import PixelSet
from lsood.probes.pixel.positions import position_features
from networks import build

PIXEL_METHODS = ("msp", "max-logit", "energy", "entropy", "latent-neighbour")
FURTHER = ("gen", "sml", "sml@boundary=4", "knn@k=3", "mds-pp", "vim@dimension=4")
RECIPE = Recipe("two", (Entry("mud", 2.0), Entry("fog")))


@pytest.fixture(scope="module", autouse=True)
def small_miniature():
    before = miniature.MINIATURES["cityscapes"]
    miniature.MINIATURES["cityscapes"] = miniature.Miniature(
        before.folder, before.write, {"train": 8, "val": 8}
    )
    yield
    miniature.MINIATURES["cityscapes"] = before


def data_module(**options):
    data = CityscapesDataModule(
        miniature=True, batch_size=8, image_size=(48, 96),
        **{"ood": ["cityscapes-anomalies"], "recipe": RECIPE, **options}
    )  # fmt: skip
    data.setup()
    return data


def evaluation(data, store, *names, pixel_methods=PIXEL_METHODS):
    torch.manual_seed(0)
    network = build("deeplabv3plus-small", data.num_classes).eval()
    last = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)][-1]
    last.weight.data *= 100  # logits as far apart as a trained network's, for float16 to tell them apart
    model_info = ModelInfo(
        "segmentation", data.num_classes, network.feature_layers, network.latent_layer, data.std
    )
    extraction = Extraction(network, "hash", "p", store)
    images = {name: create(name) for name in names or ("msp",)}
    pixels = {name: create(name) for name in pixel_methods}
    levels = ImageLevel(data, model_info), PixelLevel(data, model_info)
    methods = [LevelMethods(*pair) for pair in zip(levels, (images, pixels), strict=True)]
    return Evaluation(extraction, data, methods)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Every test image at all five severities."""
    data = data_module(severity="all")
    store, pixels = tmp_path_factory.mktemp("store"), (*PIXEL_METHODS, *FURTHER)
    made = evaluation(data, store, "msp", "kde-classifier", "gen", "vim@dimension=4", pixel_methods=pixels)
    return made, made.run()


def test_every_image_comes_at_every_severity(run):
    made, scored = run
    frame = scored.of("msp").scores
    drawn = frame[frame.set == "cityscapes-anomalies"]
    assert sorted(drawn.severity.unique()) == [1, 2, 3, 4, 5] and set(drawn.kind) == {"mud", "fog"}
    assert set(drawn.source) == set(made.data.sets["test"].keys)
    assert len(drawn) == 5 * len(made.data.sets["test"])
    assert frame[frame.set == "ind-test"].kind.isna().all()


def test_strata_equal_scikit_learn_on_the_scores(run):
    _, scored = run
    frame, cell = scored.of("msp").scores, scored.of("msp").cells[0]
    inside = frame[frame.set == "ind-test"].score
    drawn = frame[frame.set == "cityscapes-anomalies"]
    assert {(s.kind, s.severity) for s in cell.strata} >= {("mud", None), (None, 3), ("mud", 3), ("fog", 5)}
    for stratum in cell.strata:
        part = drawn
        if stratum.kind is not None:
            part = part[part.kind == stratum.kind]
        if stratum.severity is not None:
            part = part[part.severity == stratum.severity]
        assert len(part) == stratum.n
        if stratum.n < 5:
            assert stratum.metrics == {}
            continue
        labels = np.r_[np.zeros(len(inside)), np.ones(len(part))]
        truth = roc_auc_score(labels, np.r_[inside, part.score])
        found = stratum.metrics["auroc"]
        assert found.value == pytest.approx(truth, abs=1e-12) and found.low <= truth <= found.high


def test_a_method_that_sees_anomalies_sees_none_of_the_images_it_is_judged_on(run):
    made, scored = run
    x = scored.sets["cityscapes-anomalies"].images
    seen, rest = validation_rows(made.data.ood_sets["cityscapes-anomalies"], 0)
    source = anomaly_info(x)["source"].to_numpy()
    assert not set(source[seen]) & set(source[rest]) and len(seen) + len(rest) == x.images
    judged = scored.of("kde-classifier", "oracle-val").scores
    assert set(judged[judged.set == "cityscapes-anomalies"].key) == {x.ids[i] for i in rest}


def test_halves_of_a_set_without_drawn_anomalies_are_a_seeded_permutation():
    x = Activations({"a": torch.zeros(9)}, [str(i) for i in range(9)])
    order = torch.randperm(9, generator=torch.Generator().manual_seed(3)).tolist()
    seen, rest = halves(x, 3)
    assert seen.tolist() == order[:4] and rest.tolist() == order[4:]
    assert strata_rows(anomaly_info(x)) == {}


def plain_scores(made, name="cityscapes-anomalies"):
    """Float64 scores, labels and kinds of every image, straight from the network."""
    network, data = made.extraction.network, made.data
    rows = []
    for batch in data.ood_dataloaders()[name]:
        z = network(batch["image"]).detach().double()
        p = z.softmax(1)
        other = ((1 - p.amax(1)) / p.amax(1)).log()
        maps = torch.stack([other, -z.amax(1), -z.logsumexp(1), -(p * p.clamp_min(1e-300).log()).sum(1)], 1)
        maps = [
            F.interpolate(one[None], mask.shape, mode="bilinear", align_corners=False)[0]
            for one, mask in zip(maps, batch["anomaly"], strict=True)
        ]
        rows += list(
            zip(
                batch["key"], batch["kind"], map(np.array, maps), map(np.array, batch["anomaly"]), strict=True
            )
        )
    return rows


def test_pixel_metrics_equal_scikit_learn_on_float64_scores(run):
    made, scored = run
    plain = plain_scores(made)
    labels = np.concatenate([label.ravel() for *_, label in plain])
    known = labels != 255
    assert 0 < known.sum() < labels.size, "fog is of the whole image: its pixels are unknown"
    for i, name in enumerate(PIXEL_METHODS[:4]):
        scores = np.concatenate([maps[i].ravel() for _, _, maps, _ in plain])
        cell = scored.of(name, level="pixel").cells[0]
        assert [cell.n_in, cell.n_out] == [(labels == 0).sum(), (labels == 1).sum()]
        ap = average_precision_score(labels[known], scores[known])
        assert cell.metrics["ap"].value == pytest.approx(ap, abs=1e-3), name
        area = roc_auc_score(labels[known], scores[known])
        assert cell.metrics["auroc"].value == pytest.approx(area, abs=1e-3), name
        assert cell.chance["ap"] == pytest.approx((labels == 1).sum() / known.sum())
        assert {(s.kind, s.severity) for s in cell.strata} == {
            ("mud", None),
            *((None, s) for s in range(1, 6)),
        }


def test_the_cache_holds_kinds_and_pixels_and_a_damaged_one_is_made_anew(tmp_path):
    data = data_module()
    first = evaluation(data, tmp_path / "store")
    found = first.run()
    before, pixels = found.of("msp").cells[0], found.of("msp", level="pixel").cells[0]
    again = evaluation(data, tmp_path / "store")
    assert again.run().of("msp").cells[0] == before and again.extraction.forwarded == {}
    (path,) = (tmp_path / "store").rglob("pixels.safetensors")
    path.write_bytes(path.read_bytes()[:-9] + b"something")
    third = evaluation(data, tmp_path / "store")
    found = third.run()
    assert found.of("msp").cells[0] == before and found.of("msp", level="pixel").cells[0] == pixels
    assert third.extraction.forwarded == {"shared_pass": len(data.sets["test"])}
    stored = PixelSet.load(path.parent)
    (fitted,) = (name for name in stored.scores if name.startswith("pixel_neighbours"))
    other = {
        name.replace(fitted, "pixel_neighbours.of.another.fit.set"): s for name, s in stored.scores.items()
    }
    dataclasses.replace(stored, scores=other).save(path.parent)
    fourth = evaluation(data, tmp_path / "store")
    assert fourth.run().of("latent-neighbour", level="pixel").cells[0].failure is None
    assert fourth.extraction.forwarded == {"shared_pass": len(data.sets["test"])}
    assert set(PixelSet.load(path.parent).scores) == {*other, fitted}
    dataclasses.replace(stored, keys=stored.keys[::-1]).save(path.parent)
    fifth = evaluation(data, tmp_path / "store")
    assert fifth.run().of("msp", level="pixel").cells[0] == pixels, "tallies under other keys are not used"
    assert fifth.extraction.forwarded == {"shared_pass": len(data.sets["test"])}
    assert PixelSet.load(path.parent).keys == stored.keys


def test_every_pixel_method_scores_in_the_one_pass(run):
    made, scored = run
    for name in (*PIXEL_METHODS, *FURTHER):
        cell = scored.of(name, level="pixel").cells[0]
        assert cell.failure is None and 0 < cell.metrics["ap"].value < 1, name
    assert all(scored.of(name).cells[0].failure is None for name in ("gen", "vim@dimension=4"))
    images = (*made.data.sets.values(), *made.data.ood_sets.values())
    assert made.extraction.forwarded["shared_pass"] == sum(map(len, images))


def test_the_latent_neighbour_knows_only_the_fit_set_and_ranks_like_its_definition(run):
    made, scored = run
    found = scored.of("latent-neighbour", level="pixel")
    network, data, bank = made.extraction.network, made.data, found.detector.bank_
    layer = found.detector.model_info.penultimate
    assert bank.shape[0] == min(1024, 16 * len(data.sets["train"]))
    maps, labels = [], []
    with Hook(network.get_submodule(layer)) as hook:
        for batch in data.ood_dataloaders()["cityscapes-anomalies"]:
            height, width = network(batch["image"]).shape[-2:]
            features, stride = position_features(hook.output.detach(), height, width)
            near = torch.einsum("bchw,mc->bmhw", features.double(), bank.double()).amax(1, keepdim=True)
            size = [stride * n for n in near.shape[-2:]]
            spread = F.interpolate((1 - near).clamp_min(1e-7).log(), size=size, mode="bilinear")
            inside, size = spread[..., :height, :width], batch["anomaly"][0].shape
            maps.append(F.interpolate(inside, size, mode="bilinear", align_corners=False)[:, 0])
            labels.append(torch.stack(batch["anomaly"]))
    scores, labels = torch.cat(maps).numpy(), torch.cat(labels).numpy()
    known = labels != 255
    cell = found.cells[0]
    truth = average_precision_score(labels[known], scores[known])
    assert cell.metrics["ap"].value == pytest.approx(truth, abs=2e-3)


def test_images_that_take_no_anomaly_are_left_out(tmp_path, monkeypatch):
    from datamodules.imagesets import anomalous

    data = data_module()
    refused = data.sets["test"].keys[3]
    draw = anomalous.draw

    def picky(candidates, image, key, *rest):
        if key == refused:
            raise Unusable(f"{key}: no anomaly can be drawn")
        return draw(candidates, image, key, *rest)

    monkeypatch.setattr(anomalous, "draw", picky)
    item = data.ood_sets["cityscapes-anomalies"].read(3)
    assert item.kind == NOT_DRAWN and (item.image == data.sets["test"].read(3).image).all()
    made = evaluation(data, tmp_path)
    found = made.run()
    scores = found.of("msp").scores
    drawn = scores[scores.set == "cityscapes-anomalies"]
    assert refused not in set(drawn.key) and len(drawn) == len(data.sets["test"]) - 1
    assert found.sets["cityscapes-anomalies"].pixels.keys == list(drawn.key)


def test_variants_share_pixels_with_single_images():
    """A version of an image has the pixels it would have alone: same source, kind and severity, whatever else is
    in the set.
    """
    images = np.random.default_rng(0).integers(60, 200, (2, 64, 64, 3), dtype=np.uint8)
    base = ArraySet("x", images, None, "official")
    fog = Recipe("fog", (Entry("fog"),))
    every = AnomalousSet(base, RECIPE, every_kind=True, severity="all")
    assert len(every) == len(set(every.keys)) == 2 * 2 * 5
    one = AnomalousSet(base, fog, severity="4")
    i = every.keys.index(f"{base.keys[1]}#fog/4")
    item = every.read(i)
    assert (item.kind, item.severity, item.source) == ("fog", 4, base.keys[1])
    assert (item.image == one.read(1).image).all() and one.keys == base.keys
    prints = {
        s.fingerprint for s in (every, one, AnomalousSet(base, fog), AnomalousSet(base, fog, severity="all"))
    }
    assert len(prints) == 4


def test_the_command_reports_kinds_severities_and_pixels(tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("- kind: mud\n- kind: rain\n")
    out = tmp_path / "out"
    words = ["--ind", "cityscapes", "--ood", "cityscapes-anomalies", "--methods", "msp", "energy", "larem",
             "--recipe", str(recipe),
             "--severity", "all", "--epochs", "1", "--out", str(out), "--device", "cpu"]  # fmt: skip
    done = CliRunner().invoke(app, spread(words))
    assert done.exit_code == 0, done.output
    assert "what is missed (images)" in done.output and "Pixels: cityscapes" in done.output
    kinds = pd.read_csv(out / "kinds.csv")
    assert set(kinds.method) == {"msp", "energy", "larem", "naive"} and set(kinds.kind) == {
        "mud",
        "rain",
        "all",
    }
    table = pd.read_csv(out / "pixels.csv")
    assert set(table.method) == {"msp", "energy", "random"}, "--methods holds at every level"
    for name in ("missed", "severities"):
        assert (out / f"{name}-cityscapes-anomalies.png").stat().st_size > 5000
    content = json.loads((out / "results" / "pixels" / "energy-seed0.json").read_text())
    assert content["network"]["checkpoint"] and content["settings"]["image_size"] and content["command"]
    stored = load_result(out / "results" / "msp-seed0.json").settings
    assert (
        stored["recipe"] == str(recipe)
        and stored["severity"] == "all"
        and len(stored["recipe_fingerprint"]) == 64
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--severity", "7"], "--severity must be 1 to 5, mixed or all, got '7'"),
        (["--recipe", "drivng"], "unknown recipe 'drivng'"),
        (["--recipe", "none.yaml"], "no recipe file none.yaml"),
    ],
)
def test_bad_usage(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["--ind", "cityscapes", "--ood", "cityscapes-anomalies", *words])
    assert done.exit_code == 2 and message in " ".join(done.output.split()), done.output
    assert not list(tmp_path.iterdir())


def test_a_generated_set_knows_its_kinds_and_equals_the_drawn_one(tmp_path, monkeypatch):
    from anomalies.generate import app as generate

    point = EntryPoint("lsood-bench", "datamodules.sources:PROVIDER", "anomalies.sources")
    monkeypatch.setattr("anomalies.sets.source.entry_points", lambda group: [point])
    recipe = tmp_path / "two.yaml"
    recipe.write_text("- kind: mud\n  weight: 2\n- kind: fog\n")
    words = ["--ind", "cityscapes", "--recipe", str(recipe), "--out", str(tmp_path / "set")]
    done = CliRunner().invoke(generate, words)
    assert done.exit_code == 0, done.output
    name = f"generated:{tmp_path / 'set'}"
    data = data_module(ood=["cityscapes-anomalies", name])
    drawn, stored = data.ood_sets["cityscapes-anomalies"], data.ood_sets["generated:set"]
    assert drawn.keys == stored.keys and stored.masked
    for i in range(len(drawn)):
        one, other = drawn.read(i), stored.read(i)
        assert (one.kind, one.severity, one.source) == (other.kind, other.severity, other.source)
        assert (one.image == other.image).all() and (one.anomaly is None) == (other.anomaly is None)
    made = evaluation(data, tmp_path / "store")
    first, second = made.run().of("msp").cells
    assert first.metrics == second.metrics and first.strata == second.strata
