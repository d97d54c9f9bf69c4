"""Training repeats, resumes to the same weights, keeps quiet and leaves nothing lying about."""

import dataclasses
import itertools
import logging
import os

import pytest
import torch
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, Dataset

from lsood.io import write_checked
from networks import ClassificationModule, TrainingConfig, build, fit, resolve_precision, weights_hash

CONFIG = TrainingConfig(3, 8, "adam", 2e-3, precision="32-true")
CLASSIFICATION = "networks.training.tasks.classification.ClassificationModule"


class Noisy(Dataset):
    """Images whose colour is their class, with an augmentation that draws from the global generator."""

    def __init__(self, n, dense=False, augment=False):
        generator = torch.Generator().manual_seed(1)
        self.images, self.dense, self.augment = torch.rand(n, 3, 16, 16, generator=generator), dense, augment
        for i in range(n):
            self.images[i, i % 3] += 1

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        target = torch.full((16, 16), i % 3) if self.dense else torch.tensor(i % 3)
        if self.dense:
            target[0] = 255
        image = self.images[i] + 0.1 * torch.randn(3, 1, 1) if self.augment else self.images[i]
        return {"image": image, "target": target, "key": str(i)}


def train(folder, config=CONFIG, seed=0, stop_at=None, dense=False, progress=False):
    """Weights and figures of a training; ``stop_at``: Ctrl+C in that training batch."""
    torch.manual_seed(5)
    network = build("unet-small", 3, filters=(4, 8)) if dense else build("lenet", 3, image_size=(16, 16))
    batches = 0

    def count(module, _):
        nonlocal batches
        batches += module.training
        if module.training and batches == stop_at:
            raise KeyboardInterrupt

    network.register_forward_pre_hook(count)
    network.trained_batches = lambda: batches
    loader = DataLoader(Noisy(24, dense, True), 8, shuffle=True, generator=torch.Generator().manual_seed(0))
    task = "segmentation" if dense else "classification"
    figures = fit(
        network,
        task,
        3,
        loader,
        DataLoader(Noisy(12, dense), 8),
        config,
        folder,
        seed=seed,
        progress=progress,
    )
    return network, figures


@pytest.mark.parametrize("dense", [False, True])
def test_same_seed_same_weights(tmp_path, dense):
    first, figures = train(tmp_path / "a", dense=dense)
    again, _ = train(tmp_path / "b", dense=dense)
    other, _ = train(tmp_path / "c", dense=dense, seed=1)
    assert weights_hash(first) == weights_hash(again) != weights_hash(other)
    assert set(figures) == {"miou" if dense else "accuracy", "loss"}
    assert not first.training


def test_figures_are_those_of_the_trained_network(tmp_path):
    network, figures = train(tmp_path, dataclasses.replace(CONFIG, epochs=8))
    batch = next(iter(DataLoader(Noisy(12), 12)))
    with torch.no_grad():
        logits = network(batch["image"])
    assert figures["accuracy"] == pytest.approx((logits.argmax(1) == batch["target"]).float().mean().item())
    loss = torch.nn.functional.cross_entropy(logits, batch["target"])
    assert figures["loss"] == pytest.approx(loss.item(), rel=1e-4)
    assert figures["accuracy"] > 0.8


@pytest.mark.parametrize("stop_at", [4, 5, 8])
def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, stop_at):
    """Three batches an epoch: stopped at the first batch of the second epoch, inside it, and in the third."""
    whole, figures = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", stop_at=stop_at)
    resumed, again = train(tmp_path / "cut")
    assert resumed.trained_batches() == 9 - 3 * ((stop_at - 1) // 3), "whole epochs are not repeated"
    assert weights_hash(resumed) == weights_hash(whole)
    assert again == pytest.approx(figures)


def test_ctrl_c_works_again_after_an_interruption(tmp_path):
    import signal

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, stop_at=2)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_finished_training_is_measured_not_repeated(tmp_path):
    first, figures = train(tmp_path)
    again, same = train(tmp_path, stop_at=1)
    assert weights_hash(again) == weights_hash(first)
    assert same == pytest.approx(figures)


def test_a_folder_of_another_training_is_refused(tmp_path):
    train(tmp_path)
    with pytest.raises(
        ValueError, match=r"last.ckpt is of another training \(lr was 0.002, is 0.1\); remove it"
    ):
        train(tmp_path, dataclasses.replace(CONFIG, lr=0.1))
    with pytest.raises(ValueError, match=r"another training \(seed was 0, is 3\)"):
        train(tmp_path, seed=3)
    with pytest.raises(ValueError, match="another network"):
        train(tmp_path, dense=True)


def test_a_damaged_training_state_starts_anew(tmp_path, caplog):
    whole, _ = train(tmp_path)
    content = (tmp_path / "last.ckpt").read_bytes()
    (tmp_path / "last.ckpt").write_bytes(content[: len(content) // 2])
    again, _ = train(tmp_path)
    assert "last.ckpt is damaged (its checksum is another one); the training starts anew" in caplog.text
    assert weights_hash(again) == weights_hash(whole)


def test_a_flipped_bit_in_the_training_state_is_noticed(tmp_path, caplog):
    """A bit of a weight: torch reads such a file without an error."""
    whole, _ = train(tmp_path)
    content = bytearray((tmp_path / "last.ckpt").read_bytes())
    content[content.find(whole.conv1.weight.detach().numpy().tobytes()) + 2] ^= 1
    (tmp_path / "last.ckpt").write_bytes(content)
    torch.load(tmp_path / "last.ckpt", weights_only=True)
    again, _ = train(tmp_path)
    assert "damaged" in caplog.text and again.trained_batches() == 9
    assert weights_hash(again) == weights_hash(whole)


class Code:
    def __reduce__(self):
        return os.mkdir, ("owned",)


def test_code_in_a_training_state_is_not_run(tmp_path, monkeypatch, caplog):
    """Also where the checksum beside it is right."""
    monkeypatch.chdir(tmp_path)
    whole, _ = train(tmp_path / "a")
    state = torch.load(tmp_path / "a" / "last.ckpt", weights_only=True)
    write_checked(tmp_path / "a" / "last.ckpt", lambda part: torch.save(state | {"callbacks": Code()}, part))
    again, _ = train(tmp_path / "a")
    assert (
        not (tmp_path / "owned").exists()
        and "last.ckpt cannot be read and the training starts" in caplog.text
    )
    assert weights_hash(again) == weights_hash(whole)


def test_a_state_of_an_earlier_version_without_checksum_resumes(tmp_path):
    whole, _ = train(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", stop_at=5)
    (tmp_path / "cut" / "last.ckpt.sha256").unlink()
    resumed, _ = train(tmp_path / "cut")
    assert resumed.trained_batches() == 6 and weights_hash(resumed) == weights_hash(whole)


def test_the_state_is_written_in_its_own_folder(tmp_path, monkeypatch):
    """A temporary folder that does not exist, as one that lies on another file system, plays no part."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    train(tmp_path / "work")
    assert sorted(p.name for p in (tmp_path / "work").iterdir()) == [
        "curve.csv",
        "last.ckpt",
        "last.ckpt.sha256",
    ]


def test_nothing_is_printed_and_nothing_left_but_curve_and_state(tmp_path, monkeypatch, capfd, caplog):
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.INFO, logger="lsood-bench"):
        train(tmp_path / "work", progress=True)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
    assert [record.name for record in caplog.records] == ["lsood-bench"] * 3, "one line an epoch, no others"
    assert "epoch 3 of 3: train_loss" in caplog.records[-1].getMessage()
    assert "val_accuracy" in caplog.records[-1].getMessage()
    files = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert files == ["work/curve.csv", "work/last.ckpt", "work/last.ckpt.sha256"]


LR = {"sgd": 0.02, "adam": 1e-3, "adam-l2": 1e-3, "adadelta": 1.0}


@pytest.mark.parametrize(
    "optimizer, schedule",
    [*itertools.product(("sgd", "adam"), ("one-cycle", "cosine", "none")),
     ("adam-l2", "multi-step"), ("adadelta", "step")],
)  # fmt: skip
def test_every_optimizer_and_schedule_lowers_the_loss(tmp_path, optimizer, schedule):
    milestones = (3,) if schedule == "multi-step" else ()
    config = TrainingConfig(
        4, 8, optimizer, LR[optimizer], 1e-4, schedule, "focal", lr_factor=0.7, milestones=milestones
    )
    _, start = train(tmp_path / "start", dataclasses.replace(config, lr=1e-9))
    _, figures = train(tmp_path / "trained", config)
    assert figures["loss"] < start["loss"]


def test_wrong_task_and_device(tmp_path):
    network = build("lenet", 3, image_size=(16, 16))
    with pytest.raises(
        ValueError, match=r"unknown task 'regression'; .*tasks: classification, detection, segmentation$"
    ):
        fit(network, "regression", 3, [], [], CONFIG, tmp_path)
    for device in ("gpu", "meta", "cuda:99"):
        with pytest.raises(ValueError, match=f"device '{device}'"):
            fit(network, "classification", 3, [], [], CONFIG, tmp_path, device=device)


class Rates(ClassificationModule):
    """Keeps the learning rate of every step."""

    def on_train_batch_start(self, batch, index):
        self.rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])


@pytest.mark.parametrize(
    "schedule, options, reference",
    [
        ("step", {"lr_factor": 0.7}, lambda o: lr_scheduler.StepLR(o, 1, 0.7)),
        ("multi-step", {"milestones": (1, 3)}, lambda o: lr_scheduler.MultiStepLR(o, [1, 3], 0.1)),
        ("cosine", {"end_lr": 0.05}, lambda o: lr_scheduler.CosineAnnealingLR(o, 12, 0.05)),
    ],
)
def test_rates_are_those_of_torch_per_epoch_and_survive_an_interruption(
    tmp_path, monkeypatch, schedule, options, reference
):
    monkeypatch.setattr(CLASSIFICATION, Rates)
    Rates.rates = []
    config = TrainingConfig(4, 8, "sgd", 0.2, schedule=schedule, precision="32-true", **options)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, config, stop_at=8)
    del Rates.rates[6:]  # what the resumed training repeats
    train(tmp_path, config)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.2)
    expected, scheduler = [], reference(optimizer)
    for step in range(12):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if schedule == "cosine" or step % 3 == 2:
            scheduler.step()
    assert Rates.rates == pytest.approx(expected)


@pytest.mark.parametrize(
    "options, kind, settings",
    [
        ({"optimizer": "sgd"}, "SGD", {"momentum": 0.9, "nesterov": True}),
        (
            {"optimizer": "sgd", "momentum": 0.5, "nesterov": False},
            "SGD",
            {"momentum": 0.5, "nesterov": False},
        ),
        ({"optimizer": "adam"}, "AdamW", {"weight_decay": 0.1}),
        ({"optimizer": "adam-l2"}, "Adam", {"weight_decay": 0.1, "decoupled_weight_decay": False}),
        ({"optimizer": "adadelta"}, "Adadelta", {"rho": 0.9, "lr": 0.2}),
    ],
)
def test_optimizers_are_what_the_config_says(options, kind, settings):
    config = TrainingConfig(1, 8, lr=0.2, weight_decay=0.1, schedule="none", **options)
    optimizer = ClassificationModule(torch.nn.Linear(2, 2), config, 2).configure_optimizers()
    assert type(optimizer).__name__ == kind
    assert {name: optimizer.defaults[name] for name in settings} == settings


def test_channels_last_is_a_format_not_another_network(tmp_path):
    seen = []

    class Watched(ClassificationModule):
        def training_step(self, batch, index):
            seen.append(self.network.conv2.weight.is_contiguous(memory_format=torch.channels_last))
            return super().training_step(batch, index)

    _, figures = train(tmp_path / "plain")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CLASSIFICATION, Watched)
        other, same = train(tmp_path / "other", dataclasses.replace(CONFIG, channels_last=True))
    assert all(seen) and other.conv2.weight.is_contiguous()
    assert same["loss"] == pytest.approx(figures["loss"], rel=1e-2)  # other kernels round otherwise


def test_only_a_gpu_compiles_and_the_state_keeps_its_names(monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda f: compiled.append(f) or f)
    network = torch.nn.Linear(2, 2)
    module = ClassificationModule(network, dataclasses.replace(CONFIG, compile=True), 2)
    module.accelerate(torch.device("cpu"))
    assert not compiled
    module.accelerate(torch.device("cuda"))
    batch = {"image": torch.rand(3, 2), "target": torch.tensor([0, 1, 1])}
    assert len(compiled) == 1 and module._loss(batch)[1].shape == (3, 2)
    assert [name for name in module.state_dict() if name.startswith(("network", "_run"))] == [
        "network.weight",
        "network.bias",
    ]


@pytest.mark.parametrize(
    "precision, device, amx, expected",
    [
        ("auto", "cuda", False, "bf16-mixed"),
        ("auto", "cuda:1", False, "bf16-mixed"),
        ("auto", "cpu", True, "bf16-mixed"),
        ("auto", "cpu", False, "32-true"),
        ("auto", "cpu", None, "32-true"),
        ("32-true", "cuda", True, "32-true"),
        ("bf16-mixed", "cpu", False, "bf16-mixed"),
    ],
)
def test_precision_of_a_device(monkeypatch, precision, device, amx, expected):
    if amx is None:
        monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    else:
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    assert resolve_precision(dataclasses.replace(CONFIG, precision=precision), device) == expected


def test_bf16_trains_too_and_repeats(tmp_path):
    config = dataclasses.replace(CONFIG, precision="bf16-mixed", epochs=6)
    first, figures = train(tmp_path / "a", config)
    again, _ = train(tmp_path / "b", config)
    assert weights_hash(first) == weights_hash(again)
    assert first.conv1.weight.dtype == torch.float32 and figures["accuracy"] > 0.6


def test_a_training_whose_weights_become_nan_ends_and_keeps_the_epochs_before(tmp_path, monkeypatch):
    plain = ClassificationModule.training_step

    def broken(self, batch, index):
        loss = plain(self, batch, index)
        return loss * float("nan") if self.trainer.current_epoch == 1 else loss

    monkeypatch.setattr(ClassificationModule, "training_step", broken)
    with pytest.raises(ValueError, match=r"failed in epoch 2: conv1\.weight holds NaN or infinity; a lower"):
        train(tmp_path)
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert state["epoch"] == 0 and all(v.isfinite().all() for v in state["state_dict"].values())
