"""A device that is not there: its tensors are computed on the CPU and refuse what MPS refuses."""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

FAKE = "meta"
"""The one type of device that PyTorch takes for present and that computes nothing by itself."""
INDEXED = {
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_put.default,
    torch.ops.aten.index_put_.default,
    torch.ops.aten._index_put_impl_.default,
}
COPIES = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}


class OnDevice(torch.Tensor):
    """A tensor of the device."""

    @staticmethod
    def __new__(cls, inner):
        if inner.dtype in (torch.float64, torch.complex128):
            raise TypeError("the device has no float64")
        return torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(),
            dtype=inner.dtype, device=FAKE, requires_grad=inner.requires_grad,
        )  # fmt: skip

    def __init__(self, inner):
        self.inner = inner

    def __repr__(self):
        return f"OnDevice({self.inner})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return computed(func, args, kwargs or {})


class FakeDevice(TorchDispatchMode):
    """While it is open, tensors can be made on and moved to the device.

    Attributes:
        calls: operations on its tensors.
    """

    def __init__(self):
        super().__init__()
        self.calls = 0

    def __enter__(self):
        made = self.tensor = torch.tensor  # which fills its tensors without an operation that could be seen
        torch.tensor = lambda data, *, device=None, **options: made(data, **options).to(device or "cpu")
        return super().__enter__()

    def __exit__(self, *exception):
        torch.tensor = self.tensor
        return super().__exit__(*exception)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls += any(isinstance(x, OnDevice) for x in tree_flatten((args, kwargs or {}))[0])
        return computed(func, args, kwargs or {})


def computed(func, args, kwargs):
    """What an operation gives, on the device if a tensor or ``device`` is.

    Raises:
        RuntimeError: tensors of both devices, of which that of the CPU is no scalar.
        TypeError: float64 on the device.
    """
    flat = tree_flatten((args, kwargs))[0]
    wrapped = [x for x in flat if isinstance(x, OnDevice)]
    there = bool(wrapped)
    if kwargs.get("device") is not None:
        there = torch.device(kwargs["device"]).type == FAKE
        kwargs = {**kwargs, "device": torch.device("cpu")}
    plain = [x for x in flat if isinstance(x, torch.Tensor) and not isinstance(x, OnDevice)]
    if wrapped and any(x.ndim for x in plain) and func not in COPIES | INDEXED:
        raise RuntimeError(f"{func}: tensors on two devices")
    if func is torch.ops.aten.copy_.default:
        inner(args[0]).copy_(inner(args[1]))
        return args[0]
    found = func(*tree_map(inner, args), **tree_map(inner, kwargs))
    changed = {id(x.inner): x for x in wrapped}  # what operations in place give back
    if not there:
        return found
    return tree_map(
        lambda x: (
            (changed.get(id(x)) if id(x) in changed else OnDevice(x)) if isinstance(x, torch.Tensor) else x
        ),
        found,
    )


def inner(x):
    return x.inner if isinstance(x, OnDevice) else x
