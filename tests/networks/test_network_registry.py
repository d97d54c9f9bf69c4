"""Names, options, defaults and recipes."""

import pytest
import torch

from datamodules import DATAMODULES
from networks import (
    NETWORKS,
    PRESETS,
    TrainingConfig,
    build,
    default_network,
    default_training_config,
    preset,
)


def test_a_wrong_name_lists_the_right_ones():
    with pytest.raises(
        ValueError, match=r"unknown network 'resnet81'; did you mean 'resnet18'\? networks: lenet"
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


@pytest.mark.parametrize("miniature", [True, False])
@pytest.mark.parametrize("ind", DATAMODULES)
def test_every_data_set_has_a_network_of_its_task_and_a_recipe(ind, miniature):
    name = default_network(ind, miniature)
    assert NETWORKS[name].task == DATAMODULES[ind].task
    assert default_training_config(name, ind, miniature).epochs >= 1
    if miniature and NETWORKS[name].task == "segmentation":
        assert name == "deeplabv3plus-small"
    if NETWORKS[name].task == "detection":
        assert name == ("faster-rcnn-small" if miniature else "faster-rcnn")


def test_every_network_has_a_recipe_of_its_own_everywhere():
    for name in NETWORKS:
        for miniature in (True, False):
            assert isinstance(default_training_config(name, "somebody's", miniature), TrainingConfig)


def test_no_default_for_an_unknown_data_set():
    with pytest.raises(ValueError, match="no default network for 'mine'; name one of lenet"):
        default_network("mine", False)


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
def test_recipes_refuse_what_they_cannot_do(wrong):
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
