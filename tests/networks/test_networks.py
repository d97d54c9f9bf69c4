"""Networks, their training and their weights on disk."""

import os
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from datamodules.base import EpochSampler
from lsood import Hook
from lsood.masks import RANDOM_LAYERS
from networks import (
    NETWORKS,
    TrainingRecipe,
    build,
    fit,
    focal_loss,
    load_weights,
    save_weights,
    weights_hash,
)

SMALL = [name for name in NETWORKS if name != "deeplabv3plus"]


@pytest.mark.parametrize("name", SMALL)
def test_shapes_and_hooked_layers(name):
    network = build(name, 7).eval()
    task = NETWORKS[name].task
    sizes = [(28, 28)] if name == "lenet" else [(32, 32), (45, 70)]
    layers = [*network.feature_layers, network.latent_layer]
    assert isinstance(network.get_submodule(network.latent_layer), RANDOM_LAYERS)
    for size in sizes:
        calls: list[str] = []
        hooks = [Hook(network.get_submodule(layer)) for layer in layers]
        for layer in layers:
            network.get_submodule(layer).register_forward_hook(
                lambda *_, layer=layer, calls=calls: calls.append(layer)
            )
        x = torch.rand(2, 3, *size)
        with torch.no_grad():
            z = network(x)
        assert z.shape == ((2, 7) if task == "classification" else (2, 7, *size))
        assert sorted(calls) == sorted(layers), "every layer once"
        assert all(hook.output.shape[0] == 2 for hook in hooks)
        drop = hooks[-1]
        assert torch.equal(drop.input, drop.output), "inactive in evaluation mode"
        for hook in hooks:
            hook.close()
        for layer in layers:
            network.get_submodule(layer)._forward_hooks.clear()


def test_hooked_outputs_are_not_overwritten_by_later_layers():
    network = build("resnet18-small", 3).eval()
    copies = {}
    for layer in network.feature_layers:
        module = network.get_submodule(layer)
        module.register_forward_hook(lambda m, i, o, layer=layer: copies.update({layer: (o, o.clone())}))
    network(torch.rand(1, 3, 32, 32))
    assert all(torch.equal(kept, clone) for kept, clone in copies.values())


def test_spectral_norm_bounds_the_normalised_layers():
    network = build("resnet18-sn", 5)
    network.train()
    for _ in range(30):
        network(torch.rand(4, 3, 16, 16))
    network.eval()
    normalised = [block.conv1 for block in (*network.layer3, *network.layer4)] + [network.fc]
    for layer in normalised:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("shape", [(6, 4), (2, 4, 5, 7)])
def test_focal_loss(shape):
    torch.manual_seed(0)
    z, target = torch.randn(shape), torch.randint(0, 4, (shape[0], *shape[2:]))
    target.view(-1)[::3] = 255
    plain = F.cross_entropy(z, target, ignore_index=255)
    torch.testing.assert_close(focal_loss(z, target, 0), plain)
    p = z.softmax(1).gather(1, target.clamp_max(3)[:, None])[:, 0]
    kept = target != 255
    torch.testing.assert_close(focal_loss(z, target, 2.0), (-((1 - p) ** 2) * p.log())[kept].mean())
    assert focal_loss(z, torch.full_like(target, 255), 2.0) == 0


def batches(n=24, shuffle=True):
    torch.manual_seed(1)
    data = [{"image": torch.rand(3, 16, 16), "target": torch.tensor(i % 3), "key": str(i)} for i in range(n)]
    for i, sample in enumerate(data):
        sample["image"][i % 3] += 1
    return DataLoader(data, 8, sampler=EpochSampler(n) if shuffle else None)


def train(folder, epochs=3, stop_after=None):
    torch.manual_seed(0)
    network = build("lenet", 3, image_size=(16, 16))
    recipe = TrainingRecipe(epochs, 8, "adam", 1e-3)
    loader = batches()
    if stop_after is not None:
        calls = {"n": 0}

        def stop(*_):
            calls["n"] += 1
            if network.training and calls["n"] > stop_after:
                raise KeyboardInterrupt

        network.register_forward_pre_hook(stop)
    figures = fit(
        network, "classification", 3, loader, batches(shuffle=False), recipe, folder, progress=False
    )
    return network, figures


def test_training_learns_repeats_and_reports(tmp_path):
    first, figures = train(tmp_path / "a", epochs=8)
    second, _ = train(tmp_path / "b", epochs=8)
    assert weights_hash(first) == weights_hash(second)
    assert figures["accuracy"] > 0.8 and set(figures) == {"accuracy", "loss"}
    assert not first.training


def test_a_resumed_training_equals_one_in_a_piece(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", epochs=4, stop_after=3 + 3 + 3 + 1)
    assert torch.load(tmp_path / "cut" / "last.ckpt", weights_only=True)["epoch"] < 3
    resumed, figures = train(tmp_path / "cut", epochs=4)
    whole, expected = train(tmp_path / "whole", epochs=4)
    assert figures == expected
    assert weights_hash(resumed) == weights_hash(whole)


def test_weights_round_trip_and_hash(tmp_path):
    network, other = build("lenet", 3, 1), build("lenet", 3, 1)
    assert weights_hash(network) != weights_hash(other)
    save_weights(network, tmp_path / "w.safetensors")
    load_weights(other, tmp_path / "w.safetensors")
    assert weights_hash(network) == weights_hash(other)
    for content in (
        network.state_dict(),
        {
            "state_dict": {f"network.{k}": v for k, v in network.state_dict().items()}
            | {"metric.x": torch.zeros(1)}
        },
    ):
        torch.save(content, tmp_path / "w.pt")
        again = build("lenet", 3, 1)
        load_weights(again, tmp_path / "w.pt")
        assert weights_hash(again) == weights_hash(network)
    assert not list(tmp_path.glob("*.part"))


class Code:
    def __reduce__(self):
        return os.mkdir, ("owned",)


def test_checkpoints_that_cannot_be_used(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = build("lenet", 3, 1)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_weights(network, "none.pt")
    torch.save({"a": Code()}, "code.pt")
    with pytest.raises(ValueError, match="holds more than tensors and was not loaded"):
        load_weights(network, "code.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"a": Code()}))
    with pytest.raises(ValueError, match=r"plain\.pt"):
        load_weights(network, "plain.pt")
    assert not (tmp_path / "owned").exists()
    save_weights(build("lenet", 4, 1), "four.safetensors")
    with pytest.raises(ValueError, match=r"not of this LeNet: 'fc2\.\w+' has shape \(4.*instead of \(3"):
        load_weights(network, "four.safetensors")
    save_weights(build("resnet18-small", 3), "resnet.safetensors")
    with pytest.raises(ValueError, match=r"not of this LeNet: it has no 'conv1\.weight'"):
        load_weights(network, "resnet.safetensors")
    whole = (tmp_path / "four.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="no whole safetensors file"):
        load_weights(network, "cut.safetensors")
    torch.save([1, 2], "list.pt")
    with pytest.raises(ValueError, match="holds no state dict"):
        load_weights(network, "list.pt")
    (tmp_path / "junk.pt").write_bytes(b"junk")
    with pytest.raises(ValueError, match=r"junk\.pt"):
        load_weights(network, "junk.pt")


def test_unknown_names_and_options():
    with pytest.raises(ValueError, match=r"unknown network 'resnet81'; did you mean .* networks: lenet"):
        build("resnet81", 3)
    with pytest.raises(ValueError, match="stem must be"):
        build("resnet18", 3, stem="x")
    with pytest.raises(ValueError, match="unknown encoder 'nothing'"):
        build("deeplabv3plus", 3, encoder="nothing")
    with pytest.raises(ValueError, match="lenet"):
        build("lenet", 3, 1, wrong=1)
    with pytest.raises(ValueError, match="at least 16x16"):
        build("lenet", 3, 1, image_size=(8, 8))
    with pytest.raises(ValueError, match="optimizer must be"):
        TrainingRecipe(1, 1, optimizer="lion")
