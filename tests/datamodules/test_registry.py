"""Data sets by name: known without imports, found in new files, described by attributes of the data modules."""

import subprocess
import sys
from pathlib import Path

import pytest

import datamodules
from anomalies import recipe_names
from datamodules import (
    DATAMODULES,
    NOISE,
    OOD_SETS,
    OUTLIER_SETS,
    SHIFTED,
    TASKS,
    BenchmarkDataModule,
    check_names,
    known_names,
    ood_descriptions,
    ood_set,
)
from datamodules.miniature import MINIATURES, SHARED
from datamodules.tasks.base import Task

ROOT = Path(datamodules.__file__).parents[1]
ATTRIBUTES = (
    "task channels mean std image_size miniature_size street folders source void_id synonyms default_network "
    "miniature_network training_config miniature_training_config default_recipe outliers near far shift class_names"
).split()
LIGHT = """
import sys
from datamodules import DATAMODULES, NOISE, OOD_SETS, OUTLIER_SETS, SHIFTED, TASKS, check_names, ood_descriptions
for check in (lambda: check_names(["svnh"]), lambda: DATAMODULES.check("cityscape")):
    try:
        check()
    except ValueError as error:
        print(error)
assert [*NOISE, *SHIFTED, *OUTLIER_SETS, *TASKS, *OOD_SETS, *ood_descriptions()]
assert DATAMODULES.about("camvid", "task") == "segmentation"
assert len(DATAMODULES.about("bdd100k-seg", "class_names")) == 19
assert DATAMODULES.about("fashion-mnist", "default_network") == "lenet"
assert not {"torch", "pytorch_lightning", "cv2", "numpy", "anomalies"} & set(sys.modules)
"""


def python(code, *paths):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, paths)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_names_are_known_and_mistypes_reported_without_torch():
    said = python(LIGHT)
    assert "unknown OoD set 'svnh'; did you mean 'svhn'? OoD sets: anomalies, bdd100k, " in said
    assert (
        "woodscape-soiling, folder:DIR, segmentation:DIR, coco:DIR, coco-masks:DIR, file.py:Class, generated:DIR"
        in said
    )
    assert "unknown in-distribution set 'cityscape'; did you mean 'cityscapes'?" in said


def test_every_name_has_an_order_a_description_and_a_set():
    names = known_names()
    assert names == sorted(names) == list(ood_descriptions()) and len(set(names)) == len(names)
    drawn = [f"{ind}-anomalies" for ind in DATAMODULES]
    assert {*DATAMODULES, *OOD_SETS, *NOISE, *SHIFTED, *drawn} == set(names)
    assert list(DATAMODULES) == sorted(DATAMODULES) and list(OOD_SETS) == sorted(OOD_SETS)
    for name in names:
        assert ood_descriptions()[name]
        assert ood_set(name).name == name
    for name in OOD_SETS:
        assert OOD_SETS.about(name, "description") == OOD_SETS[name].description
        assert OOD_SETS[name].mini == (name in {*MINIATURES, *SHARED})
    for name in OUTLIER_SETS:
        place = OUTLIER_SETS[name].place()
        assert OUTLIER_SETS[name].name == name and place.folders and place.layout and place.source
    check_names(
        ["folder:/x", "generated:/x", "segmentation:/x-anomalies", "x.py:Mine-anomalies", "anomalies"]
    )
    for wrong in ("cityscapes-anomaly", "mnist.Mine"):
        with pytest.raises(ValueError, match=f"unknown OoD set '{wrong}'"):
            ood_set(wrong)


@pytest.mark.parametrize("name", DATAMODULES)
def test_what_a_data_set_needs_is_read_from_its_source(name):
    module = DATAMODULES[name]
    for attribute in ATTRIBUTES:
        assert DATAMODULES.about(name, attribute, "unread") == getattr(module, attribute), attribute
    assert module.name == name and module.task in TASKS and issubclass(TASKS[module.task], Task)
    assert module.default_network and module.miniature_network
    assert module.default_recipe == ("driving" if module.street else "default")
    assert module.default_recipe in recipe_names()
    assert set(module.outliers) <= set(OUTLIER_SETS) and {*module.near, *module.far} <= set(known_names())
    assert set(module.shift) <= set(SHIFTED) and not {*module.shift} & {*module.near, *module.far}
    assert len(module.mean) == len(module.std) == module.channels
    assert name in MINIATURES or name in SHARED


def test_published_groups_and_configs():
    near, far = {"cifar10": "cifar100", "cifar100": "cifar10"}, ("mnist", "svhn", "textures", "places365")
    for name, other in near.items():
        module = DATAMODULES[name]
        assert module.near == (other, "tiny-imagenet") and module.far == far
    assert [n for n in DATAMODULES if DATAMODULES.about(n, "near")] == ["cifar10", "cifar100"]
    configs = {n: c for n in DATAMODULES if (c := DATAMODULES.about(n, "training_config"))}
    assert configs == {
        "camvid": {"epochs": 10, "batch_size": 8, "optimizer": "adam", "lr": 3e-3, "weight_decay": 1e-4}
    }
    assert not any(DATAMODULES.about(n, "miniature_training_config") for n in DATAMODULES)


@pytest.mark.parametrize(
    ("name", "key", "sequence"),
    [
        ("camvid", "test/0001TP_008550.png", "0001TP"),
        ("camvid", "train/0006R0_f00930.png", "0006R0"),
        ("camvid", "train/0016E5_00390.png", "0016E5"),
        ("camvid", "val/Seq05VD_f00000.png#fog-3", "Seq05VD"),
        ("camvid", "val/x.png", None),
        ("cityscapes", "leftImg8bit/val/frankfurt/frankfurt_000001_000294_leftImg8bit.png", "frankfurt_000001"),
        ("cityscapes", "leftImg8bit/val/x.png", None),
        ("gtsrb", "Final_Training/Images/00003/00012_00029.ppm", "00003/00012"),
        ("gtsrb", "Final_Test/Images/00007.ppm", None),
        ("bdd100k", "images/100k/val/b1c66a42-6f7d68ca.jpg", None),
        ("cifar10", "test/000001", None),
    ],
)  # fmt: skip
def test_sequences(name, key, sequence):
    assert DATAMODULES[name].sequence_of(key) == sequence


SET = """
from datamodules.ood.base import OODSet

SETS = [OODSet(name="own", description="own images", folders=("own",), source="here")]
"""
MODULE = '''
from datamodules.ind.cifar10 import CIFAR10DataModule

class Own(CIFAR10DataModule):
    """Our images."""

    name = "own-ind"
    default_recipe = "driving"
'''
NOISY = """
import numpy as np
from datamodules.ood.noise import NoiseSet

BLACK = NoiseSet(name="black", description="black", stream=9, draw=lambda shape, random: np.zeros(shape, int))
"""
TASK = """
from datamodules.tasks.classification import Classification

class Ranking(Classification):
    task = "ranking"
"""
FOUND = """
import sys
sys.path.insert(0, sys.argv[1])
from datamodules import DATAMODULES, TASKS, known_names, ood_descriptions, ood_set
import datamodules
assert datamodules.__file__.startswith(sys.argv[1])
assert {"own", "black", "own-ind", "own-ind-anomalies"} <= set(known_names())
assert DATAMODULES.about("own-ind", "default_recipe") == "driving" and "ranking" in TASKS
assert DATAMODULES.about("own-ind", "default_network") == "resnet18"
assert "torch" not in sys.modules
assert ood_descriptions()["own"] == "own images" and ood_set("own").published is None
assert DATAMODULES["own-ind"](limit=3, miniature=False).task_handler.task == "classification"
assert TASKS["ranking"].task == "ranking" and ood_set("own-ind").folders and ood_set("black").stream == 9
"""


def test_one_new_file_is_one_new_set(tmp_path):
    """A data module, an OoD set, noise and a task, each in a file that nothing else refers to."""
    for package in ("datamodules", "anomalies", "lsood"):
        (tmp_path / package).mkdir()
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                copy = tmp_path / path.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.symlink_to(path)
    for path, text in (
        ("ood/own.py", SET),
        ("ind/own.py", MODULE),
        ("ood/black.py", NOISY),
        ("tasks/own.py", TASK),
    ):
        (tmp_path / "datamodules" / path).write_text(text)
    python(FOUND, tmp_path)


def test_a_data_module_of_its_own_needs_no_entry_anywhere():
    class Mine(DATAMODULES["cifar10"]):
        name = "mine"
        outliers = ()

    data = Mine(ood=["uniform-noise"], limit=4)
    assert isinstance(data, BenchmarkDataModule) and data.image_size == (32, 32) and data.num_classes == 10
    with pytest.raises(ValueError, match="no outliers are chosen for mine; name some"):
        data.outlier_set()
    assert not DATAMODULES["cityscapes"].can_be_fetched() and DATAMODULES["mnist"].can_be_fetched()
