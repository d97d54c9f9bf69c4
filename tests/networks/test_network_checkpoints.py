"""Weights survive the disk; what is damaged, foreign or holds code is refused in one line."""

import os
import pickle
import re

import pytest
import safetensors
import safetensors.torch
import torch
from torch import nn
from torch.utils.data import DataLoader

from networks import TrainingConfig, build, fit, load_weights, save_weights, weights_hash


def lenet(classes=3):
    return build("lenet", classes, 1, image_size=(16, 16))


def refused(path, match, network=None):
    """The error, after checks that it is one line and left the network alone."""
    network = network or lenet()
    before = weights_hash(network)
    with pytest.raises(ValueError, match=match) as error:
        load_weights(network, path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)
    assert weights_hash(network) == before


@pytest.mark.parametrize("name", ["lenet", "resnet18-sn", "deeplabv3plus-small", "unet-small"])
def test_round_trip_of_weights_and_outputs(tmp_path, name):
    first, second = build(name, 3), build(name, 3)
    assert weights_hash(first) != weights_hash(second)
    save_weights(first, tmp_path / "new" / "weights.safetensors")
    load_weights(second, tmp_path / "new" / "weights.safetensors")
    assert weights_hash(first) == weights_hash(second)
    x = torch.rand(1, 3, 28, 28)
    with torch.no_grad():
        assert torch.equal(first.eval()(x), second.eval()(x))
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["weights.safetensors"]


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".th", ".pth.tar", ".bin", ".PTH"])
@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "network.",
        "model.",
        "module.",
        "_orig_mod.",
        "net.",
        "module._orig_mod.",
        "_orig_mod.module.model.",
    ],
)
def test_torch_files_as_training_scripts_write_them(tmp_path, suffix, prefix):
    network, path = lenet(), tmp_path / f"weights{suffix}"
    state = {prefix + name: tensor for name, tensor in network.state_dict().items()}
    beside = {"epoch": 3, "best_acc": 0.9, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}}
    contents = [state, {**beside, "model": {"state_dict": state}}]
    contents += [
        {**beside, name: state} for name in ("state_dict", "model", "model_state_dict", "net", "network")
    ]
    for content in contents:
        torch.save(content, path)
        again = lenet()
        load_weights(again, path)
        assert weights_hash(again) == weights_hash(network)


def test_safetensors_in_capitals_and_with_prefixes(tmp_path):
    network, again = lenet(), lenet()
    state = {f"module.model.{name}": tensor for name, tensor in network.state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "W.SAFETENSORS")
    load_weights(again, tmp_path / "W.SAFETENSORS")
    assert weights_hash(again) == weights_hash(network)


def test_a_prefix_that_is_a_name_of_the_network_stays(tmp_path):
    """A part called "model" beside another one."""

    def parts():
        return nn.ModuleDict({"model": nn.Linear(2, 3), "head": nn.Linear(3, 1)})

    network, again = parts(), parts()
    for prefix in ("", "module.", "model."):
        state = {prefix + name: tensor for name, tensor in network.state_dict().items()}
        torch.save({"model": state}, tmp_path / "w.pt")
        again = parts()
        load_weights(again, tmp_path / "w.pt")
        assert weights_hash(again) == weights_hash(network)


def test_files_from_before_normalisation_counted_its_batches(tmp_path):
    def layers():
        return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))

    network, again = layers(), layers()
    state = {k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "w.th")
    load_weights(again, tmp_path / "w.th")
    assert weights_hash(again) == weights_hash(network)


def test_the_training_state_of_fit_is_a_checkpoint_too(tmp_path):
    network = lenet()
    samples = [{"image": torch.rand(1, 16, 16), "target": torch.tensor(i)} for i in (0, 1)]
    batches = DataLoader(samples, 2)
    fit(network, "classification", 3, batches, batches, TrainingConfig(1, 2), tmp_path, progress=False)
    again = lenet()
    load_weights(again, tmp_path / "last.ckpt")
    assert weights_hash(again) == weights_hash(network)


def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    path, network = tmp_path / "weights.safetensors", lenet()
    save_weights(network, path)

    def half(tensors, name):
        name.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("networks.checkpoint.save_file", half)
    with pytest.raises(OSError, match="disk full"):
        save_weights(lenet(), path)
    monkeypatch.undo()
    load_weights(lenet(), path)
    assert [p.name for p in tmp_path.iterdir()] == ["weights.safetensors"]


class Code:
    def __reduce__(self):
        return os.mkdir, ("owned",)


@pytest.mark.parametrize("protocol", [2, 4])
def test_code_in_a_pickle_is_not_run(tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Code()}, tmp_path / "code.pt", pickle_protocol=protocol)
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"a": Code()}, protocol))
    for name in ("code.pt", "plain.pt"):
        refused(tmp_path / name, "holds more than tensors and was not loaded|cannot be read")
    assert not (tmp_path / "owned").exists()


def test_weights_of_another_architecture(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(lenet(4), path)
    refused(
        path, r"is not of this LeNet: 2 other shapes: fc2.bias is \(4,\) instead of \(3,\), fc2.weight is"
    )
    save_weights(build("resnet18-small", 3), path)
    refused(
        path,
        r"is not of this LeNet: 8 missing: conv1.weight, conv1.bias, .*fc2.bias; \d+ left over: (\S+, ){10}\.\.\.$",
    )
    save_weights(nn.ModuleDict({**dict(lenet().named_children()), "more": nn.Linear(1, 1)}), path)
    refused(path, r"is not of this LeNet: 2 left over: more.bias, more.weight$")


def test_files_that_are_no_checkpoints(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_weights(lenet(), tmp_path / "none.pt")
    refused(tmp_path, "is a folder; name a file in it")
    for content in (
        [1, 2],
        {"epoch": 1},
        {"model": 3},
        {},
        {"state_dict": {}},
        {"model": {"optimizer": 1}},
        {1: torch.ones(1)},
    ):
        torch.save(content, tmp_path / "other.pt")
        refused(
            tmp_path / "other.pt", "holds no state dict, nor one under state_dict, model_state_dict, model"
        )
    (tmp_path / "junk.pt").write_bytes(b"junk")
    refused(tmp_path / "junk.pt", "junk.pt")
    (tmp_path / "empty.pt").touch()
    refused(tmp_path / "empty.pt", "cannot be read")
    (tmp_path / "weights.zip").touch()
    refused(tmp_path / "weights.zip", "must end in one of .safetensors, .pt, .pth, .ckpt, .th, .tar, .bin")
    with pytest.raises(ValueError, match=r"saved as .safetensors, got .*w\.pt"):
        save_weights(lenet(), tmp_path / "w.pt")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_truncated_files(tmp_path, suffix, share):
    network, path = lenet(), tmp_path / f"cut{suffix}"
    if suffix == ".pt":
        torch.save(network.state_dict(), path)
    else:
        save_weights(network, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path, "cut")


def test_the_hash_tells_names_types_shapes_and_values_apart():
    def net(**tensors):
        module = nn.Module()
        for name, tensor in tensors.items():
            module.register_buffer(name, tensor)
        return module

    networks = [
        net(a=torch.zeros(4)),
        net(b=torch.zeros(4)),
        net(a=torch.zeros(2, 2)),
        net(a=torch.zeros(4, dtype=torch.int32)),
        net(a=torch.zeros(4, dtype=torch.bfloat16)),
        net(a=torch.tensor([0, 0, 0, 1e-30])),
        net(a=torch.zeros(4), b=torch.tensor(0.0)),
    ]
    assert len({weights_hash(n) for n in networks}) == len(networks)
    assert weights_hash(net(a=torch.zeros(4), b=torch.ones(1))) == weights_hash(
        net(b=torch.ones(1), a=torch.zeros(4))
    )


def test_saved_bytes_are_those_of_the_network(tmp_path):
    network = lenet()
    save_weights(network, tmp_path / "w.safetensors")
    with safetensors.safe_open(tmp_path / "w.safetensors", framework="pt") as file:
        assert set(file.keys()) == set(network.state_dict())
        assert torch.equal(file.get_tensor("fc1.weight"), network.fc1.weight)


DABNET = (  # our names as patterns, and the authors'
    (r"^stem\.", "init_conv."),
    (r"^down(\d)\.conv\.", r"downsample_\1.conv3x3.conv."),
    (r"^down(\d)\.after\.", r"downsample_\1.bn_prelu."),
    (r"^block(\d)\.(\d)", r"DAB_Block_\1.DAB_Module_\1_\2"),
    (r"^join(\d)\.", r"bn_prelu_\1."),
    (r"^fused\.", "bn_prelu_3."),
    (r"^classifier\.", "classifier.0.conv."),
    (r"\.before\.", ".bn_relu_1."),
    (r"\.middle\.", ".bn_relu_2."),
    (r"\.reduce\.", ".conv3x3."),
    (r"\.expand\.", ".conv1x1.conv."),
    (r"\.local\.0\.", ".dconv3x1."),
    (r"\.local\.1\.", ".dconv1x3."),
    (r"\.context\.0\.", ".ddconv3x1."),
    (r"\.context\.1\.", ".ddconv1x3."),
    (r"\.after\.", ".bn_prelu."),
    (r"\.norm\.", ".bn."),
    (r"\.act\.", ".acti."),
)


def test_a_dabnet_and_a_cifar_resnet_in_their_authors_names(tmp_path):
    network, again = build("dabnet", 4), build("dabnet", 4)
    theirs = {}
    for name, tensor in network.state_dict().items():
        for pattern, replacement in DABNET:
            name = re.sub(pattern, replacement, name)
        if not name.endswith("num_batches_tracked"):
            theirs[name] = tensor
    assert {"init_conv.0.bn_prelu.acti.weight", "DAB_Block_2.DAB_Module_2_5.ddconv1x3.conv.weight"} < set(
        theirs
    )
    torch.save(theirs, tmp_path / "dabnet.pth")
    load_weights(again, tmp_path / "dabnet.pth")
    assert weights_hash(network) == weights_hash(again)

    network, again = build("resnet20", 4), build("resnet20", 4)
    names = (("stem.0.", "conv1."), ("stem.1.", "bn1."), ("fc.", "linear."))
    theirs = {}
    for name, tensor in network.state_dict().items():
        found = next((name.replace(a, b, 1) for a, b in names if name.startswith(a)), name)
        theirs["module." + found] = tensor
    torch.save({"state_dict": theirs, "best_prec1": torch.tensor(91.7)}, tmp_path / "resnet20.th")
    load_weights(again, tmp_path / "resnet20.th")
    assert weights_hash(network) == weights_hash(again)
