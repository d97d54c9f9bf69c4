"""One pass for everything: counts, batch independence, perturbations, activations on disk, the monitor."""

import json

import pytest
import torch

from baselines import FSSD, ODIN, FSSDNoise, Mahalanobis, MahalanobisNoise
from lsood import Activations, Detector, LaRED, LaREM, ModelInfo, Monitor, OnePass
from lsood.methods import create
from lsood.probes.image import Confusion, Logits, Pooled, SingularityDistances, standard_probes

MODEL_INFO = ModelInfo("classification", 4, ("relu1", "relu2"), "drop", (0.25, 0.25, 0.25))


def images(n, seed=0):
    return torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def keys(n, prefix="k"):
    return [f"{prefix}{i}" for i in range(n)]


def measure(network, detectors, x, names, perturbed=True, batch=8):
    probes = standard_probes(MODEL_INFO) + [p for d in detectors for p in d.probes()]
    steps = [s for d in detectors for s in d.perturbations()] if perturbed else []
    with OnePass(network, probes, steps) as run:
        starts = range(0, len(x), batch)
        parts = [run(x[i : i + batch], names[i : i + batch]) for i in starts]
    joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return Activations(joined | {"labels": torch.arange(len(x)) % 4}, names), run.forwarded


def fitted(network):
    detectors = [
        kind().attach(MODEL_INFO)
        for kind in (
            create("msp").__class__,
            ODIN,
            Mahalanobis,
            MahalanobisNoise,
            FSSD,
            FSSDNoise,
            LaRED,
            LaREM,
        )
    ]
    train, _ = measure(network, detectors, images(40), keys(40), perturbed=False)
    for detector in detectors:
        detector.fit(train)
    held_out, _ = measure(network, detectors, images(24, 1), keys(24, "v"))
    return [detector.calibrate(held_out) for detector in detectors]


def test_every_image_is_forwarded_once_plus_once_per_perturbation(tiny):
    network = tiny()
    detectors = fitted(network)
    _, counts = measure(network, detectors, images(30, 2), keys(30))
    assert counts == {"preparation": 100, "shared_pass": 30, "perturbed": 3 * 30}


def test_scores_do_not_depend_on_batch_mates(tiny):
    """One by one, and in a shuffled batch mixed with other images."""
    network = tiny()
    detectors = fitted(network)
    x, names = images(12, 5), keys(12, "t")
    mixed = torch.cat([x, 3 * images(12, 6)])
    order = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    all_names = [*names, *keys(12, "o")]
    alone, _ = measure(network, detectors, x, names, batch=1)
    together, _ = measure(network, detectors, mixed[order], [all_names[i] for i in order], batch=24)
    place = {name: i for i, name in enumerate(together.ids)}
    for detector in detectors:
        again = detector.score(together)[[place[name] for name in names]]
        torch.testing.assert_close(again, detector.score(alone), rtol=1e-4, atol=1e-4, msg=detector.name)


@pytest.mark.parametrize("kind", [MahalanobisNoise, FSSDNoise])
def test_no_step_equals_the_shared_pass(tiny, kind):
    network = tiny()
    detector = kind(epsilon=1e-12).attach(MODEL_INFO)
    train, _ = measure(network, [detector], images(40), keys(40), perturbed=False)
    detector.fit(train)
    x, _ = measure(network, [detector], images(10, 3), keys(10))
    torch.testing.assert_close(
        x[detector.perturbations()[0].name].double(), detector.clean(x), rtol=1e-4, atol=1e-4
    )


def test_input_noise_has_the_right_sign(tiny):
    """ODIN raises the confidence, Mahalanobis lowers the distance, FSSD lowers the distance to the singularity."""
    network = tiny()
    odin = ODIN(temperature=1.0, epsilon=0.002).attach(MODEL_INFO)
    maha = MahalanobisNoise(epsilon=0.002).attach(MODEL_INFO)
    fssd = FSSDNoise(epsilon=0.002).attach(MODEL_INFO)
    detectors = [odin, maha, fssd]
    train, _ = measure(network, detectors, images(40), keys(40), perturbed=False)
    maha.fit(train)
    fssd.fit(train)
    x, _ = measure(network, detectors, images(20, 4), keys(20))
    assert (x[odin.perturbations()[0].name] < create("msp").attach(MODEL_INFO).score(x)).all()
    moved = x[maha.perturbations()[0].name].double() / maha.step_std_
    assert (moved.sum(1) < (maha.clean(x) / maha.step_std_).sum(1)).all()
    moved = x[fssd.perturbations()[0].name].double() / fssd.step_std_
    assert (moved.sum(1) > (fssd.clean(x) / fssd.step_std_).sum(1)).all()


def test_segmentation_probes(tiny):
    network = tiny(dense=True)
    target = torch.randint(0, 4, (5, 16, 16), generator=torch.Generator().manual_seed(0))
    target[:, :4] = 255
    with OnePass(network, [Confusion(4)]) as run:
        found = run(images(5), keys(5), target)["confusion"]
    predicted = network(images(5)).argmax(1)
    for image in range(5):
        for truth in range(4):
            for guess in range(4):
                expected = ((target[image] == truth) & (predicted[image] == guess)).sum()
                assert found[image, truth, guess] == expected


def test_singularity_is_the_mean_feature_of_the_authors_noise(tiny):
    network = tiny()
    probe = SingularityDistances(("relu2",), noise=30, chunk=7)
    with OnePass(network, [probe]) as run:
        distance = run(images(3), keys(3))[probe.name][:, 0]
    pixels = torch.randint(0, 255, (30, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    features = network.relu2(network.conv2(network.relu1(network.conv1((pixels - 127.5) / 255))))
    mine = network.relu2(network.conv2(network.relu1(network.conv1(images(3)))))
    torch.testing.assert_close(distance, (mine - features.mean(0)).flatten(1).norm(dim=1))


def test_images_of_another_size_than_the_noise_are_refused_by_fssd(tiny):
    with OnePass(tiny(), [SingularityDistances(("relu1",), noise=4)]) as run:
        run(images(2), keys(2))
        with pytest.raises(
            ValueError, match=r"relu1 gives .* x 8 x 16 for an image and .* x 16 x 16 for the noise"
        ):
            run(images(2)[:, :, :8], keys(2))


def test_unknown_layers_and_not_finite_values_are_named(tiny):
    with pytest.raises(ValueError, match="no layer 'relu9'; it has: conv1"):
        OnePass(tiny(), [Pooled("relu9")])
    x = images(3)
    x[1, 0, 0, 0] = torch.nan
    with (
        OnePass(tiny(), [Logits()]) as run,
        pytest.raises(ValueError, match=r"logits is not finite .* image 'k1'"),
    ):
        run(x, keys(3))


def test_hooks_are_removed(tiny):
    network = tiny()
    with OnePass(network, standard_probes(MODEL_INFO)) as run:
        run(images(2), keys(2))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


def test_activations_round_trip_add_and_survive_damage(tmp_path):
    first = Activations({"a": torch.rand(5, 3), "b": torch.arange(5)}, keys(5), {"network": "x"})
    first.save(tmp_path)
    Activations({"c": torch.rand(5)}, keys(5), {"network": "x"}).save(tmp_path)
    again = Activations.load(tmp_path)
    assert set(again) == {"a", "b", "c"}
    assert again.ids == first.ids
    torch.testing.assert_close(again["a"], first["a"], rtol=0, atol=0)
    index = json.loads((tmp_path / "activations.json").read_text())
    damaged = tmp_path / index["tensors"]["a"]["file"]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    (tmp_path / index["tensors"]["b"]["file"]).write_bytes(b"")
    assert set(Activations.load(tmp_path)) == {"c"}
    (tmp_path / "activations.json").write_text("{")
    with pytest.raises(FileNotFoundError, match="no activations"):
        Activations.load(tmp_path)
    assert not list(tmp_path.glob("*.part"))


def test_activations_of_other_images_replace_the_old(tmp_path):
    Activations({"a": torch.rand(5, 3)}, keys(5)).save(tmp_path)
    Activations({"b": torch.rand(2)}, keys(2)).save(tmp_path)
    assert set(Activations.load(tmp_path)) == {"b"}
    with pytest.raises(ValueError, match="a has 3 rows for 2 images"):
        Activations({"a": torch.rand(3)}, keys(2))


@pytest.mark.parametrize(
    "name", ["msp", "odin", "mahalanobis", "mahalanobis-noise", "fssd", "lared", "larem"]
)
def test_monitor_round_trip(tiny, tmp_path, name):
    network = tiny()
    detector = create(name).attach(MODEL_INFO)
    train, _ = measure(network, [detector], images(40), keys(40), perturbed=False)
    detector.fit(train)
    held_out, _ = measure(network, [detector], images(40, 1), keys(40, "v"))
    scores = detector.calibrate(held_out).score(held_out)
    monitor = Monitor.calibrated(network, detector, scores, false_alarm_rate=0.1)
    monitor.save(tmp_path / "monitor")
    again = Monitor.load(tmp_path / "monitor", tiny())
    x, names = images(9, 7), keys(9)
    expected, alarms = monitor(x, names)
    found, found_alarms = again(x, names)
    torch.testing.assert_close(found, expected)
    assert torch.equal(found_alarms, alarms)
    assert again.calibration_size == 40
    assert (monitor(images(40, 1), keys(40, "v"))[1].float().mean()) <= 0.1
    with pytest.raises(FileExistsError):
        monitor.save(tmp_path / "monitor")


def test_loading_no_monitor(tmp_path, tiny):
    with pytest.raises(FileNotFoundError, match="no monitor in"):
        Monitor.load(tmp_path, tiny())


def test_methods_by_name():
    assert create("mahalanobis@relu1").layer == "relu1"
    assert isinstance(create("lsood.latent:LaRED"), LaRED)
    with pytest.raises(
        ValueError, match=r"unknown method 'larred'; did you mean 'lared'\? methods: .*deep-ensemble"
    ):
        create("larred")
    with pytest.raises(ValueError, match=r"not a subclass of lsood\.Detector"):
        create("json:dumps")
    with pytest.raises(ValueError, match="no feature layer 'x'; there are: relu1, relu2"):
        create("fssd@x").attach(MODEL_INFO)
    with pytest.raises(ValueError, match="over must be one of kept, proposals, got 'relu1'"):
        create("msp@relu1")
    assert issubclass(create("msp").__class__, Detector)
