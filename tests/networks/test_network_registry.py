"""Names, options and training configs."""

import sys

import pytest
import torch

from lsood.registry import Registry, load
from networks import NETWORKS, PRESETS, NetworkSpec, TrainingConfig, build, preset
from networks.training.fit import TASKS


def test_a_wrong_name_lists_the_right_ones():
    with pytest.raises(
        ValueError,
        match=r"unknown network 'resnet81'; did you mean 'resnet18'\? networks: dabnet, deeplabv3plus, ",
    ):
        build("resnet81", 3)


def test_a_wrong_option_lists_the_right_ones():
    with pytest.raises(ValueError, match=r"'lenet' has no option 'depth'; its options: image_size$"):
        build("lenet", 3, depth=5)
    with pytest.raises(ValueError, match='stem must be "cifar" or "imagenet"'):
        build("resnet18", 3, stem="x")
    with pytest.raises(ValueError, match="width must lie in 16 to 128, got 8"):
        build("resnet18", 3, width=8)
    with pytest.raises(ValueError, match="at least two levels"):
        build("unet", 3, filters=(8,))
    with pytest.raises(ValueError, match="num_classes and channels must be at least 1, got 0 and 3"):
        build("lenet", 0)
    with pytest.raises(ValueError, match=r"depth of a DenseNet-BC must be 6 n \+ 4, n at least 1; got 401"):
        build("densenet-bc-100", 3, depth=401)
    with pytest.raises(ValueError, match=r"growth must be at least 1, reduction .* got 0 and 0\.5"):
        build("densenet-bc-100", 3, growth=0)
    with pytest.raises(ValueError, match=r"depth of a wide ResNet must be 6 n \+ 4, n at least 1; got 4"):
        build("wrn-28-10", 3, depth=4)
    with pytest.raises(
        ValueError, match="width must be at least 1, dropout lie in 0 to below 1; got 10 and 1"
    ):
        build("wrn-28-10", 3, dropout=1)
    with pytest.raises(ValueError, match="three stages and a hidden layer are needed"):
        build("vgg", 3, stages=((4,), (4,)))
    with pytest.raises(ValueError, match="images of at least 12x12 pixels, got 8x32"):
        build("vgg", 3, image_size=(8, 32))
    for encoder in ("nothing", "tu-nothing"):
        with pytest.raises(ValueError, match=f"^unknown encoder '{encoder}'") as error:
            build("deeplabv3plus", 3, encoder=encoder)
        assert "\n" not in str(error.value)


def test_every_network_is_known_by_what_its_source_declares():
    assert len(NETWORKS) == 27 and list(NETWORKS) == sorted(NETWORKS)
    for name, spec in NETWORKS.items():
        assert isinstance(spec, NetworkSpec) and spec.name == name
        known = {key: NETWORKS.about(name, key) for key in ("task", "description", "training_config")}
        assert known == {key: getattr(spec, key) for key in known}, "the source tells what the object says"
        assert spec.task in TASKS


def test_configs_of_networks_are_training_configs():
    for name, spec in NETWORKS.items():
        for config in (spec.training_config, spec.miniature_training_config):
            assert config is None or TrainingConfig(**config).epochs >= 1, name
    found = {n: (s.training_config, s.miniature_training_config) for n, s in NETWORKS.items()}
    assert {n for n, (real, mini) in found.items() if real or mini} == {"lenet", "faster-rcnn-small"}
    assert TrainingConfig(**found["lenet"][0]) == TrainingConfig(6, 128, "adam", 3e-3, channels_last=True)
    assert found["lenet"][1] is None, "a miniature trains lenet with the config of its task"
    for config in found["faster-rcnn-small"]:
        assert TrainingConfig(**config) == TrainingConfig(16, 2, "adam", 2e-3, 1e-4)


def test_dropout_variants_are_networks_of_the_same_task():
    variants = {n: s.dropout_variant for n, s in NETWORKS.items() if s.dropout_variant}
    assert variants == {"lenet": "lenet-mcd", "resnet18": "resnet18-mcd", "resnet34": "resnet34-mcd"}
    assert all(NETWORKS[variant].task == NETWORKS[name].task for name, variant in variants.items())


def test_a_new_network_is_one_new_file(tmp_path, monkeypatch):
    (tmp_path / "my_networks").mkdir()
    (tmp_path / "my_networks" / "__init__.py").write_text("")
    (tmp_path / "my_networks" / "linear.py").write_text(LINEAR)
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry(
        "network",
        ("my_networks",),
        maker="NetworkSpec",
        fields=("name", "task", "description", "build"),
    )
    assert list(registry) == ["linear"] and registry.about("linear", "description") == "one linear layer"
    assert "my_networks.linear" not in sys.modules, "its names are read without importing it"
    assert registry["linear"].build(5, 1).layer.out_features == 5


def test_a_network_of_a_file_is_built_like_any_other(tmp_path):
    (tmp_path / "mine.py").write_text(LINEAR)
    where = f"{tmp_path / 'mine.py'}:SPEC"
    assert build(where, 7, size=3).layer.weight.shape == (7, 9 * 3)
    with pytest.raises(ValueError, match=r"has no option 'depth'; its options: size$"):
        build(where, 7, depth=1)
    with pytest.raises(ValueError, match=r"mine.py:Linear' is no networks\.NetworkSpec but type$"):
        build(f"{tmp_path / 'mine.py'}:Linear", 7)
    with pytest.raises(ValueError, match="has no attribute 'Nothing'"):
        build(f"{tmp_path / 'mine.py'}:Nothing", 7)


LINEAR = """
from torch import nn

from networks import NetworkSpec


class Linear(nn.Module):
    def __init__(self, num_classes, channels=3, size=8):
        super().__init__()
        self.layer = nn.Linear(channels * size * size, num_classes)


SPEC = NetworkSpec("linear", "classification", "one linear layer", Linear)
"""


@pytest.mark.parametrize(
    "wrong",
    [
        {"optimizer": "lion"},
        {"schedule": "x"},
        {"loss": "x"},
        {"precision": "16"},
        {"epochs": 0},
        {"lr": 0.0},
        {"outlier_weight": -1.0},
        {"momentum": 1.0},
        {"momentum": 0.0},
        {"lr_factor": 0.0},
        {"end_lr": 0.1},
        {"milestones": (3,)},
        {"milestones": (3, 3), "schedule": "multi-step"},
        {"milestones": (0, 3), "schedule": "multi-step"},
        {"milestones": (), "schedule": "multi-step"},
    ],
)
def test_configs_refuse_what_they_cannot_do(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrainingConfig(**({"epochs": 1, "batch_size": 2} | wrong))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_names_a_network_its_options_and_a_source(name):
    chosen = preset(name)
    options = {key: value for key, value in chosen.options.items() if key != "encoder_weights"}
    with torch.device("meta"):
        build(chosen.network, 10, **options)
    assert set(chosen.options) <= set(NETWORKS[chosen.network].options)
    assert chosen.paper and all(milestone < chosen.config.epochs for milestone in chosen.config.milestones)
    own = name.startswith("fast")
    assert own or chosen.config.precision == "32-true", "papers trained in float32"


def test_presets_say_what_the_papers_say():
    config = preset("fssd-lenet").config
    assert (config.optimizer, config.lr, config.epochs, config.batch_size) == ("adadelta", 1.0, 14, 64)
    assert config.lr_share(13) == pytest.approx(0.7**13)
    odin = preset("odin-wrn").config
    assert [odin.lr * odin.lr_share(epoch) for epoch in (59, 60, 120, 160, 199)] == pytest.approx(
        [0.1, 0.02, 0.004, 0.0008, 0.0008]
    )
    larex = preset("larex-faster-rcnn")
    assert larex.config.epochs * 69_863 // larex.config.batch_size == pytest.approx(52_000, rel=0.01)
    vmdls = preset("vmdls-resnet34")
    assert vmdls.config.batch_size == 80 and vmdls.extra["distancing_margin"] == 32
    with pytest.raises(
        ValueError, match=r"unknown preset 'fsd-lenet'; did you mean 'fssd-lenet'\? presets: fssd"
    ):
        preset("fsd-lenet")


def test_a_file_is_loaded_again_where_its_content_has_changed(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("class Mine:\n    number = 1\n")
    first = load(str(file))
    file.touch()
    assert load(str(file)) is first, "classes stay the same"
    file.write_text("class Mine:\n    number = 2\n")  # of the same size, within the same second
    assert load(str(file)).Mine.number == 2 and first.Mine.number == 1
    file.write_text("raise OSError")
    with pytest.raises(OSError):
        load(str(file))
    file.write_text("class Mine:\n    number = 2\n")
    assert load(str(file)).Mine.number == 2
