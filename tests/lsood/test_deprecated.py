"""Names of release 0.1 warn and work; a detector class written for it scores as before; old monitors load."""

import json

import pytest
import torch

import lsood
import networks
from lsood import Activations, Detector, LaREM, ModelInfo, Monitor, NotFittedError


def test_old_names_of_modules_warn():
    with pytest.warns(DeprecationWarning, match=r"lsood\.Subject is now lsood\.ModelInfo"):
        assert lsood.Subject is ModelInfo
    with pytest.warns(DeprecationWarning, match="ForwardOutputs"):
        assert lsood.probes.Taps is lsood.probes.ForwardOutputs
    with pytest.warns(DeprecationWarning, match="TrainingConfig"):
        assert networks.TrainingRecipe is networks.TrainingConfig
    x = Activations({"a": torch.zeros(2)}, ["x", "y"], {"title": "t"})
    with pytest.warns(DeprecationWarning, match="ids"):
        assert x.keys_ == x.ids == ["x", "y"]
    with pytest.warns(DeprecationWarning, match="metadata"):
        assert x.made == {"title": "t"}


def test_a_detector_class_of_release_01_works():
    with pytest.warns(DeprecationWarning) as said:

        class Old(Detector):
            name, paper = "old", "nobody, 2025"
            unsuited = {"detection": "no boxes"}  # noqa: RUF012
            decision = 0.5

            def __init__(self, k=3):
                self.k = k

            def grid(self):
                return [{"k": 1}, {"k": 2}]

            def learn(self, inside, outside):
                self.shift_ = float(outside.mean() - inside.mean())
                return self

            def score(self, x):
                return x.double().sum(1) * self.k

    assert {str(w.message).split(";")[0] for w in said} == {
        "Old.unsuited is now unsupported_tasks", "Old.decision is now fixed_threshold",
        "Old.grid is now param_grid", "Old.learn is now fit_with_outliers",
    }  # fmt: skip
    old = Old(k=2)
    assert (old.fixed_threshold, old.get_params(), repr(old)) == (0.5, {"k": 2}, "Old(k=2)")
    assert old.param_grid() == [{"k": 1}, {"k": 2}]
    assert old.fit_with_outliers(torch.zeros(3), torch.ones(3)).shift_ == 1.0
    with pytest.raises(ValueError, match="does not apply to detection: no boxes"):
        old.attach(ModelInfo("detection", 2, ("a",), "d", (1.0,)))
    for call, expected in ((old.params, {"k": 2}), (lambda: old.variant(k=5).k, 5)):
        with pytest.warns(DeprecationWarning):
            assert call() == expected
    info = ModelInfo("classification", 2, ("a",), "d", (1.0,))
    with pytest.warns(DeprecationWarning, match="model_info"):
        assert old.attach(info).subject is info


def test_a_detector_that_is_not_fitted_says_so():
    for attribute in ("mean_", "n_components_"):
        with pytest.raises(NotFittedError, match=r"LaREM is not fitted: call fit\(train\) before"):
            getattr(LaREM(), attribute)
        assert not hasattr(LaREM(), attribute)
    with pytest.raises(NotFittedError, match="call attach"):
        LaREM().probes()
    with pytest.raises(AttributeError, match="has no attribute 'colour'"):
        _ = LaREM().colour


def test_a_monitor_of_release_01_loads(tiny, tmp_path):
    network = tiny()
    info = ModelInfo("classification", 4, ("relu1", "relu2"), "drop", (1.0, 1.0, 1.0))
    detector = LaREM(pca=2).attach(info)
    with lsood.OnePass(network, detector.probes()) as run:
        keys = [str(i) for i in range(40)]
        train = Activations(run(torch.randn(40, 3, 12, 12), keys), keys)
    scores = detector.fit(train).score(train)
    folder = Monitor.calibrated(network, detector, scores).save(tmp_path / "monitor")
    path = folder / "monitor.json"
    content = json.loads(path.read_text())
    assert content["detector"] == "larem"
    content["subject"] = content.pop("model_info")
    for spec in ("lsood.latent:LaREM", "lsood.densities:LaREM"):  # the second module does not exist
        path.write_text(json.dumps(content | {"detector": spec}))
        loaded = Monitor.load(folder, network)
        assert isinstance(loaded.detector, LaREM)
        torch.testing.assert_close(loaded.detector.score(train), scores, rtol=1e-12, atol=0)
