"""The house rules as tests: import direction, style, types, doctests, public names."""

import ast
import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "anomalies": set(),
    "lsood": set(),
    "networks": {"lsood"},
    "baselines": {"lsood"},
    "datamodules": {"anomalies", "lsood"},
    "leaderboards": {"lsood"},
    "benchmarks": {"anomalies", "baselines", "datamodules", "leaderboards", "lsood", "networks"},
}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_import_direction(package):
    for path in (ROOT / package).rglob("*.py"):
        if "speed" in path.parts:
            continue
        wrong = (set(imports(path)) & set(MAY_IMPORT)) - MAY_IMPORT[package] - {package}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def modules():
    for package in MAY_IMPORT:
        for info in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            if not info.name.endswith("__main__") and "speed" not in info.name:
                yield info.name


def test_doctests():
    ran = 0
    for name in modules():
        result = doctest.testmod(importlib.import_module(name), extraglobs={}, verbose=False)
        assert result.failed == 0, name
        ran += result.attempted
    assert ran >= 15


@pytest.mark.parametrize(
    "command", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]], ids=" ".join
)
def test_style_and_types(command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_public_names():
    names = {
        "lsood": "Hook sample_latents entropy Activations Detector LaRED LaREM KDEClassifier Monitor auroc aupr "
        "fpr_at_tpr deeplabv3p_apply_dropout get_latent_representation_mcd_samples deeplabv3p_get_ls_mcd_samples "
        "get_dl_h_z build_ood_detection_ds get_ood_detector_results plot_roc_ood_detector plot_samples_pacmap "
        "log_evaluate_lared_larem",
        "baselines": "MSP ODIN Mahalanobis FSSD DeepEnsemble",
        "datamodules": "CityscapesDataModule WoodScapeDataModule BDD100kDataModule BDD100kSegmentationDataModule "
        "CIFAR10DataModule Boxes BoxedSet "
        "FashionMNISTDataModule CamVidDataModule",
        "anomalies": "Recipe Mud Fog SunFlare Rain Snow",
    }
    for package, wanted in names.items():
        module = importlib.import_module(package)
        assert not [name for name in wanted.split() if not hasattr(module, name)]
        assert set(module.__all__) <= set(dir(module))
