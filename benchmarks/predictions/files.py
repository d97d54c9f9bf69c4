"""Files of detections: COCO results (a JSON list) with the logits of every box."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datamodules.formats.scalabel import read_json
from lsood.io import sha256
from lsood.text import shown
from networks.outside.spec import PREDICTIONS as PREFIX

BOX = ("x", "y", "width", "height")


@dataclass
class Entries:
    """The detections of one image, best first.

    Attributes:
        boxes: (n, 4) float32 x1 y1 x2 y2 in pixels of the image's file. scores: (n,) float32. labels: (n,) int64,
            class index. logits: (n, K) float32. background: (n,) float32, its logit, 0 where the file states none.
            features: (n, F) float32, F = 0 where the file states none.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    logits: NDArray[np.float32]
    background: NDArray[np.float32]
    features: NDArray[np.float32]


@dataclass
class Predictions:
    """What files say of images.

    Attributes:
        name: of the files, without their folder. sha256: of their content.
        by_name, by_id: {file name, or image id of a COCO set: detections}.
        features: F, 0: no features are stated.
    """

    name: str
    sha256: str
    by_name: dict[str, Entries] = field(default_factory=dict)
    by_id: dict[int, Entries] = field(default_factory=dict)
    features: int = 0


def files_of(spec: str) -> list[Path]:
    """The files of ``predictions:A.json,B.json`` or ``predictions:FOLDER`` (its .json files, by name).

    Raises:
        FileNotFoundError: one does not exist, or the folder holds none. ValueError: no JSON file.
    """
    found: list[Path] = []
    for part in spec.removeprefix(PREFIX).split(","):
        path = Path(part).expanduser()
        if not part:
            raise FileNotFoundError(
                f"{spec}: a file or folder is missing; write {PREFIX}FILE or {PREFIX}FOLDER"
            )
        if path.is_dir():
            inside = sorted(path.glob("*.json"))
            if not inside:
                raise FileNotFoundError(f"{PREFIX}{shown(path)}: the folder holds no .json files of results")
            found += inside
        elif not path.is_file():
            raise FileNotFoundError(f"{PREFIX}{part}: there is no such file")
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def read_predictions(spec: str, class_names: Sequence[str], category_ids: Sequence[int]) -> Predictions:
    """The detections of files.

    An entry has ``file_name`` or ``image_id``, ``category_id``, ``bbox`` [x, y, width, height] in pixels of the image's
    file, ``score`` in [0, 1] and ``logits``, one number for every class in the order of ``class_names``; optionally
    ``background``, a logit, and ``features``, as many numbers in every entry.

    Args:
        category_ids: of the classes.

    Raises:
        FileNotFoundError: no such file. ValueError: damaged JSON or an entry without what it needs, in one line with
            file and entry.
    """
    paths = files_of(spec)
    digests = [sha256(path) for path in paths]
    name = ",".join(shown(path.name) for path in paths)
    if Path(spec.removeprefix(PREFIX)).expanduser().is_dir():
        name = shown(Path(spec.removeprefix(PREFIX)).expanduser().resolve().name)
    whole = digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
    found = Predictions(f"{PREFIX}{name}", whole)
    labels = {category: label for label, category in enumerate(category_ids)}
    images: dict[str | int, list[dict[str, Any]]] = {}
    optional: dict[str, tuple[int, str]] = {}
    for path in paths:
        content = read_json(path)
        if not isinstance(content, list):
            raise ValueError(f"{shown(path)} must hold a list of detections, as COCO's results do")
        for i, entry in enumerate(content):
            where = f"{shown(path)}: entry {i}"
            _check(entry, where, class_names, labels)
            for part in ("background", "features"):
                length = np.size(entry[part]) if entry.get(part) is not None else 0
                before, first = optional.setdefault(part, (length, where))
                if before != length:
                    raise ValueError(f"{where} has {length} {part}, {first} has {before}; all need as many")
            key = str(entry["file_name"]) if entry.get("file_name") is not None else int(entry["image_id"])
            images.setdefault(key, []).append(entry)
    if not images:
        raise ValueError(f"{found.name} holds no detections")
    found.features = optional["features"][0]
    for key, entries in images.items():
        made = _entries(entries, labels, found.features)
        if isinstance(key, str):
            found.by_name[key] = made
        else:
            found.by_id[key] = made
    return found


def _check(entry: Any, where: str, class_names: Sequence[str], labels: Mapping[int, int]) -> None:
    """Raises ValueError: an entry without what it needs."""
    if not isinstance(entry, dict):
        raise ValueError(f"{where} is no object with bbox, score and logits: {entry!r:.80}")
    image, name = entry.get("image_id"), entry.get("file_name")
    if name is None and (not isinstance(image, int) or isinstance(image, bool)):
        raise ValueError(f"{where} names no image: it needs file_name, or the image_id of a COCO set")
    if name is not None and not (isinstance(name, str) and name):
        raise ValueError(f"{where}: file_name must be text, got {name!r:.80}")
    category = entry.get("category_id")
    if isinstance(category, bool) or not isinstance(category, int) or category not in labels:
        known = ", ".join(f"{i} {class_names[k]}" for i, k in list(labels.items())[:10])
        raise ValueError(f"{where}: category_id {category!r:.20} is no class; classes: {known}")
    box, score = _numbers(entry, "bbox", where, 4), _numbers(entry, "score", where)
    if min(box[2:]) < 0:
        raise ValueError(f"{where}: bbox {box} has a negative width or height ({', '.join(BOX)})")
    if not 0 <= score[0] <= 1:
        raise ValueError(f"{where}: score must lie in 0 to 1, got {score[0]:g}")
    _numbers(entry, "logits", where, len(class_names))
    if entry.get("background") is not None:
        _numbers(entry, "background", where)
    if entry.get("features") is not None:
        _numbers(entry, "features", where, -1)


def _numbers(entry: Mapping[str, Any], part: str, where: str, count: int = 0) -> list[float]:
    """The numbers of a part of an entry: one (0), so many, or a list of any length (-1)."""
    value: Any = entry.get(part)
    several = value if isinstance(value, list) and count else [value]
    if (count and not isinstance(value, list)) or (count > 0 and len(several) != count):
        got = f"{len(value)}" if isinstance(value, list) else f"{value!r:.60}"
        raise ValueError(f"{where}: {part} must be a list of {count if count > 0 else ''} numbers, got {got}")
    for v in several:
        if isinstance(v, bool) or not isinstance(v, int | float) or not math.isfinite(v):
            raise ValueError(f"{where}: {part} must be finite numbers, got {v!r:.60}")
    return [float(v) for v in several]


def _entries(found: list[dict[str, Any]], labels: Mapping[int, int], features: int) -> Entries:
    scores = np.array([entry["score"] for entry in found], dtype=np.float32)
    order = np.argsort(-scores, kind="stable")
    best = [found[i] for i in order]
    x, y, width, height = np.array([entry["bbox"] for entry in best], dtype=np.float64).T
    return Entries(
        np.stack([x, y, x + width, y + height], axis=1).astype(np.float32),
        scores[order],
        np.array([labels[entry["category_id"]] for entry in best], dtype=np.int64),
        np.array([entry["logits"] for entry in best], dtype=np.float32),
        np.array([entry.get("background") or 0.0 for entry in best], dtype=np.float32),
        np.array([entry.get("features") or [] for entry in best], dtype=np.float32).reshape(
            len(best), features
        ),
    )
