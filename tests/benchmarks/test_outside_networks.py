"""The main job on networks of the user: nothing is trained unless asked, pages tell what was placed in them."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import datamodules.miniature as miniature
import networks
from benchmarks.console import spread
from benchmarks.pipeline.config import Settings
from benchmarks.pipeline.job import data_module
from benchmarks.run import app
from benchmarks.under_test.outside import activations_hash, data_input, network_of_user
from benchmarks.under_test.sanity import inputs
from benchmarks.under_test.training import from_checkpoint
from datamodules import module_of
from leaderboards.store import load_results
from networks import build, load_weights, weights_hash

CODE = """
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes=10, width=8):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 3, 2, 1), nn.ReLU(), nn.Conv2d(width, 2 * width, 3, 2, 1), nn.ReLU()
        )
        self.fc = nn.Linear(2 * width, num_classes)

    def forward(self, x):
        return self.fc(self.body(x).mean((2, 3)))
"""
PLACED = "was not trained with the DropBlock2D (p 0.4, block 4) that is placed behind its layer body.3"


def call(*arguments):
    return CliRunner().invoke(app, spread([str(a) for a in arguments]))


@pytest.fixture(scope="module", autouse=True)
def small_miniatures():
    sizes = {
        "cifar10": {"train": 260, "test": 40}, "svhn": {"test": 40},
        "camvid": {"train": 8, "val": 4, "test": 4}, "mnist": {"train": 40, "test": 20},
    }  # fmt: skip
    before = dict(miniature.MINIATURES)
    for name, counts in sizes.items():
        entry = before[name]
        miniature.MINIATURES[name] = miniature.Miniature(entry.folder, entry.write, counts)
    yield
    miniature.MINIATURES.update(before)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("code") / "mine.py"
    path.write_text(CODE)
    return path


def settings(**changes):
    return Settings(**{"ind": "cifar10", "ood": ("svhn",), "limit": 20} | changes)


def run(out, *arguments, methods=("msp", "vim", "knn", "lared", "rankfeat")):
    done = call(
        "--ind",
        "cifar10",
        "--ood",
        "svhn",
        "--out",
        out,
        "--device",
        "cpu",
        *arguments,
        "--methods",
        *methods,
    )
    assert done.exit_code == 0, done.output
    return done.output, list(load_results(out / "results").values())


def test_network_of_a_file_is_measured_as_built_and_every_page_says_what_was_placed(file, tmp_path):
    output, results = run(tmp_path, "--network", f"{file}:Net", "--network-arg", "width=6")
    assert "training" not in output
    assert all(cell.failure is None for result in results for cell in result.ood)
    (network,) = {json.dumps(vars(result.network), sort_keys=True) for result in results}
    network = json.loads(network)
    assert network["name"] == "mine.py:Net" and network["latent_layer"] == "drop_block"
    assert network["options"]["arguments"] == {"width": 6} and network["options"]["checkpoint"] == "as built"
    placed, chance = network["notes"]
    assert PLACED in placed and "is near chance" in chance and "says nothing about this network" in chance
    for page in ("leaderboard.md", "leaderboard.html"):
        text = (tmp_path / page).read_text()
        assert PLACED in text and "mine.py:Net" in text and "is near chance" in text, page
        assert str(file.parent) not in text.replace(next(r.command for r in results), ""), page
    assert PLACED in " ".join(output.split())
    again, _ = run(tmp_path / "again", "--network", f"{file}:Net", "--network-arg", "width=6")
    assert "one pass over" not in again


def test_checkpoints_and_their_ensemble(file, tmp_path):
    torch.manual_seed(5)
    paths = []
    for name in "abc":
        namespace: dict = {}
        exec(CODE, namespace)
        torch.save({"model": namespace["Net"]().state_dict()}, tmp_path / f"{name}.pth.tar")
        paths.append(tmp_path / f"{name}.pth.tar")
    _, results = run(
        tmp_path / "out",
        "--network",
        f"{file}:Net",
        "--checkpoint",
        *paths,
        methods=("msp", "deep-ensemble", "mc-dropout"),
    )
    assert {r.method: r.ood[0].failure for r in results} == dict.fromkeys(
        ["naive", "msp", "deep-ensemble", "mc-dropout"]
    )
    plain = namespace["Net"]()
    load_weights(plain, paths[0])
    assert {r.network.checkpoint for r in results} == {weights_hash(plain)}
    assert {r.network.options["checkpoint"] for r in results} == {"a.pth.tar"}


def test_methods_that_cannot_work_are_rows_with_the_reason(tmp_path):
    (tmp_path / "cosine.py").write_text(
        CODE.replace("return self.fc(", "return 3 * self.fc(").replace("Net", "Scaled")
    )
    _, results = run(
        tmp_path / "out", "--network", f"{tmp_path}/cosine.py:Scaled", methods=("msp", "vim", "react")
    )
    failures = {r.method: r.ood[0].failure for r in results}
    assert failures["msp"] is None
    assert "needs a classifier" in failures["vim"] and "this network has none" in failures["react"]


def test_training_when_asked_and_methods_that_train(file, tmp_path):
    _, results = run(
        tmp_path, "--network", f"{file}:Net", "--epochs", 1, "--ensemble-size", 2,
        methods=("msp", "deep-ensemble", "outlier-exposure", "vmdls", "mc-dropout-net"),
    )  # fmt: skip
    failures = {r.method: r.ood[0].failure for r in results}
    assert "there is no dropout variant of mine.py:Net" in failures.pop("mc-dropout-net")
    assert set(failures.values()) == {None}
    options = results[0].network.options
    assert options["epochs"] == 1 and "checkpoint" not in options


def test_a_module_is_measured_and_not_trained():
    namespace: dict = {}
    exec(CODE, namespace)
    from benchmarks.under_test.asked import under_test
    from benchmarks.under_test.auxiliary import image_methods

    given = settings(module=namespace["Net"]())
    data = data_module(given)
    _, trained = under_test(given, data, 0)
    assert trained.name == "Net" and trained.weights == weights_hash(given.module)
    found = image_methods(["msp", "deep-ensemble", "outlier-exposure", "vmdls"], given, data, trained, 0)
    assert set(found.failures) == {"deep-ensemble", "outlier-exposure", "vmdls"}
    assert all("cannot be built anew" in reason for reason in found.failures.values())


def test_cache_addresses_change_with_the_code_and_the_way_it_is_read(tmp_path):
    def address(code, **changes):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.py"
        path.write_text(code)
        asked = settings(network=f"{path}:Net", **changes)
        torch.manual_seed(0)
        network = network_of_user(asked, data)
        return weights_hash(network), activations_hash(network, weights_hash(network), data)

    data = data_module(settings())
    weights, first = address(CODE)
    assert address(CODE) == (weights, first)
    for other in (CODE.replace("mean((2, 3))", "amax((2, 3))"), CODE + "\n# a remark"):
        assert address(other)[0] == weights and address(other)[1] != first
    assert address(CODE, feature_layers=("body.1",))[1] != first
    assert address(CODE, channel_order="bgr")[1] != first
    plain = build("lenet", 10, 3, image_size=(32, 32))
    assert activations_hash(plain, "weights", data) == "weights"


def test_input_of_the_network_its_own_and_the_users():
    cifar = module_of("cifar10")

    def of(**changes):
        found = data_input(settings(**changes), cifar)
        return found.get("mean"), found.get("std"), found["image_size"]

    assert of() == (None, None, None)
    assert of(network="timm:resnet10t") == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), (176, 176))
    assert of(network="timm:resnet10t", image_size=(32, 32))[2] == (32, 32)
    caffe = {"mean": (104.0, 117.0, 123.0), "std": (51.0, 51.0, 102.0), "input_range": 255}
    mean, std, _ = of(network="timm:resnet10t", channel_order="bgr", **caffe)
    assert mean == (123 / 255, 117 / 255, 104 / 255) and std == (0.4, 0.2, 0.2)
    assert of(input_range=255)[:2] == ((0.0,) * 3, (1 / 255,) * 3)
    with pytest.raises(
        ValueError, match="--mean and --std have 2 numbers, the images of cifar10 have 3 channels"
    ):
        of(mean=(0.5, 0.5), std=(1.0, 1.0))


def test_images_have_the_channels_that_the_network_takes(tmp_path):
    code = CODE.replace("width=8", "width=8, channels=3").replace("nn.Conv2d(3,", "nn.Conv2d(channels,")
    (tmp_path / "any.py").write_text(code)
    (tmp_path / "grey.py").write_text(CODE.replace("nn.Conv2d(3,", "nn.Conv2d(1,"))
    (tmp_path / "rgb.py").write_text(CODE)

    def made(name, **changes):
        return data_module(settings(network=f"{tmp_path}/{name}.py:Net", **changes))

    rgb = made("any")
    assert rgb.channels == 3 and rgb.mean == module_of("cifar10").mean
    pixels = rgb.sets["val"].read(0).image.astype(float) / 255
    luma = (pixels @ [0.299, 0.587, 0.114])[None]
    for grey in (made("grey"), made("any", network_args=("channels=1",))):
        assert grey.input_shape == (1, 32, 32)
        np.testing.assert_allclose(grey.mean, np.dot([0.299, 0.587, 0.114], rgb.mean), rtol=1e-6)
        np.testing.assert_allclose(grey.std, np.dot([0.299, 0.587, 0.114], rgb.std), rtol=1e-6)
    told = made("grey", mean=(0.5,), std=(0.25,))
    images = next(iter(told.val_dataloader()))["image"]
    np.testing.assert_allclose(images[0], (luma - 0.5) / 0.25, atol=0.01)
    with pytest.raises(
        ValueError, match="have 3 numbers, the images of cifar10 have 1 channels for this network"
    ):
        made("grey", mean=(0.5,) * 3, std=(0.25,) * 3)
    mnist = made("rgb", ind="mnist", ood=("cifar10",))
    own = module_of("mnist")
    assert mnist.input_shape == (3, 28, 28) and (mnist.mean, mnist.std) == (own.mean * 3, own.std * 3)
    images = next(iter(mnist.val_dataloader()))["image"]
    assert torch.equal(images[:, 0], images[:, 2])
    assert inputs(mnist)[1].mean == own.mean * 3


def test_a_grey_network_runs_on_rgb_images(tmp_path):
    (tmp_path / "grey.py").write_text(CODE.replace("nn.Conv2d(3,", "nn.Conv2d(1,"))
    _, results = run(tmp_path / "out", "--network", f"{tmp_path}/grey.py:Net", methods=("msp", "knn"))
    assert {r.method: r.ood[0].failure for r in results} == dict.fromkeys(["naive", "msp", "knn"])
    assert len(results[0].network.options["mean"]) == 1


def test_normalisation_of_the_user_reaches_the_network(file):
    asked = settings(network=f"{file}:Net", mean=(0.5, 0.4, 0.3), std=(1.0, 0.5, 0.25))
    plain, other = data_module(settings()), data_module(asked)
    a, b = (next(iter(data.val_dataloader()))["image"] for data in (plain, other))
    pixels = a * torch.tensor(plain.std)[:, None, None] + torch.tensor(plain.mean)[:, None, None]
    expected = (pixels - torch.tensor([0.5, 0.4, 0.3])[:, None, None]) / torch.tensor([1.0, 0.5, 0.25])[
        :, None, None
    ]
    torch.testing.assert_close(b, expected)


def test_describe_network_stops_before_anything_is_done(file, tmp_path):
    done = call(
        "--ind", "cifar10", "--network", f"{file}:Net", "--describe-network", "--out", tmp_path / "out"
    )
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    for part in (
        "feature body.1",
        "body.3",
        "DropBlock2D",
        "head fc",
        "input mean",
        "rgb",
        "airplane, automobile",
        "10",
    ):
        assert part in text, part
    assert PLACED.split(" that ")[0] in text
    assert "training" not in text and "one pass" not in text
    for network, ind in (("resnet18-small", "cifar10"), ("unet-small", "camvid"), ("lenet", "mnist")):
        done = call("--ind", ind, "--network", network, "--describe-network")
        assert done.exit_code == 0 and "named by the network" in " ".join(done.output.split()), done.output
    done = call("--ind", "bdd100k-detection", "--network", "faster-rcnn-small", "--describe-network")
    assert done.exit_code == 2 or "roi_heads" in done.output


def test_layers_of_our_networks_can_be_named(tmp_path):
    _, results = run(
        tmp_path, "--network", "resnet18-small", "--epochs", 1, "--limit", 40, "--latent-layer", "layer3",
        "--feature-layers", "layer2", "layer4", methods=("lared", "vim", "knn"),
    )  # fmt: skip
    assert {r.ood[0].failure for r in results} == {None}
    assert {r.network.latent_layer for r in results} == {"drop_block"} and results[0].network.notes
    done = call(
        "--ind", "cifar10", "--ood", "svhn", "--network", "resnet18-small", "--epochs", 1, "--limit", 40,
        "--latent-layer", "layr3", "--out", tmp_path / "b",
    )  # fmt: skip
    assert done.exit_code == 1 and "near: layer3" in done.output


def test_classes_are_matched_by_name(file, tmp_path):
    names = list(reversed(module_of("cifar10").class_names))
    (tmp_path / "classes.txt").write_text("\n".join(["background", *(n.upper() for n in names)]))
    asked = settings(network=f"{file}:Net", classes=tmp_path / "classes.txt")
    data = data_module(asked)
    network = network_of_user(asked, data)
    x = next(iter(data.val_dataloader()))["image"]
    with torch.no_grad():
        assert network.network.fc.out_features == 11
        assert torch.equal(network(x), network.network(x)[:, list(range(10, 0, -1))])
    (tmp_path / "classes.txt").write_text("\n".join(names[:-1]))
    with pytest.raises(ValueError, match=r"--classes classes.txt names no output for airplane"):
        network_of_user(asked, data)
    (tmp_path / "fixed.py").write_text(
        CODE.replace("num_classes=10, width=8", "width=8").replace("num_classes", "12")
    )
    (tmp_path / "classes.txt").write_text("\n".join(names))
    other = settings(network=f"{tmp_path}/fixed.py:Net", classes=tmp_path / "classes.txt")
    with pytest.raises(
        ValueError, match=r"--classes classes.txt names 10 classes, network Net has 12 outputs"
    ):
        network_of_user(other, data)
    with pytest.raises(
        ValueError, match=r"has 12 outputs, the data set has 10 classes: --classes FILE names"
    ):
        network_of_user(settings(network=f"{tmp_path}/fixed.py:Net"), data)


@pytest.mark.parametrize("ours", [False, True], ids=["of the user", "of ours"])
def test_weights_with_another_number_of_outputs(ours, file, tmp_path):
    names = list(module_of("cifar10").class_names)
    spec = "resnet18-small" if ours else f"{file}:Net"
    for count in (12, 8):
        made = networks.build(spec, count) if ours else networks.open_network(spec, count).module
        networks.save_weights(made, tmp_path / f"{count}.safetensors")

    def loaded(count, names=None):
        path = tmp_path / "classes.txt"
        if names is not None:
            path.write_text("\n".join(names))
        asked = settings(network=spec, classes=None if names is None else path)
        return from_checkpoint(asked, data_module(asked), tmp_path / f"{count}.safetensors").network

    with pytest.raises(ValueError, match="12 outputs, cifar10 has 10 classes: --classes FILE names all 12"):
        loaded(12)
    with pytest.raises(ValueError, match=r"12 outputs, --classes classes.txt names 10: --classes FILE names"):
        loaded(12, names)
    with pytest.raises(
        ValueError, match="8 outputs, cifar10 has 10 classes: it does not know all 10 classes"
    ):
        loaded(8)
    network = loaded(12, ["sky", *reversed(names), "road"])
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(x), network.adapted(x)[:, list(range(10, 0, -1))])


def test_segmentation_network_of_a_library(tmp_path):
    done = call(
        "--ind", "camvid", "--ood", "camvid-anomalies", "--network", "smp:unet/resnet18", "--image-size", 48, 64,
        "--out", tmp_path, "--methods", "msp", "lared", "knn", "fssd", "latent-neighbour", "--device", "cpu",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    results = list(load_results(tmp_path / "results").values())
    assert {r.level for r in results} == {"image", "pixel"} and {r.network.name for r in results} == {
        "smp:unet/resnet18"
    }
    assert {cell.failure for r in results for cell in r.ood} == {None}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--network", "nothing.py:build"), 2, "there is no file nothing.py"),
        (("--network", "resnet19"), 2, "did you mean 'resnet"),
        (("--network", "{file}:Net", "--network-arg", "depth"), 2, "--network-arg depth: write name=value"),
        (
            ("--network", "{file}:Net", "--network-arg", "depth=2"),
            1,
            "takes no argument 'depth'; it takes: num_classes",
        ),
        (("--network", "lenet", "--network-arg", "depth=2", "--epochs", "1"), 1, "has no option 'depth'"),
        (("--network", "{file}:Net", "--classes", "nothing.txt"), 2, "nothing.txt does not exist"),
        (("--network", "{file}:Net", "--checkpoint", "{file}"), 1, "must end in one of"),
        (("--network", "{file}:Net", "--mean", ".5", "--std", ".5"), 1, "--mean and --std have 1 numbers"),
    ],
)
def test_bad_usage_is_one_line(file, tmp_path, arguments, code, message):
    given = [a.replace("{file}", str(file)) for a in arguments]
    done = call("--ind", "cifar10", "--ood", "svhn", "--limit", 20, "--out", tmp_path, *given)
    assert done.exit_code == code, done.output
    assert message in done.output and "Traceback" not in done.output
    assert done.output.count("error:") == 1


RESNET20 = '''
"""ResNet-20 as He et al. (CVPR 2016) describe it in section 4.2: three stages of three blocks, option A shortcuts."""

import torch.nn.functional as F
from torch import nn


class Shortcut(nn.Module):
    def __init__(self, extra):
        super().__init__()
        self.extra = extra

    def forward(self, x):
        side = self.extra // 2
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, side, side)) if self.extra else x


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = Shortcut(outputs - inputs)

    def forward(self, x):
        out = F.relu_(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return F.relu_(out)


class ResNet20(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 16), Block(16, 16), Block(16, 16))
        self.layer2 = nn.Sequential(Block(16, 32), Block(32, 32), Block(32, 32))
        self.layer3 = nn.Sequential(Block(32, 64), Block(64, 64), Block(64, 64))
        self.linear = nn.Linear(64, num_classes)

    def forward(self, x):
        x = F.relu_(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = F.avg_pool2d(x, x.shape[-1]).flatten(1)
        return self.linear(x)


def build(num_classes):
    return ResNet20(num_classes)
'''


@pytest.mark.slow
def test_published_weights_of_a_network_written_from_its_paper(tmp_path):
    root = os.environ.get("LSOOD_TEST_DATA")
    weights = Path(root or "") / "weights" / "resnet20-12fca82f.th"
    if root is None or not weights.is_file():
        pytest.skip("LSOOD_TEST_DATA does not name a folder with weights/resnet20-12fca82f.th")
    (tmp_path / "resnet20.py").write_text(RESNET20)
    done = call(
        "--ind", "cifar10", "--data-root", root, "--network", f"{tmp_path}/resnet20.py:build", "--checkpoint", weights,
        "--mean", .485, .456, .406, "--std", .229, .224, .225, "--ood", f"folder:{root}/cifar100_test",
        f"folder:{root}/dtd_subset", "--methods", "msp", "energy", "vim", "knn", "lared", "--out", tmp_path / "out",
        "--batch-size", 250, "--device", "cpu",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    results = list(load_results(tmp_path / "out" / "results").values())
    assert {cell.failure for result in results for cell in result.ood} == {None}
    assert results[0].ind.network_metrics["accuracy"] == pytest.approx(0.918, abs=0.003)
    assert results[0].network.name == "resnet20.py:build"
    assert results[0].ind.n_test == 10_000


def test_no_further_networks_are_trained_beside_one_that_is_measured_as_built(file, tmp_path):
    output, results = run(tmp_path, "--network", f"{file}:Net", methods=("msp", "deep-ensemble", "vmdls"))
    assert "training" not in output.replace("without training", "")
    failures = {result.method: result.ood[0].failure for result in results}
    assert failures["msp"] is None
    assert all("python -m networks.train" in failures[name] for name in ("deep-ensemble", "vmdls"))
