"""Layers of networks that nobody prepared are found by one pass; the networks stay what they are."""

import copy

import pytest
import torch
from dropblock import DropBlock2D
from outside_modules import Cosine, Residual, Segmenter, adapted, check, images, outputs_of, shaken
from torch import nn

from lsood import Head
from networks import NETWORKS, adapt, build, load_weights, save_weights, weights_hash
from networks.outside.logits import traced_logits


def rows(network, what):
    return [row for row in network.description.rows if row.what == what]


def test_in_place_additions_a_dictionary_and_a_convolution_as_head():
    x, module = images(), shaken(Residual())
    with torch.no_grad():
        plain = module(x)["out"]
    names = list(module.state_dict())
    network = adapt(module, "classification", x, 5)
    check(network, plain, x)
    assert list(network.network.state_dict()) == names
    assert network.head_layer == "network.classifier"
    assert network.feature_layers[0] == "network.block1" and network.latent_layer == "drop_block"
    assert [row.name for row in rows(network, "head")] == ["classifier"]


def test_placed_dropblock_acts_on_the_last_feature_map_alone_when_sampled():
    network = adapted(
        nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AvgPool2d(16), nn.Flatten(), nn.Linear(8, 5))
    )
    layer = network.get_submodule(network.latent_layer)
    assert isinstance(layer, DropBlock2D) and (layer.drop_prob, layer.block_size) == (0.4, 5)
    maps, _ = outputs_of(network, "drop_block", images())
    assert maps.shape == (2, 8, 16, 16) and torch.equal(maps, outputs_of(network, "network.1", images())[0])
    (note,) = network.description.notes
    assert "not trained with" in note and "DropBlock2D (p 0.4, block 5)" in note and "layer 1" in note
    before = network(images())
    network.train()
    assert torch.equal(network(images()), before)  # idle in training too: it is trained as it was made
    layer.train()
    assert not torch.equal(network(images()), before)


@pytest.mark.parametrize(("side", "block"), [(32, 5), (12, 5), (8, 4), (6, 3), (3, 1)])
def test_block_shrinks_with_the_map(side, block):
    network = adapted(
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * side * side, 5)),
        size=(side, side),
    )
    assert network.drop_block.block_size == block


def test_dropout_of_the_network_is_sampled_and_nothing_is_placed():
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1),
        nn.Dropout2d(0.2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Dropout(0.0),
        nn.Linear(2048, 5),
    )
    x = images()
    network = adapt(shaken(module), "classification", x, 5)
    assert network.latent_layer == "network.4" and not network.description.notes
    with torch.no_grad():
        check(network, module(x), x)


def test_vectors_alone():
    module = nn.Sequential(
        nn.Flatten(), nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 5)
    )
    x = images((4, 4))
    network = adapt(shaken(module), "classification", x, 5)
    assert network.feature_layers == ("network.2", "network.4") and network.latent_layer == "dropout"
    with torch.no_grad():
        check(network, module(x), x)


def test_logits_that_no_linear_layer_gives():
    x, module = images(), shaken(Cosine())
    network = adapt(module, "classification", x, 5)
    assert network.head_layer is None and Head.of(network) is None
    assert network.feature_layers == ("network.body.1",)  # its mean is what the head is given
    (row,) = rows(network, "head")
    assert row.name == "none" and "head gives the logits and is no linear layer" in row.how
    with torch.no_grad():
        check(network, module(x), x)


def test_scaled_logits_have_no_head():
    class Scaled(nn.Sequential):
        def forward(self, x):
            return 3 * super().forward(x)

    network = adapted(Scaled(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(2048, 5)))
    assert network.head_layer is None and "no layer gives the logits" in rows(network, "head")[0].how


def test_channels_last_maps_and_tokens_become_maps():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Conv2d(3, 12, 8, 8)
            self.cls = nn.Parameter(torch.randn(1, 1, 12))
            self.blocks = nn.ModuleList(
                nn.TransformerEncoderLayer(12, 2, 24, 0.0, batch_first=True) for _ in range(6)
            )
            self.norm, self.head = nn.LayerNorm(12), nn.Linear(12, 5)

        def forward(self, x):
            x = self.embed(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1)
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x)[:, 0])

    x, module = images((32, 48)), shaken(Tokens())
    with torch.no_grad():
        plain = module(x)
    network = adapt(module, "classification", x, 5)
    with torch.no_grad():
        check(network, plain, x)
    assert len(network.feature_layers) == 5 and network.feature_layers[-1] == "taps.head_input"
    maps, _ = outputs_of(network, network.feature_layers[0], x)
    tokens, _ = outputs_of(network, "network.blocks.0", x)
    assert maps.shape == (2, 12, 4, 6)
    torch.testing.assert_close(maps[:, :, 1, 2], tokens[:, 1 + 6 + 2])
    network.drop_block.register_forward_hook(lambda layer, args, output: output * 0)
    dropped, _ = outputs_of(network, "network.blocks.5", x)
    assert not dropped[:, 1:].any() and dropped[:, 0].any()  # the class token stays


def test_what_a_method_puts_in_place_of_tapped_features_reaches_the_logits():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 6, 4, 4), nn.Linear(6, 5)
            self.norm = nn.LayerNorm(6)

        def forward(self, x):
            return self.head(self.norm(self.conv(x).permute(0, 2, 3, 1)).mean((1, 2)))

    network = adapted(Last())
    (tap,) = [name for name in network.feature_layers if name == "taps.of_norm"]
    handle = network.get_submodule(tap).register_forward_hook(lambda layer, args, output: output * 0)
    with torch.no_grad():
        torch.testing.assert_close(network(images()), network.network.head.bias.expand(2, -1))
        handle.remove()
        assert not torch.allclose(network(images()), network.network.head.bias.expand(2, -1))


@pytest.mark.parametrize("size", [(64, 96), (50, 70)])
def test_segmentation_logits_are_enlarged(size):
    x, module = images(size), shaken(Segmenter())
    network = adapt(module, "segmentation", x, 5)
    with torch.no_grad():
        plain = nn.functional.interpolate(module(x)[0], size, mode="bilinear", align_corners=False)
    check(network, plain, x, dense=True)
    assert not network.padded and network.head_layer is None
    assert [row.name for row in rows(network, "head")] == ["last"]


def test_segmentation_images_are_padded_where_the_network_needs_it():
    x, module = images((50, 70)), shaken(Segmenter(strict=True))
    network = adapt(module, "segmentation", x, 5)
    assert network.padded
    padded = nn.functional.pad(x, (0, 26, 0, 14), mode="replicate")
    with torch.no_grad():
        wide = nn.functional.interpolate(module(padded)[0], (64, 96), mode="bilinear", align_corners=False)
        assert torch.equal(network(x), wide[..., :50, :70])


def test_bgr_and_chosen_outputs():
    module = shaken(
        nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
        )
    )
    x = images()
    with torch.no_grad():
        plain = module(x.flip(1))[:, [4, 0, 2]]
    network = adapt(module, "classification", x, 3, outputs=[4, 0, 2], channel_order="bgr")
    check(network, plain, x, classes=3)


def test_other_outputs_in_other_orders():
    class Outputs(nn.Module):
        def __init__(self, form):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
            self.head, self.form = nn.Linear(8, 5), form

        def forward(self, x):
            maps = self.body(x)
            logits, features = self.head(maps.mean((2, 3))), maps.mean((2, 3))
            forms = {
                "tuple": (features, logits),
                "nested": [maps, (logits, features)],
                "map": logits[:, :, None, None],
                "object": type("Result", (), {"logits": logits})(),
                "auxiliary": {"aux": features, "logits": logits},
            }
            return forms[self.form]

    for form in ("tuple", "nested", "map", "object", "auxiliary"):
        network = adapted(Outputs(form))
        assert network.head_layer == "network.head", form
        with torch.no_grad():
            expected = network.network.head(network.network.body(images()).mean((2, 3)))
            torch.testing.assert_close(network(images()), expected)


def test_layers_that_the_user_names():
    module = shaken(
        nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(512, 5),
        )
    )
    names = {"latent_layer": "0", "feature_layers": ["1", "3"], "head_layer": "5"}
    network = adapt(module, "classification", images(), 5, **names)
    assert network.feature_layers == ("network.1", "network.3")
    assert network.head_layer is None  # its input is not the pooled output of the last feature layer
    assert network.latent_layer == "drop_block" and "behind its layer 0" in network.description.notes[0]
    assert outputs_of(network, "drop_block", images())[0].shape == (2, 8, 16, 16)
    assert {row.how for row in rows(network, "feature")} == {"--feature-layers"}
    named = adapt(copy.deepcopy(module), "classification", images(), 5, feature_layers=["network.4"])
    assert named.feature_layers == ("network.4",) and named.head_layer == "network.5"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent_layer": "block3"}, r"--latent-layer: Residual has no layer 'block3'; near: block2, block1"),
        ({"feature_layers": ["stm"]}, r"--feature-layers: Residual has no layer 'stm'; near: stem"),
        (
            {"head_layer": "block1.0"},
            r"--head-layer: 'block1.0' of Residual is no linear layer or 1x1 convolution",
        ),
        ({"head_layer": "nothing"}, r"--head-layer: Residual has no layer 'nothing'"),
    ],
)
def test_layers_that_cannot_be_named(options, message):
    with pytest.raises(ValueError, match=message) as error:
        adapted(Residual(), **options)
    assert "\n" not in str(error.value)


def test_layer_called_twice_is_refused_and_not_found():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.act, self.drop = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Dropout(0.5)
            self.head = nn.Linear(3, 5)

        def forward(self, x):
            x = self.drop(self.act(self.conv(x)))
            return self.head(self.drop(self.act(x)).mean((2, 3)))

    with pytest.raises(ValueError, match="--latent-layer: 'drop' of Twice is called 2 times in a pass"):
        adapted(Twice(), latent_layer="drop")
    network = adapted(Twice())
    assert network.latent_layer == "drop_block" and network.feature_layers[-1] == "taps.head_input"


def test_networks_of_ours_keep_the_layers_that_they_name():
    network = build("resnet18-small", 5)
    adapted_one = adapt(network, "classification", images(), 5)
    assert adapted_one.feature_layers == tuple(f"network.{name}" for name in network.feature_layers)
    assert adapted_one.latent_layer == "network.drop_block" and adapted_one.head_layer == "network.fc"
    other = adapt(build("resnet18-small", 5), "classification", images(), 5, latent_layer="layer3")
    assert other.latent_layer == "drop_block" and other.description.notes


@pytest.mark.parametrize("name", [n for n in NETWORKS if NETWORKS.about(n, "task") != "detection"])
def test_every_network_of_ours_is_read_as_it_is_named(name):
    task = NETWORKS.about(name, "task")
    side = (
        64
        if task == "segmentation" or "imagenet" in name
        else 28
        if "28x28" in NETWORKS[name].description
        else 32
    )
    options = {"image_size": (side, side)} if "image_size" in NETWORKS[name].options else {}
    x, plain = images((side, side)), build(name, 5, **options).eval()
    network = adapt(plain, task, x, 5)
    assert network.feature_layers == tuple(f"network.{one}" for one in plain.feature_layers)
    assert network.latent_layer == f"network.{plain.latent_layer}" and not network.description.notes
    assert network.head_layer == (f"network.{plain.head_layer}" if task == "classification" else None)
    with torch.no_grad():
        assert torch.equal(network(x), plain(x))


def test_attributes_that_name_no_layers_are_passed_over():
    class Other(Residual):
        latent_layer, feature_layers, head_layer = "mean", ("low", "high"), "stem"

    network = adapted(Other())
    assert network.head_layer == "network.classifier" and network.feature_layers[0] == "network.block1"


def test_weights_are_those_of_the_module(tmp_path):
    module = shaken(Residual())
    before = weights_hash(module)
    network = adapt(module, "classification", images(), 5)
    assert weights_hash(network) == before
    save_weights(network, tmp_path / "w.safetensors")
    again = shaken(Residual(), seed=1)
    load_weights(again, tmp_path / "w.safetensors")
    assert weights_hash(again) == before
    load_weights(adapt(again, "classification", images(), 5), tmp_path / "w.safetensors")


def test_copy_of_an_adapted_network_has_hooks_of_its_own():
    network = adapted(Residual())
    other = copy.deepcopy(network)
    maps, _ = outputs_of(other, other.latent_layer, images())
    assert maps is not None
    other.drop_block.register_forward_hook(lambda layer, args, output: output * 0)
    with torch.no_grad():
        assert torch.equal(network(images()), network.network(images())["out"])
        assert not torch.equal(other(images()), network(images()))


def test_probabilities_are_told():
    network = adapted(nn.Sequential(nn.Flatten(), nn.Linear(3072, 5), nn.Softmax(1)))
    assert any("probabilities, not logits" in note for note in network.description.notes)


class Two(nn.Module):
    """Returns several tensors of one shape, in the order that ``pick`` says."""

    def __init__(self, pick, classes=5):
        super().__init__()
        self.pick = pick
        self.shallow, self.deep = nn.Conv2d(3, 5, 3, 2, 1), nn.Conv2d(5, 5, 3, 2, 1)
        self.aux, self.fc = nn.Linear(5, classes), nn.Linear(5, classes)

    def forward(self, x):
        low = self.shallow(x).relu()
        features = self.deep(low).relu().mean((2, 3))
        logits = self.fc(features)
        return self.pick(features, self.aux(low.mean((2, 3))), logits)


@pytest.mark.parametrize("classes", [0, 5])
@pytest.mark.parametrize(
    ("pick", "right"),
    [
        (lambda f, a, z: (f, z), 1),
        (lambda f, a, z: (z, f), 0),
        (lambda f, a, z: (a, z), 1),
        (lambda f, a, z: (z, a), 0),
        (lambda f, a, z: {"b": a, "c": z}, "c"),
        (lambda f, a, z: {"b": z, "out": a}, "out"),
        (lambda f, a, z: {"out": f, "b": z}, "b"),
        (lambda f, a, z: (f, z.softmax(1)), 1),
    ],
)
def test_logits_among_tensors_of_their_shape_are_those_of_the_head(pick, right, classes):
    module = shaken(Two(pick))
    with torch.no_grad():
        wanted = module(images())[right]
        network = adapt(module, "classification", images(), classes)
        assert torch.equal(network(images()), wanted) and network.num_outputs == 5


def test_the_named_head_and_the_number_of_labels_decide_about_the_logits():
    module = shaken(Two(lambda f, a, z: (a, z)))
    with torch.no_grad():
        network = adapt(module, "classification", images(), 5, head_layer="aux")
        assert torch.equal(network(images()), module(images())[0]) and network.head_layer == "network.aux"
    narrow = shaken(Two(lambda f, a, z: (f, a.sum(1, keepdim=True), z[:, :2] * 1, f.repeat(1, 2).sqrt() * 2)))
    assert traced_logits(narrow, images(), "classification", None, 6).place == "output[3]"


def test_where_no_layers_are_found_rows_say_so():
    network = adapt(nn.Linear(6, 3), "classification", torch.randn(4, 6), 3)
    assert network.feature_layers == () and network.latent_layer == "" and network.head_layer is None
    assert rows(network, "feature")[0].name == rows(network, "latent")[0].name == "none"


class Unsteady(Two):
    def __init__(self, change):
        super().__init__(lambda f, a, z: z)
        self.change = change

    def forward(self, x):
        return super().forward(self.change(x))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x, ""),
        (lambda x: nn.functional.dropout(x, 0.5), "output is random in evaluation mode"),
        (lambda x: (x - x.mean()) / x.std(), "depends on the other images of its batch"),
    ],
)
def test_outputs_that_are_random_or_depend_on_the_batch_are_told(change, said, caplog):
    network = adapted(Unsteady(change))
    notes = [note for note in network.description.notes if "the numbers depend" in note]
    assert len(notes) == bool(said) and all(said in note for note in notes)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == notes
