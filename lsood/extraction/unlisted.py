"""Dropout outside of the supported layers: function calls, which are sampled as layers are, and modules that cannot be
sampled, which are named.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from lsood.extraction.masks import RANDOM_LAYERS

_LAYERS: dict[Any, type[nn.Module]] = {
    F.dropout: nn.Dropout,
    F.dropout1d: nn.Dropout1d,
    F.dropout2d: nn.Dropout2d,
    F.dropout3d: nn.Dropout3d,
    F.alpha_dropout: nn.AlphaDropout,
    F.feature_alpha_dropout: nn.FeatureAlphaDropout,
    torch.dropout: nn.Dropout,
    torch.alpha_dropout: nn.AlphaDropout,
    torch.feature_dropout: nn.Dropout2d,
    torch.feature_alpha_dropout: nn.FeatureAlphaDropout,
}
_DEPTH = ("stochasticdepth", "droppath")
_RATES = ("p", "drop_prob", "drop_rate", "dropout_rate", "dropout_prob", "rate", "prob")
_GUARDED = re.compile(r"\bif\b[^\n]*\bself\.training\b")
_CALLED = re.compile(r"\b(F|functional|torch)\.\w*dropout\w*\(")


class FunctionalDropout(TorchFunctionMode):
    """While it is open, calls of PyTorch's dropout functions with p above 0, idle ones too (``training=False``), go to
    ``call``: with a layer of the same kind and p, and the input; what it returns takes the place of the function's
    result, None: the function runs.

    Attributes:
        inside: calls are left alone while this is above 0, that is inside of a dropout layer.
    """

    def __init__(self, call: Callable[[nn.Module, Tensor], Tensor | None]) -> None:
        super().__init__()
        self.call, self.inside = call, 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _LAYERS and not self.inside:
            features = args[0] if args else kwargs["input"]
            p = float(args[1] if len(args) > 1 else kwargs.get("p", 0.5))
            result = self.call(_LAYERS[func](p), features) if p > 0 else None
            if result is not None:
                return features.copy_(result) if kwargs.get("inplace") else result
        return func(*args, **kwargs)


def unsampled(network: nn.Module) -> dict[str, str]:
    """{name of a module: what it is} of the modules that drop in training mode and cannot be sampled: dropout of other
    kinds with a rate above 0 (or none that can be read), attention and recurrent layers with dropout of their own, and
    modules that call a dropout function in training mode only. Stochastic depth, which drops whole blocks of layers, is
    no dropout, so it stays off; it is listed where the network has nothing else that drops.
    """
    found: dict[str, str] = {}
    depth: dict[str, str] = {}
    for name, module in network.named_modules():
        kind = type(module).__name__
        if isinstance(module, RANDOM_LAYERS):
            continue
        if isinstance(module, nn.MultiheadAttention | nn.RNNBase):
            if module.dropout > 0:
                found[name] = f"{kind}(dropout={module.dropout})"
        elif _calls_in_training(module):
            found[name] = f"{kind}, which calls a dropout function in training mode only"
        elif ("drop" in kind.lower() or kind.lower().endswith(_DEPTH)) and next(
            module.children(), None
        ) is None:
            rates = [vars(module)[rate] for rate in _RATES if isinstance(vars(module).get(rate), int | float)]
            if not rates or rates[0] > 0:
                (depth if kind.lower().endswith(_DEPTH) else found)[name] = kind
    layers = any(isinstance(module, RANDOM_LAYERS) for module in network.modules())
    return found if layers else {**found, **depth}


def _calls_in_training(module: nn.Module) -> bool:
    """Whether the source of a module's forward pass calls a dropout function, and something depends on
    ``if self.training``.
    """
    if type(module).__module__.partition(".")[0] in ("torch", "torchvision"):
        return False
    try:
        source = inspect.getsource(type(module).forward)
    except (OSError, TypeError):
        return False
    return bool(_CALLED.search(source) and _GUARDED.search(source))
