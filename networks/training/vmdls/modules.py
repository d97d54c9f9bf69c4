"""LightningModules of VMDLS: a growing margin and class means by epoch; and of its autoencoder."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import MeanSquaredError
from torchmetrics.classification import MulticlassAccuracy

from networks.models.autoencoder import Autoencoder
from networks.models.vmdls import VMDLSNet, sample
from networks.training.config import TrainingConfig
from networks.training.module import TrainingModule
from networks.training.vmdls.config import VMDLSTrainingConfig
from networks.training.vmdls.losses import class_kl, metric_margin_loss

FIRST_MARGIN = 0.15


class VMDLSModule(TrainingModule):
    """Metric margin loss plus divergence to the class Gaussians N(m_k, 0.1^2 I), on sampled latent vectors.

    m_k is the mean of class k's samples over the epoch before; the divergence counts from the second epoch on, as in
    the authors' README (with its commands it also counts in the first epoch, with all means at zero). Logs
    val_accuracy, that of the nearest class mean, and val_loss, the metric loss of the means.
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
        """(K, d) over this epoch so far; for classes without an image yet, over the epoch before."""
        return torch.where(self.counts > 0, self.sums / self.counts.clamp_min(1), self.means)

    def on_train_epoch_start(self) -> None:
        """Store the means of the epoch before, reset the sums, raise the margin."""
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
