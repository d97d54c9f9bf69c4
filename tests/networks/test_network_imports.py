"""What is known before torch is loaded, names of release 0.1, and a new task in one file."""

import subprocess
import sys

import pytest
import torch
from torch.utils.data import DataLoader

import networks
from lsood.registry import Registry
from networks import TrainingConfig, build, fit

LIST = "[(n, N.about(n, 'task'), N.about(n, 'description')) for N in [networks.NETWORKS] for n in N]"


@pytest.mark.parametrize(
    "code",
    [
        LIST,
        "networks.NETWORKS.check('resnet18')",
        "networks.preset('fssd-lenet').config.epochs",
        "networks.PRESETS",
        "networks.TrainingConfig(1, 2)",
        "networks.resolve_precision(networks.TrainingConfig(1, 2, precision='32-true'), 'cpu')",
        "dir(networks)",
    ],
)
def test_lists_and_configs_import_no_torch(code):
    heavy = "{'torch', 'torchvision', 'pytorch_lightning', 'torchmetrics'} & set(sys.modules)"
    script = f"import sys, networks; value = {code}; found = {heavy}; assert not found, found; print(value)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if code == LIST:
        assert "('unet', 'segmentation', 'U-Net with 32 to 256 filters, as in LaREx')" in done.stdout


def test_every_public_name_is_there():
    assert not [name for name in networks.__all__ if not hasattr(networks, name)]
    assert not hasattr(networks, "default_network")
    with pytest.raises(AttributeError, match=r"networks.*nothing"):
        _ = networks.nothing


def test_names_of_release_0_1_work_with_a_warning():
    with pytest.warns(
        DeprecationWarning, match=r"networks.TrainingRecipe is now networks.TrainingConfig"
    ) as w:
        assert networks.TrainingRecipe is TrainingConfig
    assert w[0].filename == __file__
    with pytest.warns(DeprecationWarning, match=r"Preset.recipe is now config"):
        assert networks.preset("fssd-lenet").recipe is networks.preset("fssd-lenet").config


def test_a_new_task_is_one_new_file(tmp_path, monkeypatch):
    (tmp_path / "my_tasks").mkdir()
    (tmp_path / "my_tasks" / "__init__.py").write_text("")
    (tmp_path / "my_tasks" / "ordinal.py").write_text(
        "from networks import ClassificationModule\n\n\n"
        "class OrdinalModule(ClassificationModule):\n"
        "    task = 'ordinal'\n    outlier_exposure = False\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    tasks = Registry("task", ("networks.training.tasks", "my_tasks"), key="task")
    assert list(tasks) == ["classification", "detection", "ordinal", "segmentation"]
    monkeypatch.setattr("networks.training.fit.TASKS", tasks)
    samples = [{"image": torch.full((3, 16, 16), float(i)), "target": i % 2, "key": str(i)} for i in range(4)]
    loader, config = DataLoader(samples, 2), TrainingConfig(1, 2, precision="32-true")
    network = build("lenet", 2, image_size=(16, 16))
    figures = fit(network, "ordinal", 2, loader, loader, config, tmp_path / "work", progress=False)
    assert set(figures) == {"accuracy", "loss"}
    with pytest.raises(ValueError, match="for classification and segmentation, not for ordinal"):
        fit(network, "ordinal", 2, loader, loader, config, tmp_path / "other", outliers=loader)
