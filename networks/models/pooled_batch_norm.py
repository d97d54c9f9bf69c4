"""Batch norm behind a global pooling, for training batches of one image."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class PooledBatchNorm(nn.BatchNorm2d):
    """Batch norm that falls back on its running statistics when a batch holds one value per channel.

    Image-level pooling leaves one value per image and channel; in a batch of one there is no variance to
    train with, and plain batch norm raises.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        if x.shape[0] * x.shape[2] * x.shape[3] > 1:
            return super().forward(x)
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, False, 0, self.eps
        )


def use_pooled_batch_norm(module: nn.Module) -> None:
    """Let every batch norm right behind a global pooling accept batches of one; weights keep their names."""
    for parent in module.modules():
        if isinstance(parent, nn.Sequential) and any(isinstance(m, nn.AdaptiveAvgPool2d) for m in parent):
            for name, child in parent.named_children():
                if type(child) is nn.BatchNorm2d:
                    parent.register_module(name, PooledBatchNorm(child.num_features))
