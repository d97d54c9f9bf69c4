"""Object detection end to end on a small random detector: images, objects, mean average precision, cache and traps."""

import copy
import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import roc_auc_score
from torch.nn.functional import normalize

from baselines import Residual, ViM
from benchmarks.naive import Naive
from benchmarks.pipeline.config import Settings
from benchmarks.pipeline.evaluation import Evaluation
from benchmarks.pipeline.extraction import Extraction
from benchmarks.tasks import box_pictures
from benchmarks.tasks.objects import (
    OBJECT_METHODS,
    ObjectEvaluation,
    mean_average_precision,
    object_model_info,
)
from benchmarks.tasks.subjects import model_info_of, network_metrics
from lsood import Activations
from lsood.extraction.objects import ObjectSet
from lsood.methods import create
from lsood.probes.objects import object_probes

MEASURED = (
    "msp", "msp@proposals", "energy", "energy@proposals", "max-logit", "entropy", "gen", "gen@proposals",
    "mahalanobis", "mahalanobis-noise", "knn", "vim", "residual", "lared", "larem", "lard", "mc-dropout",
    "mc-dropout-mi",
)  # fmt: skip
REFUSED = {
    "odin": "odin does not apply to detection: its step follows one confidence",
    "fssd": "fssd does not apply to detection: images differ in size",
    "rankfeat": "rankfeat does not apply to detection",
    "react": "react needs a classifier",
    "she": "she needs a classifier",
    "temp-scale": "temp-scale needs one vector of logits per image",
    "relative-mahalanobis": "relative-mahalanobis is 0 everywhere where images have no class",
    "outlier-exposure": "outlier-exposure does not apply to detection",
    "vmdls": "vmdls does not apply to detection",
    "deep-ensemble": "needs at least two networks",
}
SIZES = {"train": 10, "val": 6, "test": 6, "ood": 5}


FEW_IMAGES = {"vim": lambda name: ViM(dimension=4), "residual": lambda name: Residual(dimension=4)}


class Data:
    """What an evaluation asks of a data module; boxes are what the detector itself finds, every fourth one of no class
    on OoD images; the last image of every set has none.
    """

    task, name, origin, num_classes = "detection", "boxes", "miniature", 3
    mean, std = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)

    def __init__(self, network):
        self.batches, self.opened = {}, []
        for place, (name, n) in enumerate(SIZES.items()):
            shapes = [(64, 80)] * (n // 2) + [(80, 64)] * (n - n // 2)
            random = torch.Generator().manual_seed(place)
            scale = 3 if name == "ood" else 1
            images = [scale * torch.randn(3, *shape, generator=random) for shape in shapes]
            self.batches[name] = [self._batch(network, name, i, image) for i, image in enumerate(images)]
        self.sets = {name: self._set(name) for name in ("train", "val", "test")}
        self.ood_sets = {"ood": self._set("ood")}

    @staticmethod
    def _batch(network, name, i, image):
        with torch.no_grad():
            found = network(image[None])[0]
        last = i == SIZES[name] - 1
        labels = found.labels.clone()
        if name == "ood":
            labels[::4] = -1
        target = {"boxes": found.boxes[:0] if last else found.boxes, "labels": labels[:0] if last else labels}
        return {"image": image[None], "key": [f"{name}/{i}"], "target": [target]}

    def _set(self, name):
        keys = [f"{name}/{i}" for i in range(SIZES[name])]

        class Images(SimpleNamespace):
            def __len__(self):
                return len(self.keys)

        return Images(
            name=name, keys=keys, sources=keys, fingerprint=name, origin="miniature", masked=False, boxed=True
        )

    def _loader(self, name):
        self.opened.append(name)
        yield from self.batches[name]

    def fit_dataloader(self):
        return self._loader("train")

    def val_dataloader(self):
        return self._loader("val")

    def test_dataloader(self):
        return self._loader("test")

    def ood_dataloaders(self):
        return {"ood": self._loader("ood")}


def evaluation(network, data, store, names=MEASURED):
    settings = Settings(ind="boxes", ood=("ood",), mc_samples=6)
    model_info = model_info_of(network, data, settings, 0)
    detectors = {name: FEW_IMAGES.get(name, create)(name) for name in names} | {"naive": Naive()}
    probes = object_probes(object_model_info(network, model_info))
    extraction = Extraction(network, "h", "p", store)
    return Evaluation(extraction, data, model_info, detectors, objects=probes)


def objects_of(run):
    model_info = object_model_info(run.extraction.network, run.model_info)
    return ObjectEvaluation(run.extraction, run.data, model_info, run.sets)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("activations")


@pytest.fixture(scope="module")
def done(detector, store):
    network = detector()
    data = Data(network)
    run = evaluation(network, data, store, (*MEASURED, *REFUSED))
    return run, run.run()


def test_every_method_scores_images_or_says_why_not(done):
    run, scored = done
    reasons = {case[0]: reason for case, reason in run.attempts.failures.items()}
    assert set(reasons) == set(REFUSED)
    assert all(REFUSED[name] in reason for name, reason in reasons.items())
    for name in (*MEASURED, "naive"):
        result = scored[name, "no-ood"]
        assert np.isfinite(result.scores.score).all() and result.cells[0].failure is None, name
        assert (result.cells[0].n_in, result.cells[0].n_out) == (6, 5)
    assert run.extraction.forwarded["shared_pass"] == sum(SIZES.values())
    assert run.data.opened == ["train", "val", "test", "ood"]


def test_scores_do_not_depend_on_the_other_rows(done):
    """Images and objects, one by one and in mixed order."""
    run, scored = done
    both = Activations(
        {name: torch.cat([run.sets["ind-test"][name], run.sets["ood"][name]]) for name in run.sets["ood"]},
        [*run.sets["ind-test"].ids, *run.sets["ood"].ids],
    )
    order = torch.randperm(both.images, generator=torch.Generator().manual_seed(0))
    for name in MEASURED:
        method = scored[name, "no-ood"].detector
        together = method.score(both.select(order))
        alone = torch.cat([method.score(both.select(row[None])) for row in order])
        torch.testing.assert_close(together, alone, msg=name)
    found = run.extraction.objects["ood"].found
    for name, one in objects_of(run).run().items():
        order = torch.randperm(found.images, generator=torch.Generator().manual_seed(1))
        alone = torch.cat([one.detector.score(found.select(row[None])) for row in order])
        torch.testing.assert_close(one.detector.score(found.select(order)), alone, msg=name)


def test_vim_of_images_is_residual_and_energy_of_detections(done):
    run, scored = done
    vim = scored["vim", "no-ood"].detector
    train = run.extraction.measure(
        "fit", [], "train", [*vim.probes(), *object_probes(objects_of(run).model_info)]
    )
    features = f"pooled.{run.model_info.layers[-1]}"
    x, test = train[features].double().numpy(), run.test[features].double().numpy()
    origin = x.mean(0)
    values, vectors = np.linalg.eigh((x - origin).T @ (x - origin))
    complement = vectors[:, : len(values) - 4]
    alpha = -train["detection_scores"][:, 1].mean() / np.linalg.norm((x - origin) @ complement, axis=1).mean()
    expected = (
        alpha * np.linalg.norm((test - origin) @ complement, axis=1)
        + run.test["detection_scores"][:, 2].numpy()
    )
    np.testing.assert_allclose(vim.score(run.test), expected, rtol=1e-6)


def test_objects_are_scored_by_methods_for_classifiers(done):
    run, _ = done
    scored = objects_of(run).run()
    assert set(scored) == set(OBJECT_METHODS)
    sets = {name: s.found for name, s in run.extraction.objects.items()}
    matched = sets["fit"]["labels"] >= 0
    assert 0 < scored["msp"].n_fit == int(matched.sum()) < sets["fit"].images
    msp = {name: 1 - softmax(x["logits"].double().numpy(), axis=1).max(1) for name, x in sets.items()}
    held_out = np.sort(msp["ind-val"])
    rank = min(int(np.ceil(0.95 * (len(held_out) + 1))), len(held_out))
    assert scored["msp"].threshold == pytest.approx(held_out[rank - 1], rel=1e-6)
    cell = scored["msp"].cells[0]
    features = f"pooled.{objects_of(run).model_info.layers[-1]}"
    bank = normalize(sets["fit"][features][matched].double())
    knn = (
        torch.cdist(normalize(sets["ood"][features].double()), bank).sort(1).values[:, min(50, len(bank)) - 1]
    )
    mine = scored["knn"].scores
    np.testing.assert_allclose(mine[mine.set == "ood"].score, knn, rtol=1e-5)
    assert list(mine[mine.set == "ood"].key) == sets["ood"].ids
    truth = run.extraction.objects["ood"].on(run.sets["ood"].ids)
    on = truth.on_unknown
    assert (cell.n_in, cell.n_out) == (sets["ind-test"].images, on.sum())
    labels = np.r_[np.zeros(len(msp["ind-test"])), np.ones(on.sum())]
    auroc = roc_auc_score(labels, np.r_[msp["ind-test"], msp["ood"][on]])
    assert cell.metrics["auroc"].value == pytest.approx(auroc)
    assert cell.unknown.n == int((truth.object_labels == -1).sum()) > 0
    assert cell.unknown.flagged + cell.unknown.taken + cell.unknown.missed == cell.unknown.n


def test_only_confident_detections_are_scored(done):
    run, _ = done
    every = {name: s.found["score"] for name, s in run.extraction.objects.items()}
    least = float(torch.cat([*every.values()]).median())
    plain = objects_of(run)
    scored = dataclasses.replace(plain, confidence=least).run()["energy"]
    assert {name: (scored.scores.set == name).sum() for name in ("ind-val", "ind-test", "ood")} == {
        name: int((every[name] >= least).sum()) for name in ("ind-val", "ind-test", "ood")
    }
    assert scored.scores.confidence.min() >= least and scored.n_calibration < len(every["ind-val"])
    assert scored.n_fit < plain.run(["energy"])["energy"].n_fit
    assert scored.cells[0].n_in == int((every["ind-test"] >= least).sum())


def test_boxes_are_drawn_of_what_was_scored(done, tmp_path, monkeypatch):
    run, _ = done
    drawn = []
    monkeypatch.setattr(
        box_pictures, "boxes_figure", lambda pictures, title, path: drawn.append((pictures, title))
    )
    monkeypatch.setattr(box_pictures, "Subset", lambda images, rows: images)
    monkeypatch.setattr(Data, "loader", lambda self, images: self._loader("ood"), raising=False)
    monkeypatch.setattr(Data, "class_names", ("car", "bus", "bike"), raising=False)
    scored = objects_of(run).run(["msp"])
    assert box_pictures.write(run, scored, 0.25, tmp_path) == [tmp_path / "objects" / "boxes-ood.png"]
    [(pictures, title)] = drawn
    assert title == "ood: detections of confidence 0.25 and more, flagged by msp"
    found, table = run.extraction.objects["ood"].found, scored["msp"].scores
    flagged = (table[table.set == "ood"].score > scored["msp"].threshold).to_numpy()
    np.testing.assert_array_equal(np.concatenate([p.boxes for p in pictures]), found["box"].double())
    np.testing.assert_array_equal(np.concatenate([p.flagged for p in pictures]), flagged)
    assert [p.object_names[0] for p in pictures[:-1]] == [None] * (len(pictures) - 1)
    assert pictures[0].image.shape == (64, 80, 3) and not pictures[-1].object_names


def test_sets_without_detections(done, detector, tmp_path):
    """In the OoD set; and anywhere."""
    run, _ = done
    whole = run.extraction.objects["ood"]
    none = whole.found.select(torch.empty(0, dtype=torch.int64))
    run.extraction.objects["ood"] = ObjectSet(none, whole.truth)
    for one in objects_of(run).run().values():
        cell = one.cells[0]
        assert cell.failure == "no detections on the OoD images" and not cell.metrics
        assert cell.unknown.missed == cell.unknown.n and cell.open_set["unknown_recall"].value == 0
    run.extraction.objects["ood"] = whole
    silent = evaluation(detector(least=2.0), Data(detector()), tmp_path / "silent")
    scored = silent.run()
    assert not silent.attempts.failures and all(
        np.isfinite(one.scores.score).all() for one in scored.values()
    )
    for one in objects_of(silent).run().values():
        assert (
            one.cells[0].failure
            == "no detection of confidence 0 on the fit set overlaps a true box of its class"
        )
        assert one.scores.empty and one.threshold is None
    assert network_metrics(silent) == {"map": 0.0, "map50": 0.0}


def test_average_precision_of_what_the_network_itself_found_is_one(done):
    run, _ = done
    objects, keys = run.extraction.objects["ind-test"], run.test.ids
    with_boxes = keys[:-1]
    assert mean_average_precision(objects, with_boxes) == {"map": 1.0, "map50": 1.0}
    assert 0 < network_metrics(run)["map"] <= 1
    truth = copy.copy(objects.truth)
    truth.tensors = {**truth.tensors, "labels": torch.full_like(truth["labels"], -1)}
    assert mean_average_precision(ObjectSet(objects.found, truth), keys) == {}


def test_a_second_run_reads_the_cache_and_a_damaged_table_is_made_anew(done, store):
    run, scored = done
    again = evaluation(run.extraction.network, run.data, store)
    same = again.run()
    assert not any(again.extraction.forwarded.values())
    assert again.extraction.from_cache == sum(SIZES.values())
    assert same["lared", "no-ood"].scores.equals(scored["lared", "no-ood"].scores)
    before = run.extraction.objects["ind-test"].found
    folder = store / run.extraction._address("test")
    max((folder / "objects").glob("*.safetensors"), key=lambda p: p.stat().st_size).write_bytes(b"cut")
    mended = evaluation(run.extraction.network, run.data, store)
    mended.run()
    assert mended.extraction.forwarded["shared_pass"] == SIZES["test"]
    after = mended.extraction.objects["ind-test"].found
    assert after.ids == before.ids and all(torch.equal(after[name], before[name]) for name in before)


def test_adversarial_validation_needs_a_classifier(detector, tmp_path):
    network = detector()
    run = evaluation(network, Data(network), tmp_path, ["mahalanobis", "msp"])
    run.protocols = ("no-ood", "fgsm-val")
    scored = run.run()
    assert "needs the loss of a classifier" in run.attempts.failures["mahalanobis", "fgsm-val"]
    assert scored["mahalanobis", "no-ood"].cells[0].failure is None
