"""The monitor: one image, one score; the network it watches is the one it was made with, and stays as it was."""

import json
import sys

import pytest
import torch
from torch import nn

from baselines import MCDropout
from lsood import Activations, LaRED, ModelInfo, Monitor, OnePass
from lsood.detector import Detector
from lsood.methods import create
from lsood.probes.image import Logits

INFO = ModelInfo("classification", 4, ("relu1", "relu2"), "drop", (0.25, 0.25, 0.25))


def images(n, seed=0):
    return torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def keys(n, prefix="k"):
    return [f"{prefix}{i}" for i in range(n)]


def measured(network, detector, x, names):
    with OnePass(network, detector.probes(), detector.perturbations()) as run:
        return Activations(run(x, names) | {"labels": torch.arange(len(x)) % 4}, names)


def fitted(network, name="lared"):
    detector = create(name).attach(INFO)
    with OnePass(network, detector.fit_probes()) as run:
        found = Activations(run(images(60), keys(60)) | {"labels": torch.arange(60) % 4}, keys(60))
    detector.fit(found)
    return detector.calibrate(measured(network, detector, images(30, 1), keys(30)))


NAMES = ["msp", "lared", "larem", "mc-dropout", "odin", "mahalanobis-noise", "fssd"]


@pytest.mark.parametrize("name", NAMES)
def test_one_image_has_one_score_wherever_it_stands(tiny, name):
    network = tiny()
    monitor = Monitor.calibrated(network, fitted(network, name), images(40, 2), 0.1)
    x = images(6, 3)
    mixed = torch.cat([3 * images(5, 4), x.flip(0), x[:1]])
    together = monitor(mixed)[0]
    alone = torch.cat([monitor(image[None])[0] for image in x])
    torch.testing.assert_close(together[5:11].flip(0), alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together[11:], alone[:1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(monitor(x, keys(6, "other"))[0], alone, rtol=1e-4, atol=1e-5)
    same = monitor(x[:1].expand(8, -1, -1, -1))[0]
    assert (same - same[0]).abs().max() < 1e-5 * max(1, same[0].abs())


@pytest.mark.parametrize("name", ["lared", "mc-dropout"])
def test_the_threshold_is_of_the_monitors_own_masks(tiny, name):
    """100 images at 10 %: 90 of 100 lie at or below it; batches and their forms do not matter."""
    network, x = tiny(), images(99, 5)
    detector = fitted(network, name)
    monitor = Monitor.calibrated(network, detector, x, 0.1)
    assert monitor(x)[1].sum() in (9, 10) and monitor.calibration_size == 99
    batches = [{"image": x[:50], "key": keys(50)}, {"image": x[50:], "key": keys(49)}]
    for form in (batches, [(b["image"], 0) for b in batches], iter([x[:7], x[7:]])):
        again = Monitor.calibrated(network, detector, form, 0.1)
        assert again.threshold == pytest.approx(monitor.threshold, rel=1e-4)
    with pytest.raises(ValueError, match=r"0\.001 needs more than 99 validation images; .* give is 0\.01"):
        Monitor.calibrated(network, detector, x, 0.001)
    with pytest.raises(ValueError, match=r"must be \(B, C, H, W\)"):
        Monitor.calibrated(network, detector, [["a"]], 0.1)


def test_scores_of_keyed_masks_need_keys(tiny, tmp_path):
    """A threshold of benchmark scores is right for such scores only; methods that do not sample take either."""
    network, x = tiny(), images(40, 2)
    detector = fitted(network)
    scores = detector.score(measured(network, detector, x, keys(40)))
    monitor = Monitor.calibrated(network, detector, validation_scores=scores, false_alarm_rate=0.1)
    torch.testing.assert_close(monitor(x[3:5], ["k3", "k4"])[0], scores[3:5])
    monitor.save(tmp_path / "monitor")
    for one in (monitor, Monitor.load(tmp_path / "monitor", network)):
        with pytest.raises(ValueError, match="masks by image key: give the images' keys, or make it with"):
            one(x[:2])
    plain = fitted(network, "msp")
    scores = plain.score(measured(network, plain, x, keys(40)))
    assert torch.allclose(Monitor.calibrated(network, plain, scores)(x[:2])[0], scores[:2])


class WithNorm(nn.Module):
    def __init__(self, classes=4):
        super().__init__()
        self.conv1, self.norm, self.relu1 = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()
        self.drop, self.conv2, self.relu2 = nn.Dropout2d(0.3), nn.Conv2d(8, 12, 3), nn.ReLU(inplace=True)
        self.head = nn.Linear(12, classes)

    def forward(self, x):
        x = self.drop(self.relu1(self.norm(self.conv1(x))))
        return self.head(self.relu2(self.conv2(x)).mean((2, 3)))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return WithNorm().eval()


@pytest.mark.parametrize("name", NAMES)
def test_it_leaves_the_network_as_it_was(network, name):
    detector = fitted(network, name)
    monitor, x = Monitor.calibrated(network, detector, images(40, 2), 0.1), images(4, 3)
    expected = monitor(x)[0]
    network.train()
    network.drop.eval()
    network.requires_grad_(True)
    network.conv2.weight.requires_grad_(False)
    network.conv1.bias.grad = torch.ones(8)
    layout = [p.stride() for p in network.parameters()]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    rng = torch.random.get_rng_state()
    assert torch.equal(monitor(x)[0], expected)
    assert network.training and network.norm.training and not network.drop.training
    assert [n for n, p in network.named_parameters() if not p.requires_grad] == ["conv2.weight"]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [p.stride() for p in network.parameters()] == layout and torch.equal(
        network.conv1.bias.grad, torch.ones(8)
    )
    assert not any(
        m._forward_hooks or m._forward_pre_hooks or "forward" in vars(m) for m in network.modules()
    )
    assert torch.equal(torch.random.get_rng_state(), rng) and not x.requires_grad


def test_an_error_leaves_the_network_as_it_was_too(network):
    monitor = Monitor.calibrated(network, fitted(network), images(40, 2))
    network.train().requires_grad_(True)
    with pytest.raises(ValueError, match=r"not finite .* image '1'"):
        monitor(torch.cat([images(1), torch.full((1, 3, 16, 16), torch.nan)]))
    assert network.training and all(p.requires_grad for p in network.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


@pytest.mark.parametrize("name", NAMES)
def test_inside_inference_mode_and_autocast(network, name, tmp_path):
    monitor, x = Monitor.calibrated(network, fitted(network, name), images(40, 2), 0.1), images(4, 3)
    expected = monitor(x)[0]
    monitor.save(tmp_path / "monitor")
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        made_inside = x.clone()
        assert torch.equal(monitor(made_inside)[0], expected)
        found = Monitor.load(tmp_path / "monitor", network)(made_inside)[0]
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    with torch.no_grad():
        assert torch.equal(monitor(x)[0], expected)


def test_weights_made_inside_inference_mode(network):
    detector = fitted(network, "odin")
    with torch.inference_mode():
        other = WithNorm()
    with pytest.raises(ValueError, match=r"weights were made inside torch\.inference_mode"):
        Monitor(other, detector, 0.0, 0.05, 40)
    assert Monitor(other, fitted(network, "msp"), 0.0, 0.05, 40)(images(2))[0].shape == (2,)


def test_another_network_is_refused(network, tmp_path, tiny):
    Monitor.calibrated(network, fitted(network), images(40, 2)).save(tmp_path / "monitor")
    others = [
        (WithNorm(), "other weights"),
        (WithNorm(7), "7 instead of 4 outputs"),
        (tiny(), "a TinyNet instead of a WithNorm"),
    ]
    for other, message in others:
        with pytest.raises(
            ValueError, match=rf"calibrated for another network \({message}\).*calibrate anew"
        ):
            Monitor.load(tmp_path / "monitor", other)
    same = WithNorm().eval()
    same.load_state_dict(network.state_dict())
    Monitor.load(tmp_path / "monitor", same)


@pytest.mark.parametrize("change", ["trained", "loaded", "statistics", "replaced", "data"])
def test_a_network_that_changes_under_the_monitor_is_refused(network, change, tmp_path):
    monitor, x = Monitor.calibrated(network, fitted(network), images(40, 2)), images(8, 3)
    monitor(x)
    if change == "trained":
        network.train().requires_grad_(True)
        optimiser = torch.optim.SGD(network.parameters(), 0.1)
        network(x).sum().backward()
        optimiser.step()
    elif change == "loaded":
        network.load_state_dict(WithNorm().state_dict())
    elif change == "statistics":
        network.train()(x)
    elif change == "replaced":
        network.head = nn.Linear(12, 4)
    else:
        network.head.weight.data = torch.rand(4, 12)
    with pytest.raises(ValueError, match=r"the monitor was calibrated for another network \(other weights\)"):
        monitor(x)
    with pytest.raises(ValueError, match="another network"):
        monitor.save(tmp_path / "monitor")


def test_weights_written_anew_with_the_same_values_are_the_same(network):
    monitor, x = Monitor.calibrated(network, fitted(network), images(40, 2)), images(3)
    expected = monitor(x)[0]
    network.load_state_dict({name: value.clone() for name, value in network.state_dict().items()})
    assert torch.equal(monitor(x)[0], expected)


def saved(network, tmp_path):
    return Monitor.calibrated(network, fitted(network), images(40, 2)).save(tmp_path / "monitor")


def change(folder, **fields):
    content = json.loads((folder / "monitor.json").read_text())
    (folder / "monitor.json").write_text(json.dumps(content | fields))


class Own(Detector):
    """Not registered."""

    name = "own"

    def probes(self):
        return [Logits()]

    def score(self, x):
        return x[Logits().name][:, 0].double()


def test_no_code_that_the_file_names_is_run(network, tmp_path, monkeypatch):
    folder = saved(network, tmp_path)
    (tmp_path / "surprise.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nclass X: pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for spec in ("surprise:X", "surprise.py:X", f"{tmp_path / 'surprise.py'}:X", "os:system", "nonsense"):
        change(folder, detector=spec)
        with pytest.raises(ValueError, match=r"which is no registered method; .* pass trust=True"):
            Monitor.load(folder, network)
    assert not (tmp_path / "ran").exists() and "surprise" not in sys.modules
    change(folder, detector="surprise.py:X")
    with pytest.raises(ValueError, match="is not a detector"):
        Monitor.load(folder, network, trust=True)
    assert (tmp_path / "ran").exists()


def test_a_detector_of_ones_own_with_trust(network, tmp_path):
    monitor = Monitor.calibrated(network, Own().attach(INFO), images(40, 2))
    folder = monitor.save(tmp_path / "monitor")
    with pytest.raises(ValueError, match="no registered method"):
        Monitor.load(folder, network)
    again = Monitor.load(folder, network, trust=True)
    assert torch.equal(again(images(3))[0], monitor(images(3))[0])


DAMAGE = [
    ("monitor.json", "{", "monitor.json is damaged: "),
    ("monitor.json", "[]", "monitor.json is damaged: not a mapping"),
    ("monitor.json", "{}", "monitor.json is damaged: 'detector' is missing"),
    ("monitor.json", "[" * 100_000, "monitor.json is damaged"),
    ("state.safetensors", "x" * 100, "state.safetensors is damaged: its sha256"),
]


@pytest.mark.parametrize(("name", "text", "message"), DAMAGE, ids=lambda value: value[:20])
def test_damaged_files(network, tmp_path, name, text, message):
    folder = saved(network, tmp_path)
    (folder / name).write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        Monitor.load(folder, network)
    assert "\n" not in str(error.value)


FIELDS = [
    ({"threshold": float("nan")}, "the threshold is not a number"),
    ({"threshold": "1"}, "'threshold' is missing or no"),
    ({"params": {"colour": 1}}, "lared has no argument 'colour'"),
    ({"params": {"pca": -1}}, "damaged: pca must be"),
    ({"model_info": {"colour": 1}}, "damaged: .*colour"),
    ({"detector": "knn", "params": {}, "state_sha256": None}, "."),
    ({"image_shape": [3, 16]}, "'image_shape' is no shape"),
    ({"image_shape": "3x16x16"}, "'image_shape' is no shape"),
    ({"image_shape": [3, 16, True]}, "'image_shape' is no shape"),
]


@pytest.mark.parametrize(("fields", "message"), FIELDS, ids=str)
def test_wrong_fields(network, tmp_path, fields, message):
    folder = saved(network, tmp_path)
    change(folder, **fields)
    with pytest.raises(ValueError, match=message):
        monitor = Monitor.load(folder, network)
        monitor(images(2))


def test_a_state_sets_fitted_attributes_alone():
    for name in ("score", "__class__", "_model_info_", "a b_", "centres_.999999999", "centres_.x"):
        with pytest.raises(ValueError, match=r"lared: .* is no "):
            LaRED.from_state({name: torch.zeros(1)})
    assert MCDropout(3).passes == 3


def test_a_monitor_saved_before_networks_were_checked(network, tmp_path, caplog):
    folder = saved(network, tmp_path)
    content = json.loads((folder / "monitor.json").read_text())
    for name in ("network", "masks", "state_sha256"):
        del content[name]
    (folder / "monitor.json").write_text(json.dumps(content))
    monitor = Monitor.load(folder, network)
    assert "does not say which network it was made for" in caplog.text
    assert monitor.masks == "keys" and monitor(images(2), ["a", "b"])[0].shape == (2,)


def test_images_of_another_size_than_the_threshold_is_of(network, tmp_path):
    Monitor.calibrated(network, fitted(network, "fssd"), images(40, 2)).save(tmp_path / "fssd")
    Monitor.calibrated(network, fitted(network, "msp"), images(40, 2)).save(tmp_path / "msp")
    smaller, monitor = images(2)[:, :, :8], Monitor.load(tmp_path / "fssd", network)
    with pytest.raises(
        ValueError, match=r"one size: the monitor's are 3 x 16 x 16, these are 3 x 8 x 16; resize"
    ):
        monitor(smaller)
    assert len(monitor(images(2))[0]) == 2
    assert len(Monitor.load(tmp_path / "msp", network)(smaller)[0]) == 2
