"""A saved monitor on disk: monitor.json and state.safetensors. Reading it runs no code of the folder."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lsood.detector import Detector
from lsood.io import sha256, write_folder
from lsood.methods import METHODS
from lsood.probes.base import ModelInfo
from lsood.text import one_line

INDEX, STATE = "monitor.json", "state.safetensors"


def write(folder: Path, content: Mapping[str, Any], state: Mapping[str, Tensor]) -> Path:
    """Write a new folder, whole or not at all.

    Raises:
        FileExistsError: the folder exists.
    """

    def whole(part: Path) -> None:
        save_file({name: tensor.contiguous().clone() for name, tensor in state.items()}, part / STATE)
        index = {**content, "state_sha256": sha256(part / STATE)}
        (part / INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")

    def refuse() -> bool:
        if folder.exists():
            raise FileExistsError(f"{folder} exists already; give a new folder")
        return False

    refuse()
    return write_folder(folder, whole, refuse)


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """monitor.json, its fields checked, and the detector's state.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a damaged file.
    """
    for name in (INDEX, STATE):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"no monitor in {folder}: {name} is missing")
    try:
        content = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{folder / INDEX} is damaged: {one_line(error)}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{folder / INDEX} is damaged: not a mapping")
    if "subject" in content:  # release 0.1
        content.setdefault("model_info", content["subject"])
    kinds: dict[str, Any] = {
        "detector": str,
        "params": dict,
        "model_info": dict,
        "threshold": int | float,
        "false_alarm_rate": int | float,
        "calibration_size": int,
    }
    for name, kind in kinds.items():
        if not isinstance(content.get(name), kind):
            raise ValueError(
                f"{folder / INDEX} is damaged: {name!r} is missing or no {kind}".replace("'>", "'")
            )
    if math.isnan(content["threshold"]):
        raise ValueError(f"{folder / INDEX} is damaged: the threshold is not a number")
    shape = content.get("image_shape", [1, 1, 1])  # monitors of release 0.1 name none
    if shape is not None and not (
        isinstance(shape, list) and len(shape) == 3 and all(type(n) is int and n > 0 for n in shape)
    ):
        raise ValueError(f"{folder / INDEX} is damaged: 'image_shape' is no shape (C, H, W)")
    if content.get("state_sha256") not in (None, sha256(folder / STATE)):
        raise ValueError(f"{folder / STATE} is damaged: its sha256 is not the one in {INDEX}")
    try:
        return content, load_file(folder / STATE)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{folder / STATE} is damaged: {one_line(error)}") from None


def detector_class(spec: str, where: Path, trust: bool) -> type[Detector]:
    """The class a saved monitor names.

    Raises:
        ValueError: no registered detector, without ``trust``; nothing was imported then.
    """
    name = METHODS.moved(spec)
    if name not in METHODS and not trust:
        raise ValueError(
            f"{where / INDEX} names {spec!r}, which is no registered method; loading it would run code: pass "
            "trust=True if you know the file and the code"
        )
    kind = METHODS.find(name)
    if not (isinstance(kind, type) and issubclass(kind, Detector)):
        raise ValueError(f"{where / INDEX}: {spec!r} is not a detector")
    return kind


def detector_of(
    content: Mapping[str, Any], state: Mapping[str, Tensor], where: Path, trust: bool
) -> Detector:
    """The fitted and attached detector of what :func:`read` gave.

    Raises:
        ValueError: see :func:`detector_class`, or arguments or a state that are not the class's.
    """
    kind = detector_class(content["detector"], where, trust)
    known = inspect.signature(kind).parameters
    if unknown := [name for name in content["params"] if name not in known]:
        raise ValueError(f"{where / INDEX}: {kind.name} has no argument {unknown[0]!r}")
    info: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in content["model_info"].items()
    }
    try:
        return kind.from_state(state, **content["params"]).attach(ModelInfo(**info))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where / INDEX} is damaged: {one_line(error)}") from error
