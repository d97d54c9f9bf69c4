"""Training of VMDLS (Dinari & Freifeld, UAI 2022): class-balanced batches, a growing margin, class means by
epoch; and of the autoencoder beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torchmetrics import MeanSquaredError
from torchmetrics.classification import MulticlassAccuracy

from networks.models.vmdls import Autoencoder, VMDLSNet, sample
from networks.training.config import TrainingConfig
from networks.training.fit import fit_module
from networks.training.modules import TrainingModule
from networks.training.vmdls_losses import class_kl, metric_margin_loss

FIRST_MARGIN = 0.15


@dataclass(frozen=True)
class VMDLSTrainingConfig(TrainingConfig):
    """A training config whose batches hold ``classes_per_batch`` classes with equally many images each.

    Attributes:
        classes_per_batch: B_c; B_s = batch_size / B_c.
        distancing_margin: M_d at the end; it starts at 0.15.
        margin_growth: by which M_d grows each epoch; 1 in the paper, whose trainings last 500.
        triplet_margin: M_t.
        kl_weight: of the divergence per dimension to the class Gaussians.
        normalise: distances between L2-normalised latent vectors, as the released code has them.

    Raises:
        ValueError: also where the batch cannot be divided so, or a number is out of range.
    """

    classes_per_batch: int = 10
    distancing_margin: float = 32.0
    margin_growth: float = 1.0
    triplet_margin: float = 0.1
    kl_weight: float = 0.1
    normalise: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.classes_per_batch < 2 or self.batch_size % self.classes_per_batch:
            raise ValueError(
                f"classes_per_batch must be at least 2 and divide batch_size {self.batch_size}, "
                f"got {self.classes_per_batch}"
            )
        if self.images_per_class < 2:
            raise ValueError(
                f"a batch needs two images of each class, batch_size {self.batch_size} of "
                f"{self.classes_per_batch} classes has one"
            )
        for name in ("distancing_margin", "margin_growth", "triplet_margin", "kl_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")

    @property
    def images_per_class(self) -> int:
        """B_s."""
        return self.batch_size // self.classes_per_batch


def _paper(classes: int, images: int, optimizer: str, lr: float) -> VMDLSTrainingConfig:
    return VMDLSTrainingConfig(
        *(500, classes * images, optimizer, lr),
        weight_decay=1e-4 if optimizer == "sgd" else 0.0,
        schedule="multi-step",
        milestones=(100, 200, 300, 400),
        classes_per_batch=classes,
    )


PAPER_RECIPES = {  # supplement, table 1: the trainings from scratch, all with d = 32
    "mnist": _paper(10, 64, "adam-l2", 1e-4),
    "cifar10-vgg": _paper(8, 40, "adam-l2", 1e-3),
    "cifar10-resnet18": _paper(10, 40, "sgd", 1e-2),
    "cifar10-resnet34": _paper(10, 8, "sgd", 5e-3),
    "cifar10-densenet": _paper(10, 40, "sgd", 1e-1),
}


class BalancedBatches(Sampler[list[int]]):
    """Batches of ``classes`` random classes with ``size`` random images each; as many batches as fill the set
    once.

    A class's images come in random order, all of them before any comes again, except for a rest smaller than
    ``size``; a class that has fewer images repeats them.

    Args:
        labels: (N,) class index of every image.
        classes, size: B_c and B_s.
        generator: all randomness; seed it to repeat an epoch.

    Raises:
        ValueError: fewer classes than asked for, labels that are no class indices, or too few images for a batch.
    """

    def __init__(self, labels: Tensor, classes: int, size: int, generator: torch.Generator) -> None:
        if labels.ndim != 1 or labels.is_floating_point() or len(labels) == 0 or int(labels.min()) < 0:
            raise ValueError(f"labels must be class indices (N,), at least 0; got {tuple(labels.shape)}")
        self.rows = [(labels == k).nonzero()[:, 0] for k in labels.unique().tolist()]
        if len(self.rows) < classes:
            raise ValueError(f"batches of {classes} classes need as many, the labels hold {len(self.rows)}")
        if len(labels) < classes * size:
            raise ValueError(f"a batch of {classes} x {size} images needs as many, there are {len(labels)}")
        self.classes, self.size, self.generator = classes, size, generator
        self.batches = len(labels) // (classes * size)

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[int]]:
        waiting = [rows[:0] for rows in self.rows]
        for _ in range(self.batches):
            batch: list[int] = []
            for k in torch.randperm(len(self.rows), generator=self.generator)[: self.classes].tolist():
                if len(waiting[k]) < self.size:
                    waiting[k] = self._shuffled(self.rows[k])
                batch += waiting[k][: self.size].tolist()
                waiting[k] = waiting[k][self.size :]
            yield batch

    def _shuffled(self, rows: Tensor) -> Tensor:
        repeats = range(-(-self.size // len(rows)))
        return torch.cat([rows[torch.randperm(len(rows), generator=self.generator)] for _ in repeats])


class VMDLSModule(TrainingModule):
    """Metric margin loss plus divergence to the class Gaussians N(m_k, 0.1^2 I), on sampled latent vectors.

    m_k is the mean of class k's samples over the epoch before; the divergence counts from the second epoch on, when
    there are any (the authors' README says so, its commands let it pull to zero in the first). Logs val_accuracy, that
    of the nearest class mean, and val_loss, the metric loss of the means.
    """

    metric_name = "accuracy"
    network: VMDLSNet
    config: VMDLSTrainingConfig
    margin: Tensor
    means: Tensor
    sums: Tensor
    counts: Tensor

    def __init__(self, network: VMDLSNet, config: VMDLSTrainingConfig, num_classes: int) -> None:
        super().__init__(network, config, MulticlassAccuracy(num_classes, average="micro"))
        self.register_buffer("margin", torch.tensor(FIRST_MARGIN))
        for name in ("means", "sums"):
            self.register_buffer(name, torch.zeros(num_classes, network.mu.out_features))
        self.register_buffer("counts", torch.zeros(num_classes, 1))

    def class_means(self) -> Tensor:
        """(K, d) over this epoch so far; of classes that have not come yet, over the epoch before."""
        return torch.where(self.counts > 0, self.sums / self.counts.clamp_min(1), self.means)

    def on_train_epoch_start(self) -> None:
        """Hold the means of the epoch before, count anew, let the margin grow."""
        self.means.copy_(self.class_means())
        self.sums.zero_()
        self.counts.zero_()
        margin = FIRST_MARGIN + self.config.margin_growth * self.current_epoch
        self.margin.fill_(min(margin, self.config.distancing_margin))

    def _loss(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        config, target = self.config, batch["target"]
        mu, log_variance = (value.float() for value in self.network.latents(batch["image"]))
        z = sample(mu, log_variance) if self.training else mu
        loss = metric_margin_loss(z, target, self.margin, config.triplet_margin, config.normalise).float()
        if self.training:
            if self.current_epoch > 0:
                loss = loss + config.kl_weight * class_kl(mu, log_variance, target, self.means)
            self._count(z.detach(), target)
        return loss, -torch.cdist(mu.detach(), self.class_means())

    def _count(self, z: Tensor, target: Tensor) -> None:
        members = F.one_hot(target, len(self.counts)).to(z.dtype)
        self.sums += members.T @ z
        self.counts += members.sum(0)[:, None]


class AutoencoderModule(TrainingModule):
    """Mean squared error of the (normalised) image; logs val_mse."""

    metric_name = "mse"

    def __init__(self, network: Autoencoder, config: TrainingConfig) -> None:
        super().__init__(network, config, MeanSquaredError())

    def _loss(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        rebuilt = self.network(batch["image"]).float()
        return F.mse_loss(rebuilt, batch["image"]), rebuilt

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        """Error of a batch."""
        loss, rebuilt = self._loss(batch)
        size = len(rebuilt)
        self.metric.update(rebuilt.contiguous(), batch["image"])
        self.log("val_loss", loss, batch_size=size)
        self.log("val_mse", self.metric, prog_bar=True, batch_size=size)


def fit_vmdls(
    network: VMDLSNet,
    train_loader: DataLoader[Any],
    labels: Tensor,
    val_loader: DataLoader[Any],
    config: VMDLSTrainingConfig,
    work_dir: str | Path,
    device: str = "cpu",
    seed: int = 0,
    progress: bool = True,
) -> dict[str, float]:
    """Train a VMDLS network in place, as `networks.fit` trains a classifier: seeded, resumable.

    Differences from the paper: the smaller B_s of its first 150 epochs is left out (the released code has it not
    either), weights are those of the last epoch (the released code keeps those that do best on the test and unknown
    images), Adam decouples its weight decay.

    Args:
        train_loader: lends its data set, ``collate_fn`` and number of processes; the batches are drawn anew.
        labels: (N,) int64 class index of every image of that data set.
        val_loader: held-out batches.
        config, work_dir, device, seed, progress: see `networks.fit`.

    Returns:
        {"accuracy": of the nearest class mean, "loss": ...} on the validation set.

    Raises:
        ValueError: also labels that do not fit the data set or the config.
    """
    images = len(train_loader.dataset)  # type: ignore[arg-type]
    if len(labels) != images:
        raise ValueError(f"{len(labels)} labels for {images} training images")
    order = torch.Generator().manual_seed(seed)
    batches = BalancedBatches(labels, config.classes_per_batch, config.images_per_class, order)
    balanced = DataLoader(
        train_loader.dataset,
        batch_sampler=batches,
        collate_fn=train_loader.collate_fn,
        num_workers=train_loader.num_workers,
        persistent_workers=train_loader.num_workers > 0,
        generator=order,
    )
    module = VMDLSModule(network, config, int(labels.max()) + 1)
    return fit_module(module, balanced, val_loader, work_dir, device, seed, progress)


def fit_autoencoder(
    network: Autoencoder,
    train_loader: DataLoader[Any],
    val_loader: DataLoader[Any],
    config: TrainingConfig,
    work_dir: str | Path,
    device: str = "cpu",
    seed: int = 0,
    progress: bool = True,
) -> dict[str, float]:
    """Train an autoencoder in place on the images of the batches, as `networks.fit` trains a classifier.

    Returns:
        {"mse": ..., "loss": ...} on the validation set.
    """
    return fit_module(
        AutoencoderModule(network, config), train_loader, val_loader, work_dir, device, seed, progress
    )
