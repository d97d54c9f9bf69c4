"""Names, options, defaults and recipes."""

import pytest

from datamodules import DATAMODULES
from networks import NETWORKS, TrainingRecipe, build, default_network, default_recipe


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
    for encoder in ("nothing", "tu-nothing"):
        with pytest.raises(ValueError, match=f"^unknown encoder '{encoder}'") as error:
            build("deeplabv3plus", 3, encoder=encoder)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("miniature", [True, False])
@pytest.mark.parametrize("ind", DATAMODULES)
def test_every_data_set_has_a_network_of_its_task_and_a_recipe(ind, miniature):
    name = default_network(ind, miniature)
    assert NETWORKS[name].task == DATAMODULES[ind].task
    assert default_recipe(name, ind, miniature).epochs >= 1
    if miniature and NETWORKS[name].task == "segmentation":
        assert name == "deeplabv3plus-small"


def test_every_network_has_a_recipe_of_its_own_everywhere():
    for name in NETWORKS:
        for miniature in (True, False):
            assert isinstance(default_recipe(name, "somebody's", miniature), TrainingRecipe)


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
        TrainingRecipe(**({"epochs": 1, "batch_size": 2} | wrong))
