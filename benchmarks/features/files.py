"""Features, logits and labels of sets: read from .npz files or given as arrays, and checked."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lsood.io import check_file
from lsood.text import one_line, shown, unknown

ARRAYS = ("features", "logits", "labels", "keys", "head_weight", "head_bias")
TOLERANCE = 0.02
"""Share of the largest logit by which the head's may differ: of features in half precision."""
CHECKED = 256


@dataclass(frozen=True)
class FeatureArrays:
    """What is known of a set.

    Attributes:
        source: for messages. features: (N, D) float32. logits: (N, K) float32. labels: (N,) int64, -1: not known; None:
            none is. keys: N of them; None: positions. head: weight (K, D) and bias (K,) of the last linear layer.
    """

    source: str
    features: Tensor
    logits: Tensor
    labels: Tensor | None
    keys: list[str] | None
    head: tuple[Tensor, Tensor] | None


def named_files(specs: Sequence[str]) -> dict[str, Path]:
    """{name of the set: file} of ``NAME=FILE`` and ``FILE``, which is named by its file name.

    Raises:
        ValueError: two files for one name. FileNotFoundError: no such file.
    """
    found: dict[str, Path] = {}
    for spec in specs:
        name, equals, place = spec.partition("=")
        path = Path(place if equals and "/" not in name else spec).expanduser()
        name = name if equals and "/" not in name else path.stem
        if name in found:
            raise ValueError(
                f"--features: {found[name]} and {path} are both named {name}; rename one, NAME=FILE"
            )
        check_file(path, f"--features {path}")
        found[name] = path
    return found


def read_file(path: Path) -> FeatureArrays:
    """The arrays of an .npz file; no pickle is read.

    Raises:
        ValueError: another file, or see :func:`checked`; one line with its name.
    """
    return checked(shown(path), read_npz(path))


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """{name: array} of an .npz file; no pickle is read.

    Raises:
        ValueError: another file; one line with its name.
    """
    try:
        with path.open("rb") as raw:
            if not zipfile.is_zipfile(raw):
                raise ValueError("numpy.savez did not write it, or not all of it")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        what = "it holds pickled objects" if "pickle" in str(error) else one_line(error)
        raise ValueError(f"{shown(path)} is no .npz file of arrays: {what}") from None


def checked(source: str, arrays: Mapping[str, Any]) -> FeatureArrays:
    """Arrays (or tensors) of a set.

    Args:
        arrays: "features" (N, D), "logits" (N, K) and, where they are known, "labels" (N,), "keys" (N,) text,
            "head_weight" (K, D), "head_bias" (K,).

    Raises:
        ValueError: one is missing, empty, of another kind or shape, or not finite; one line.
    """
    if missing := [name for name in ("features", "logits") if name not in arrays]:
        there = ", ".join(map(str, arrays)) or "nothing"
        raise ValueError(
            f"{source} has no {missing[0]}; features (N, D) and logits (N, K) are needed, it has {there}"
        )
    if foreign := [str(name) for name in arrays if name not in ARRAYS]:
        raise ValueError(f"{source}: {unknown('array', foreign[0], ARRAYS)}")
    found = {name: _array(value) for name, value in arrays.items() if value is not None}
    n, k = len(found["features"]) if found["features"].ndim else 0, found["logits"].shape[-1:]
    shapes = {"features": (n, None), "logits": (n, None), "labels": (n,), "keys": (n,)}
    shapes |= {"head_weight": (*k, found["features"].shape[-1]), "head_bias": k}
    for name, array in found.items():
        wanted = shapes[name]
        fits = array.ndim == len(wanted) and all(
            w in (None, s) for w, s in zip(wanted, array.shape, strict=True)
        )
        if not fits:
            text = ", ".join("any" if size is None else str(size) for size in wanted)
            raise ValueError(f"{source}: {name} must be ({text}), got {array.shape}")
        kinds = {"labels": "iu", "keys": "US"}.get(name, "fiu")
        if array.dtype.kind not in kinds:
            text = {"labels": "integers", "keys": "text"}.get(name, "numbers")
            raise ValueError(f"{source}: {name} must be {text}, got {array.dtype}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            where = f" in row {int((~np.isfinite(array)).reshape(len(array), -1).any(1).argmax())}"
            raise ValueError(f"{source}: {name} hold NaN or infinity{where}")
    if not found["features"].size or not found["logits"].size:
        raise ValueError(
            f"{source} is empty: features {found['features'].shape}, logits {found['logits'].shape}"
        )
    if "head_bias" in found and "head_weight" not in found:
        raise ValueError(f"{source} has head_bias and no head_weight")
    labels = torch.from_numpy(found["labels"].astype(np.int64)) if "labels" in found else None
    if labels is not None and int(labels.min()) < -1:
        raise ValueError(
            f"{source}: labels hold {int(labels.min())}; they are class indices, or -1: not known"
        )
    if labels is not None and int(labels.max()) >= k[0]:
        raise ValueError(
            f"{source}: labels have a class {int(labels.max())}, the logits {k[0]} classes (from 0)"
        )
    keys = None
    if "keys" in found:
        keys = [
            shown(key if isinstance(key, str) else key.decode("utf-8", "replace"))
            for key in found["keys"].tolist()
        ]
        if len(set(keys)) < n:
            raise ValueError(f"{source}: keys are not unique, e.g. {max(keys, key=keys.count)!r}")
    made = FeatureArrays(
        source, _float(found["features"]), _float(found["logits"]), labels, keys, _head(found)
    )
    if made.head is not None:
        check_head(source, made.features, made.logits, made.head, ("head_weight", "head_bias"))
    return made


def _array(value: Any) -> NDArray[Any]:
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = value.float() if value.dtype == torch.bfloat16 else value
    return np.asarray(value)


def _float(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _head(found: Mapping[str, NDArray[Any]]) -> tuple[Tensor, Tensor] | None:
    if "head_weight" not in found:
        return None
    weight = _float(found["head_weight"])
    return weight, _float(found["head_bias"]) if "head_bias" in found else torch.zeros(len(weight))


def check_head(
    source: str, features: Tensor, logits: Tensor, head: tuple[Tensor, Tensor], names: tuple[str, str]
) -> None:
    """Raise where a head does not give the logits of the first features.

    Args:
        source, names: of the file and of its weight and bias, for the message.
    """
    features, logits = features[:CHECKED].double(), logits[:CHECKED].double()
    weight, bias = (part.double() for part in head)
    off = float((features @ weight.T + bias - logits).abs().max())
    if not off <= TOLERANCE * max(1.0, float(logits.abs().max())):
        raise ValueError(
            f"{source}: {names[0]} and {names[1]} do not give the logits of these features, they are up to {off:.3g} "
            "off; features must be the input of the last linear layer"
        )
