"""What every network promises: logits of the right shape, layers to hook, DropBlock only in training."""

import pytest
import torch
from dropblock import DropBlock2D
from torch.nn.utils.parametrize import is_parametrized

from networks import NETWORKS, build
from networks.models.padding import pad_to

SMALL = {  # same code, less time
    "deeplabv3plus": {"encoder": "resnet18"},
    "resnet34": {"width": 16},
    "resnet34-imagenet": {"width": 16},
    "densenet-bc-100": {"depth": 16, "growth": 4},
    "wrn-28-10": {"depth": 10, "width": 1},
    "wrn-40-2": {"depth": 10, "width": 1, "dropout": 0.3},
    "vgg": {"stages": ((4, 6), (8, 8), (8,)), "hidden": (12, 12)},
    "vmdls-convnet": {"stages": ((4, 4), (4, 4), (4,))},
}
OWN_SIZE = {"lenet": (28, 28), "lenet-mcd": (28, 28), "vgg": (32, 32), "vmdls-convnet": (28, 28)}
ONE_MAP = [name for name, spec in NETWORKS.items() if spec.task != "detection"]
SEGMENTERS = [name for name, spec in NETWORKS.items() if spec.task == "segmentation"]


def small(name, classes=5, **options):
    torch.manual_seed(0)
    return build(name, classes, **(SMALL.get(name, {}) | options)).eval()


def watch(network, x):
    """Output of every hooked layer, once per call, and whether a later layer changed it."""
    outputs = {name: [] for name in (*network.feature_layers, network.latent_layer)}
    handles = [
        network.get_submodule(name).register_forward_hook(
            lambda _m, _i, out, name=name: outputs[name].append((out, out.clone()))
        )
        for name in outputs
    ]
    with torch.no_grad():
        logits = network(x)
    for handle in handles:
        handle.remove()
    return logits, outputs


@pytest.mark.parametrize("name", ONE_MAP)
def test_hooked_layers_are_called_once_and_keep_their_output(name):
    size = OWN_SIZE.get(name, (32, 64))
    network = small(name)
    logits, outputs = watch(network, torch.rand(2, 3, *size))
    assert logits.shape == ((2, 5) if NETWORKS[name].task == "classification" else (2, 5, *size))
    for layer, calls in outputs.items():
        assert len(calls) == 1, f"{layer} is called {len(calls)} times"
        kept, copy = calls[0]
        assert kept.shape[0] == 2 and torch.equal(kept, copy), f"{layer} is overwritten"


@pytest.mark.parametrize(
    "name, size, shapes",
    [
        ("lenet", (28, 28), {"relu1": (32, 26, 26), "relu2": (64, 24, 24), "relu3": (128,),
                             "drop_block": (64, 12, 12)}),
        ("lenet-mcd", (28, 28), {"relu1": (32, 26, 26), "relu3": (128,), "dropout_pool": (64, 12, 12)}),
        ("resnet18", (32, 32), {"stem": (64, 32, 32), "layer1": (64, 32, 32), "layer2": (128, 16, 16),
                                "layer3": (256, 8, 8), "layer4": (512, 4, 4), "drop_block": (128, 16, 16)}),
        ("resnet18-imagenet", (128, 128), {"stem": (64, 64, 64), "layer1": (64, 32, 32), "drop_block": (128, 16, 16)}),
        ("resnet18-small", (32, 32), {"stem": (16, 32, 32), "layer4": (128, 4, 4)}),
        ("densenet-bc-100", (32, 32), {"stem": (8, 32, 32), "transition1": (8, 16, 16), "transition2": (8, 8, 8),
                                       "final": (16, 8, 8), "drop_block": (8, 8, 8)}),
        ("wrn-28-10", (32, 32), {"stem": (16, 32, 32), "group1": (16, 32, 32), "group2": (32, 16, 16),
                                 "final": (64, 8, 8), "drop_block": (32, 16, 16)}),
        ("vgg", (32, 32), {"stage1": (6, 32, 32), "stage2": (8, 16, 16), "stage3": (8, 8, 8), "hidden": (12,),
                           "drop_block": (8, 8, 8)}),
        ("vmdls-convnet", (28, 28), {"stage2": (4, 14, 14), "stage3": (4, 7, 7), "hidden": (500,)}),
        ("deeplabv3plus-resnet18", (64, 128), {"low_level": (64, 16, 32), "deepest": (512, 4, 8),
                                               "fused": (256, 16, 32), "drop_block1": (512, 4, 8)}),
        ("resnet20", (32, 32), {"stem": (16, 32, 32), "layer1": (16, 32, 32), "drop_block": (32, 16, 16),
                                "layer3": (64, 8, 8)}),
        ("dabnet", (64, 128), {"stem": (32, 32, 64), "block1": (64, 16, 32), "block2": (128, 8, 16),
                               "drop_block": (128, 8, 16), "fused": (259, 8, 16)}),
        ("dabnet", (50, 70), {"block2": (128, 7, 9), "fused": (259, 7, 9)}),
        ("deeplabv3plus-small", (64, 128), {"deepest": (576, 4, 8), "drop_block1": (576, 4, 8)}),
        ("unet", (32, 64), {"down.0": (32, 32, 64), "down.3": (256, 4, 8), "up.2": (32, 32, 64),
                            "drop_block": (256, 4, 8)}),
    ],
)  # fmt: skip
def test_layers_have_the_published_shapes(name, size, shapes):
    _, outputs = watch(small(name), torch.rand(1, 3, *size))
    assert {layer: tuple(outputs[layer][0][0].shape[1:]) for layer in shapes} == shapes


def test_the_reference_deeplab_samples_2048_channels_with_its_drop_block():
    with torch.device("meta"):
        network = build("deeplabv3plus", 19).eval()
        network(torch.rand(1, 3, 64, 64))
        assert network.encoder.out_channels[-1] == 2048
    assert (network.drop_block1.drop_prob, network.drop_block1.block_size) == (0.5, 8)


@pytest.mark.parametrize(
    "name, parameters, head_inputs, sampled",
    [
        ("densenet-bc-100", 769_162, 342, 150),
        ("wrn-28-10", 36_479_194, 640, 320),
        ("wrn-40-2", 2_243_546, 128, 64),
        ("resnet18", 11_173_962, 512, 128),
        ("resnet34", 21_282_122, 512, 128),
        ("resnet20", 269_722, 64, 32),
        ("resnet32", 464_154, 64, 32),
        ("resnet44", 658_586, 64, 32),
        ("resnet56", 853_018, 64, 32),
    ],
)
def test_published_numbers_of_parameters_at_ten_classes(name, parameters, head_inputs, sampled):
    """0.8 M: Huang et al.; 36.5 M and 2.2 M: Zagoruyko and Komodakis; ResNets with 3x3 stem as usual; .27, .46, .66 and
    .85 M: He et al., table 6.
    """
    maps = []
    with torch.device("meta"):
        network = build(name, 10).eval()
        network.get_submodule(network.latent_layer).register_forward_hook(lambda *args: maps.append(args[2]))
        network(torch.rand(1, 3, 32, 32))
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert network.get_submodule(network.head_layer).in_features == head_inputs
    assert maps[0].shape[1] == sampled


def test_dabnet_has_the_published_number_of_parameters_at_19_classes():
    """.76 M: Li et al., table 5."""
    assert sum(p.numel() for p in build("dabnet", 19).parameters()) == 756_643


def test_the_depth_of_a_cifar_resnet():
    with pytest.raises(ValueError, match=r"depth must be 6 n \+ 2 .* got 21"):
        build("resnet20", 10, depth=21)


def test_the_networks_of_vmdls():
    with torch.device("meta"):
        vgg, convnet = build("vgg", 10), build("vmdls-convnet", 10, 1)
        convolutions = [m.out_channels for m in vgg.modules() if isinstance(m, torch.nn.Conv2d)]
        assert convolutions == [64, 128, *[256] * 6]
        assert [m.in_features for m in vgg.modules() if isinstance(m, torch.nn.Linear)] == [4096, 1024, 1024]
        assert [m.in_features for m in convnet.modules() if isinstance(m, torch.nn.Linear)] == [900, 500]
        assert convnet(torch.rand(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize("name", SEGMENTERS)
def test_any_image_size_is_segmented_at_its_own_size(name):
    network = small(name)
    for size in [(45, 70), (33, 16), (48, 31)]:
        with torch.no_grad():
            assert network(torch.rand(1, 3, *size)).shape == (1, 5, *size)


@pytest.mark.parametrize("name", ["lenet", "resnet18-small", "deeplabv3plus-small", "unet-small"])
def test_grey_images(name):
    size = (28, 28) if name.startswith("lenet") else (32, 32)
    with torch.no_grad():
        assert build(name, 3, 1).eval()(torch.rand(2, 1, *size)).shape[:2] == (2, 3)


def test_lenet_takes_the_image_size_it_was_built_for():
    assert build("lenet", 4, image_size=(16, 33)).eval()(torch.rand(1, 3, 16, 33)).shape == (1, 4)
    with pytest.raises(ValueError, match=r"takes images of 28x28 pixels .* got 32x32"):
        build("lenet", 4)(torch.rand(1, 3, 32, 32))
    with pytest.raises(ValueError, match="at least 16x16 pixels, got 15x20"):
        build("lenet", 4, image_size=(15, 20))


@pytest.mark.parametrize(
    "name",
    ["lenet", "resnet18-small", "densenet-bc-100", "wrn-28-10", "vgg", "deeplabv3plus-small", "unet-small"],
)
def test_drop_block_drops_in_training_only(name):
    network = small(name)
    block = network.get_submodule(network.latent_layer)
    assert isinstance(block, DropBlock2D)
    x = torch.ones(8, 3, 12, 16)
    assert torch.equal(block(x), x)
    torch.manual_seed(0)
    dropped = (block.train()(x) == 0).float().mean()
    assert 0.1 < dropped < 0.6


def test_drop_share_of_the_small_segmenter_is_that_of_the_reference():
    """On 128 x 256 images the map is 8 x 16; a third of it drops, and never all of it."""
    block = small("deeplabv3plus-small").drop_block1.train()
    torch.manual_seed(0)
    kept = (block(torch.ones(4000, 1, 8, 16)) > 0).float().mean(dim=(1, 2, 3))
    assert 1 - kept.mean().item() == pytest.approx(0.34, abs=0.02)
    assert kept.min() > 0


@pytest.mark.parametrize("name", ["deeplabv3plus-small", "unet-small"])
def test_a_batch_of_one_trains(name):
    network = small(name).train()
    network(torch.rand(1, 3, 64, 64)).mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_pooled_batch_norm_is_plain_batch_norm_otherwise():
    network = small("deeplabv3plus-small").train()
    layer = next(m for m in network.modules() if type(m).__name__ == "PooledBatchNorm")
    x = torch.randn(6, layer.num_features, 1, 1)
    torch.testing.assert_close(layer(x), torch.nn.BatchNorm2d(layer.num_features)(x))


def test_spectral_norm_bounds_what_it_normalises_and_nothing_else():
    network = build("resnet18-sn", 5, width=16).train()
    with torch.no_grad():
        for module in network.modules():
            if is_parametrized(module):
                module.parametrizations.weight.original.mul_(7)
        for _ in range(40):
            network(torch.rand(2, 3, 16, 16))
    network.eval()
    normalised = {name for name, module in network.named_modules() if is_parametrized(module, "weight")}
    expected = {f"layer{s}.{b}.conv{c}" for s in (3, 4) for b in (0, 1) for c in (1, 2)} | {"fc"}
    assert normalised == expected
    for name in normalised:
        weight = network.get_submodule(name).weight.detach().flatten(1)
        assert torch.linalg.svdvals(weight)[0].item() == pytest.approx(1, abs=0.03), name


def test_padding_repeats_the_last_row_and_column():
    x = torch.arange(6.0).view(1, 1, 2, 3)
    assert pad_to(x, 4)[0, 0].tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]
    assert pad_to(x[..., :2], 2).shape == (1, 1, 2, 2)


def test_lenet_mcd_drops_before_every_layer_and_is_lenet_otherwise():
    network, plain = small("lenet-mcd"), small("lenet")
    plain.load_state_dict(network.state_dict())
    x = torch.rand(4, 3, 28, 28)
    assert torch.equal(network(x), plain(x))
    seen = {}
    for name in ("conv1", "conv2", "fc1", "fc2"):
        network.get_submodule(name).register_forward_pre_hook(
            lambda _m, args, name=name: seen.update({name: args[0]})
        )
    torch.manual_seed(0)
    network.train()(x + 1)
    assert (seen["conv1"] == 0).float().mean() == pytest.approx(0.5, abs=0.02)
    assert seen["conv1"][seen["conv1"] > 0].min() >= 2, "what is kept is doubled"
    channels = (seen["conv1"] == 0).flatten(2)
    assert not (channels[:, 0] == channels[:, 1]).all(), "single pixels, not positions or whole images"
    for name in ("conv2", "fc1", "fc2"):
        assert (seen[name] == 0).float().mean() > 0.45
    with pytest.raises(ValueError, match="drop_probability must lie in 0 to below 1, got 1"):
        build("lenet-mcd", 3, drop_probability=1)
