"""What devices cannot do: numbers they do not have, and how they say that memory does not suffice."""

from __future__ import annotations

import torch
from torch import Tensor

WITHOUT_FLOAT64 = ("mps",)
"""Types of devices that have no float64."""


def double(values: Tensor) -> Tensor:
    """In float64: on the tensor's device, on the CPU where that has no such numbers. Differentiable."""
    return (values.cpu() if values.device.type in WITHOUT_FLOAT64 else values).double()


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the memory of the device does not suffice; MPS has no error of its own for that."""
    told = isinstance(error, RuntimeError) and "MPS backend out of memory" in str(error)
    return told or isinstance(error, torch.OutOfMemoryError)


def generator_device(device: torch.device | str) -> torch.device:
    """Where the random numbers for a device are drawn: there on CPUs and CUDA GPUs, else on the CPU."""
    device = torch.device(device)
    return device if device.type in ("cpu", "cuda") else torch.device("cpu")
