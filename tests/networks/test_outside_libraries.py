"""Networks of timm, torchvision, smp and transformers with random weights."""

import json
import sys

import pytest
import torch
from outside_modules import check, images, shaken

from networks import adapt, open_network


def opened(spec, task="classification", classes=5, channels=3, **arguments):
    return open_network(spec, classes, channels, arguments, task)


def run(spec, size, task="classification", **arguments):
    """The network adapted and checked; its logits against those of the library's module."""
    module = shaken(opened(spec, task, **arguments).module)
    x = images(size)
    with torch.no_grad():
        output = module(x)
        plain = (
            output if isinstance(output, torch.Tensor) else output["logits" if "logits" in output else "out"]
        )
        if task == "segmentation" and plain.shape[-2:] != x.shape[-2:]:
            plain = torch.nn.functional.interpolate(plain, size, mode="bilinear", align_corners=False)
    network = adapt(module, task, x, 5)
    check(network, plain, x, dense=task == "segmentation")
    return network


@pytest.mark.parametrize(
    ("spec", "size", "arguments", "features", "latent"),
    [
        ("timm:resnet10t", (64, 64), {}, ["act1", "layer1", "layer2", "layer3", "layer4"], "drop_block"),
        (
            "timm:vit_tiny_patch16_224", (64, 64), {"img_size": 64},
            ["blocks_2", "blocks_5", "blocks_8", "blocks_11", "head_input"], "drop_block",
        ),
        (
            "timm:convnext_atto", (64, 64), {},
            ["stages.0", "stages.1", "stages.2", "stages.3", "head_input"], "drop_block",
        ),
        (
            "timm:swin_tiny_patch4_window7_224", (56, 56), {"img_size": 56, "embed_dim": 24, "depths": (1, 1, 2, 1)},
            ["layers_0", "layers_1", "layers_2", "norm"], "drop_block",
        ),
        ("torchvision:resnet18", (64, 64), {}, ["relu", "layer1", "layer2", "layer3", "layer4"], "drop_block"),
        (
            "torchvision:mobilenet_v3_small", (64, 64), {},
            ["features.1", "features.3", "features.8", "features.12", "head_input"], "network.classifier.2",
        ),
    ],
)  # fmt: skip
def test_classifiers(spec, size, arguments, features, latent):
    network = run(spec, size, **arguments)
    assert [
        name.removeprefix("network.").removeprefix("taps.").removeprefix("of_")
        for name in network.feature_layers
    ] == features
    assert network.latent_layer == latent and network.head_layer is not None
    assert bool(network.description.notes) == (latent == "drop_block")


@pytest.mark.parametrize(
    ("spec", "size", "features", "latent"),
    [
        (
            "smp:unet/resnet18", (60, 100),
            ["encoder.layer1", "encoder.layer2", "encoder.layer3", "encoder.layer4", "head_input"], "drop_block",
        ),
        (
            "smp:DeepLabV3Plus/tu-mobilenetv3_small_100", (64, 96),
            ["encoder.model.act1", "encoder.model.blocks.0", "encoder.model.blocks.1", "decoder.aspp", "head_input"],
            "network.decoder.aspp.0.project.3",
        ),
        (
            "torchvision:lraspp_mobilenet_v3_large", (64, 96),
            ["backbone.1", "backbone.3", "backbone.6", "classifier.cbr"], "drop_block",
        ),
    ],
)  # fmt: skip
def test_segmentation_networks(spec, size, features, latent):
    network = run(spec, size, "segmentation")
    assert [
        name.removeprefix("network.").removeprefix("taps.") for name in network.feature_layers
    ] == features
    assert network.latent_layer == latent


CONFIGS = {
    "ViT": {
        "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 64, "image_size": 64,
        "patch_size": 16,
    },
    "ResNet": {"embedding_size": 8, "hidden_sizes": [8, 16, 32, 64], "depths": [1, 1, 1, 1], "layer_type": "basic"},
    "Segformer": {"hidden_sizes": [8, 16, 32, 64], "depths": [1, 1, 1, 1], "decoder_hidden_size": 32},
}  # fmt: skip


def folder(tmp_path, kind, processor=None, weights=False, **options):
    transformers = pytest.importorskip("transformers")
    config = getattr(transformers, f"{kind}Config")(**CONFIGS[kind], **options)
    config.save_pretrained(tmp_path / kind)
    if weights:
        torch.manual_seed(0)
        transformers.AutoModelForImageClassification.from_config(config).save_pretrained(tmp_path / kind)
    if processor is not None:
        (tmp_path / kind / "preprocessor_config.json").write_text(json.dumps(processor))
    return f"transformers:{tmp_path / kind}"


@pytest.mark.parametrize(
    ("kind", "task", "size", "last"),
    [
        ("ViT", "classification", (64, 64), "taps.head_input"),
        ("ResNet", "classification", (64, 64), "network.resnet.encoder.stages.3"),
        ("Segformer", "segmentation", (64, 96), "taps.head_input"),
    ],
)
def test_transformers_folders(tmp_path, kind, task, size, last):
    spec = folder(tmp_path, kind)
    network = run(spec, size, task)  # the configuration alone: random weights, as many outputs as classes
    assert network.feature_layers[-1] == last
    assert (network.latent_layer == "drop_block") == (kind != "Segformer")
    assert opened(spec, task).name == f"transformers:{kind}"


def test_transformers_weights_names_and_processor(tmp_path):
    names = {0: "cat", 1: "Big Dog", 2: "bird"}
    processor = {
        "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.2], "size": {"height": 48, "width": 40},
        "do_flip_channel_order": True,
    }  # fmt: skip
    spec = folder(
        tmp_path, "ResNet", processor, weights=True, id2label=names, label2id={v: k for k, v in names.items()}
    )
    first, second = opened(spec), opened(spec)
    assert first.input.class_names == ("cat", "Big Dog", "bird") and first.input.channel_order == "bgr"
    assert (first.input.mean, first.input.image_size) == ((0.5, 0.4, 0.3), (48, 40))
    weights = zip(first.module.parameters(), second.module.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)
    with torch.no_grad():
        assert first.module(images())["logits"].shape == (2, 3)


@pytest.mark.parametrize(
    ("processor", "mean", "std", "size"),
    [
        ({"image_mean": [127.5], "image_std": [255.0], "do_rescale": False}, (0.5,), (1.0,), None),
        ({"do_normalize": False, "size": {"shortest_edge": 32}}, (0.0,), (1.0,), (32, 32)),
        (
            {"size": 40, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True},
            None,
            None,
            (32, 32),
        ),
    ],
)
def test_processors(tmp_path, processor, mean, std, size):
    found = opened(folder(tmp_path, "ResNet", processor)).input
    assert (found.mean, found.std, found.image_size) == (mean, std, size)


def test_what_libraries_state_of_the_input():
    assert opened("timm:resnet10t").input.mean == (0.485, 0.456, 0.406)
    assert opened("timm:vit_tiny_patch16_224", img_size=32).input.image_size == (32, 32)
    assert opened("torchvision:resnet18").input.mean is None
    assert opened("smp:unet/resnet18", "segmentation").input.mean is None


def test_channels_and_arguments():
    assert opened("timm:resnet10t", channels=1).module.conv1[0].in_channels == 1
    assert (
        opened(
            "smp:unet/resnet18", "segmentation", encoder_depth=3, decoder_channels=(32, 16, 8)
        ).module.encoder._depth
        == 3
    )
    assert opened("torchvision:resnet18", num_classes=7).module.fc.out_features == 7


@pytest.mark.parametrize(
    ("spec", "task", "arguments", "message"),
    [
        ("timm:resnet1000", "classification", {}, r"timm has no network 'resnet1000'; near: resnet"),
        ("timm:resnet10t", "segmentation", {}, "timm is for classification, the data set needs segmentation"),
        ("timm:resnet10t", "classification", {"depth": 3}, r"takes no argument 'depth'; it takes: .*drop_rate"),
        ("torchvision:resnet19", "classification", {}, r"torchvision has no network 'resnet19'; near: resnet1"),
        ("torchvision:resnet18", "classification", {"depth": 3}, r"no argument 'depth'; it takes: .*width_per_group"),
        ("torchvision:fcn_resnet50", "classification", {}, "fcn_resnet50 is for segmentation, the data set needs"),
        ("smp:unett/resnet18", "segmentation", {}, r"smp has no architecture 'unett'; it has: .*unet"),
        ("smp:unet", "segmentation", {}, r"names no encoder: smp:ARCH/ENCODER"),
        ("smp:unet/resnet19", "segmentation", {}, r"smp:unet/resnet19 cannot be built: .*resnet19"),
        ("smp:unet/resnet18", "segmentation", {"colour": 3}, r"no argument 'colour'; it takes: .*decoder_channels"),
        ("smp:unet/resnet18", "classification", {}, "smp is for segmentation"),
        ("transformers:/nowhere/at/all", "classification", {}, "transformers:/nowhere/at/all"),
    ],
)  # fmt: skip
def test_one_line_says_what_a_library_does_not_have(spec, task, arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        opened(spec, task, **arguments)
    assert "\n" not in str(error.value)


def test_transformers_folders_that_cannot_be_used(tmp_path):
    spec = folder(tmp_path, "ResNet")
    with pytest.raises(ValueError, match=r"takes no argument 'depthh'; its configuration has: .*depths"):
        opened(spec, depthh=3)
    with pytest.raises(ValueError, match="code that comes with a model is never run"):
        opened(spec, trust_remote_code=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"the folder holds no config.json"):
        opened(f"transformers:{tmp_path / 'empty'}")
    code = {"architectures": ["Mine"], "auto_map": {"AutoConfig": "mine.Mine"}, "model_type": "mine"}
    (tmp_path / "empty" / "config.json").write_text(json.dumps(code))
    (tmp_path / "empty" / "mine.py").write_text("raise SystemExit('this code ran')")
    with pytest.raises(ValueError, match="transformers:"):
        opened(f"transformers:{tmp_path / 'empty'}")


def test_library_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ValueError, match=r'needs transformers: pip install "lsood-bench\[transformers\]"'):
        opened("transformers:anything")
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match="needs timm: pip install timm"):
        opened("timm:resnet18")
