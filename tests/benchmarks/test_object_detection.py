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
from benchmarks.levels import object_pictures
from benchmarks.levels.image import ImageLevel
from benchmarks.levels.object import ObjectLevel, object_model_info
from benchmarks.naive import Naive
from benchmarks.pipeline.config import Settings
from benchmarks.pipeline.evaluation import Evaluation
from benchmarks.pipeline.extraction import Extraction
from benchmarks.pipeline.level_methods import LevelMethods
from benchmarks.pipeline.scoring import Scoring
from benchmarks.tasks.base import model_info_of
from benchmarks.tasks.detection import Detection, mean_average_precision
from lsood import Activations
from lsood.extraction.objects import ObjectSet
from lsood.methods import create

MEASURED = (
    "msp", "msp@proposals", "energy", "energy@proposals", "max-logit", "entropy", "gen", "gen@proposals",
    "mahalanobis", "mahalanobis-noise", "knn", "vim", "residual", "lared", "larem", "lard", "mc-dropout",
    "mc-dropout-mi", "mds-pp", "cop", "corp@features=64", "neco",
)  # fmt: skip
REFUSED = {
    "odin": "odin does not apply to detection: its step follows one confidence",
    "fssd": "fssd does not apply to detection: images differ in size",
    "rankfeat": "rankfeat does not apply to detection",
    "react": "react needs a classifier",
    "she": "she needs a classifier",
    "temp-scale": "temp-scale needs one vector of logits per image",
    "relative-mahalanobis": "relative-mahalanobis is 0 everywhere where images have no class",
    "rmds-pp": "rmds-pp is 0 everywhere where images have no class: use mds-pp",
    "nci": "nci needs a classifier",
    "ras": "ras needs a classifier",
    "cadref": "cadref needs a classifier",
    "caref": "caref needs a classifier",
    "outlier-exposure": "outlier-exposure does not apply to detection",
    "vmdls": "vmdls does not apply to detection",
    "deep-ensemble": "needs at least two networks",
}
OBJECT_METHODS = (
    *Detection.default_methods["object"], "mds-pp", "rmds-pp", "nci", "ras", "cadref", "caref", "cop",
    "corp@features=64", "neco",
)  # fmt: skip
SIZES = {"train": 10, "val": 6, "test": 6, "ood": 5}


FEW_IMAGES = {"vim": lambda name: ViM(dimension=4), "residual": lambda name: Residual(dimension=4)}


class Data:
    """What an evaluation asks of a data module; boxes are what the detector itself finds, every fourth one of no class
    on OoD images; the last image of every set has none.
    """

    task, name, origin, num_classes = "detection", "boxes", "miniature", 3
    mean, std = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    sequence_of, ood, calibrated_on = staticmethod(lambda key: None), ("ood",), None
    spec, leave_one_out = name, False

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
            name=name,
            keys=keys,
            sources=keys,
            fingerprint=name,
            origin="miniature",
            masked=False,
            boxed=True,
            left_out=(),
            synthetic="",
            smallest_components=None,
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


def evaluation(network, data, store, names=MEASURED, confidence=0.0, protocols=("no-ood",)):
    settings = Settings(ind="boxes", ood=("ood",), mc_samples=6)
    model_info = model_info_of(network, data, settings, 0, Detection)
    detectors = {name: FEW_IMAGES.get(name, create)(name) for name in names} | {"naive": Naive()}
    objects = ObjectLevel(data, object_model_info(network, model_info), confidence)
    methods = [
        LevelMethods(ImageLevel(data, model_info), detectors),
        LevelMethods(objects, {name: create(name) for name in OBJECT_METHODS}),
    ]
    return Evaluation(
        Extraction(network, "h", "p", store),
        data,
        methods,
        protocols=protocols,
        unsupported_protocols=Detection.unsupported_protocols,
    )


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
    reasons = {case[0]: reason for case, reason in run.methods[0].failures.reasons.items()}
    assert set(reasons) == set(REFUSED)
    assert all(REFUSED[name] in reason for name, reason in reasons.items())
    for name in (*MEASURED, "naive"):
        result = scored.of(name)
        assert np.isfinite(result.scores.score).all() and result.cells[0].failure is None, name
        assert (result.cells[0].n_in, result.cells[0].n_out) == (6, 5)
    assert run.extraction.forwarded["shared_pass"] == sum(SIZES.values())
    assert run.data.opened == ["train", "val", "test", "ood"]


def test_scores_do_not_depend_on_the_other_rows(done):
    """Images and objects, one by one and in mixed order."""
    _, scored = done
    test, ood = scored.sets["ind-test"].images, scored.sets["ood"].images
    both = Activations({name: torch.cat([test[name], ood[name]]) for name in ood}, [*test.ids, *ood.ids])
    order = torch.randperm(both.images, generator=torch.Generator().manual_seed(0))
    for name in MEASURED:
        method = scored.of(name).detector
        together = method.score(both.select(order))
        alone = torch.cat([method.score(both.select(row[None])) for row in order])
        torch.testing.assert_close(together, alone, msg=name)
    found = scored.sets["ood"].objects.found
    for name in OBJECT_METHODS:
        method = scored.of(name, level="object").detector
        order = torch.randperm(found.images, generator=torch.Generator().manual_seed(1))
        alone = torch.cat([method.score(found.select(row[None])) for row in order])
        torch.testing.assert_close(method.score(found.select(order)), alone, msg=name)


def fit_set(run):
    """The measurement of the fit set, from the cache."""
    probes = []
    for own in run.methods:
        probes += [*own.level.probes(), *own.level.fit_probes_of(own.fitted(own.cases(run.protocols)))]
    return run.extraction.measure("fit", [], "train", probes)


def test_vim_of_images_is_residual_and_energy_of_detections(done):
    run, scored = done
    vim, train, test = scored.of("vim").detector, fit_set(run).images, scored.sets["ind-test"].images
    features = f"pooled.{vim.model_info.layers[-1]}"
    x, y = train[features].double().numpy(), test[features].double().numpy()
    origin = x.mean(0)
    values, vectors = np.linalg.eigh((x - origin).T @ (x - origin))
    complement = vectors[:, : len(values) - 4]
    alpha = -train["detection_scores"][:, 1].mean() / np.linalg.norm((x - origin) @ complement, axis=1).mean()
    expected = (
        alpha * np.linalg.norm((y - origin) @ complement, axis=1) + test["detection_scores"][:, 2].numpy()
    )
    np.testing.assert_allclose(vim.score(test), expected, rtol=1e-6)


def test_objects_are_scored_by_methods_for_classifiers(done):
    run, scored = done
    sets = {name: one.objects.found for name, one in scored.sets.items()} | {
        "fit": fit_set(run).objects.found
    }
    matched = sets["fit"]["labels"] >= 0
    first = scored.of("msp", level="object")
    assert 0 < first.n_fit == int(matched.sum()) < sets["fit"].images
    msp = {name: 1 - softmax(x["logits"].double().numpy(), axis=1).max(1) for name, x in sets.items()}
    held_out = np.sort(msp["ind-val"])
    rank = min(int(np.ceil(0.95 * (len(held_out) + 1))), len(held_out))
    assert first.threshold == pytest.approx(held_out[rank - 1], rel=1e-6)
    cell = first.cells[0]
    features = f"pooled.{first.detector.model_info.layers[-1]}"
    bank = normalize(sets["fit"][features][matched].double())
    knn = (
        torch.cdist(normalize(sets["ood"][features].double()), bank).sort(1).values[:, min(50, len(bank)) - 1]
    )
    mine = scored.of("knn", level="object").scores
    np.testing.assert_allclose(mine[mine.set == "ood"].score, knn, rtol=1e-5)
    assert list(mine[mine.set == "ood"].key) == sets["ood"].ids
    truth = scored.sets["ood"].objects.on(scored.sets["ood"].images.ids)
    on = truth.on_unknown
    assert (cell.n_in, cell.n_out) == (sets["ind-test"].images, on.sum())
    labels = np.r_[np.zeros(len(msp["ind-test"])), np.ones(on.sum())]
    auroc = roc_auc_score(labels, np.r_[msp["ind-test"], msp["ood"][on]])
    assert cell.metrics["auroc"].value == pytest.approx(auroc)
    assert cell.counts["unknown"] == int((truth.object_labels == -1).sum()) > 0
    assert sum(cell.counts[name] for name in ("flagged", "taken", "missed")) == cell.counts["unknown"]


def test_methods_that_cannot_score_single_objects_say_why(done, detector, tmp_path):
    network = detector()
    run = evaluation(network, Data(network), tmp_path, ["msp"])
    names = ("odin", "mc-dropout", "fssd", "kde-classifier", "lared")
    run.methods[1] = LevelMethods(run.methods[1].level, {name: create(name) for name in names})
    run.run()
    reasons = {case[0]: reason for case, reason in run.methods[1].failures.reasons.items()}
    assert reasons["odin"] == "odin takes input steps, which exist for whole images only"
    assert "which is not measured for single objects" in reasons["mc-dropout"] and "fss." in reasons["fssd"]
    assert reasons["kde-classifier"] == "kde-classifier needs protocol oracle-val, which object level lacks"
    assert "lared" not in reasons


def test_only_confident_detections_are_scored(done, store):
    run, plain = done
    every = {name: one.objects.found["score"] for name, one in plain.sets.items()}
    least = float(torch.cat([*every.values()]).median())
    found = evaluation(run.extraction.network, run.data, store, ["msp"], least).run()
    scored = found.of("energy", level="object")
    assert {name: (scored.scores.set == name).sum() for name in ("ind-val", "ind-test", "ood")} == {
        name: int((every[name] >= least).sum()) for name in ("ind-val", "ind-test", "ood")
    }
    assert scored.scores.confidence.min() >= least and scored.n_calibration < len(every["ind-val"])
    assert scored.n_fit < plain.of("energy", level="object").n_fit
    assert scored.cells[0].n_in == int((every["ind-test"] >= least).sum())


def test_boxes_are_drawn_of_what_was_scored(done, tmp_path, monkeypatch):
    run, scored = done
    drawn = []
    monkeypatch.setattr(
        object_pictures, "boxes_figure", lambda pictures, title, path: drawn.append((pictures, title))
    )
    monkeypatch.setattr(object_pictures, "Subset", lambda images, rows: images)
    monkeypatch.setattr(Data, "loader", lambda self, images: self._loader("ood"), raising=False)
    monkeypatch.setattr(Data, "class_names", ("car", "bus", "bike"), raising=False)
    one = scored.of("msp", level="object")
    written = object_pictures.write(run.data, [one], 0.25, tmp_path)
    assert written == [tmp_path / "objects" / "boxes-ood.png"]
    [(pictures, title)] = drawn
    assert title == "ood: detections of confidence 0.25 and more, flagged by msp"
    found, table = scored.sets["ood"].objects.found, one.scores
    flagged = (table[table.set == "ood"].score > one.threshold).to_numpy()
    np.testing.assert_array_equal(np.concatenate([p.boxes for p in pictures]), found["box"].double())
    np.testing.assert_array_equal(np.concatenate([p.flagged for p in pictures]), flagged)
    assert [p.object_names[0] for p in pictures[:-1]] == [None] * (len(pictures) - 1)
    assert pictures[0].image.shape == (64, 80, 3) and not pictures[-1].object_names


def test_sets_without_detections(done, detector, tmp_path):
    """In the OoD set; and anywhere."""
    run, scored = done
    whole = scored.sets["ood"]
    none = whole.objects.found.select(torch.empty(0, dtype=torch.int64))
    sets = {**scored.sets, "ood": dataclasses.replace(whole, objects=ObjectSet(none, whole.objects.truth))}
    objects = run.methods[1]
    scoring = Scoring(objects.level, sets, 0.05, "cpu", objects.failures)
    for name in OBJECT_METHODS:
        cell = scoring.of((name, "no-ood"), objects.detectors[name], {"": objects.detectors[name]}).cells[0]
        assert cell.failure == "no detections on the OoD images" and not cell.metrics
        assert cell.counts["missed"] == cell.counts["unknown"]
        assert cell.blocks["open-set"].metrics["unknown_recall"].value == 0
    silent = evaluation(detector(least=2.0), Data(detector()), tmp_path / "silent")
    found = silent.run()
    assert not silent.methods[0].failures.reasons
    assert all(np.isfinite(one.scores.score).all() for one in found.scored if one.level == "image")
    for name in OBJECT_METHODS:
        one = found.of(name, level="object")
        assert (
            one.cells[0].failure
            == "no detection of confidence 0 and more on the fit set overlaps a true box of its class"
        )
        assert one.scores.empty and one.threshold is None
    assert Detection.network_metrics(found.sets["ind-test"]) == {"map": 0.0, "map50": 0.0}


def test_average_precision_of_what_the_network_itself_found_is_one(done):
    test = done[1].sets["ind-test"]
    objects, keys = test.objects, test.images.ids
    with_boxes = keys[:-1]
    assert mean_average_precision(objects, with_boxes) == {"map": 1.0, "map50": 1.0}
    assert 0 < Detection.network_metrics(test)["map"] <= 1
    truth = copy.copy(objects.truth)
    truth.tensors = {**truth.tensors, "labels": torch.full_like(truth["labels"], -1)}
    assert mean_average_precision(ObjectSet(objects.found, truth), keys) == {}


def test_a_second_run_reads_the_cache_and_a_damaged_table_is_made_anew(done, store):
    run, scored = done
    again = evaluation(run.extraction.network, run.data, store)
    same = again.run()
    assert not any(again.extraction.forwarded.values())
    assert again.extraction.from_cache == sum(SIZES.values())
    assert same.of("lared").scores.equals(scored.of("lared").scores)
    before = scored.sets["ind-test"].objects.found
    folder = store / run.extraction._address("test")
    max((folder / "objects").glob("*.safetensors"), key=lambda p: p.stat().st_size).write_bytes(b"cut")
    mended = evaluation(run.extraction.network, run.data, store)
    after = mended.run().sets["ind-test"].objects.found
    assert mended.extraction.forwarded["shared_pass"] == SIZES["test"]
    assert after.ids == before.ids and all(torch.equal(after[name], before[name]) for name in before)


def test_adversarial_validation_needs_a_classifier(detector, tmp_path):
    network = detector()
    run = evaluation(network, Data(network), tmp_path, ["mahalanobis"], protocols=("no-ood", "fgsm-val"))
    scored = run.run()
    assert "needs the loss of a classifier" in run.methods[0].failures.reasons["mahalanobis", "fgsm-val"]
    assert scored.of("mahalanobis").cells[0].failure is None


def test_beside_known_objects_detections_count_where_they_overlap_an_unknown_one():
    """Also where hazards were painted in; not where anomalies were drawn, which change known objects too."""
    overlap = np.array([True, False])
    mixed = SimpleNamespace(object_labels=np.array([0, -1]), unknown=np.array([1]), on_unknown=overlap)
    for outside, synthetic, expected in (
        (mixed, "", overlap),
        (mixed, "anomalies", None),
        (SimpleNamespace(object_labels=np.array([-1]), unknown=np.array([0]), on_unknown=overlap), "", None),
    ):
        assert ObjectLevel._compared(None, outside, SimpleNamespace(synthetic=synthetic)) is expected
