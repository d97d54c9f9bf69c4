"""Activations: what one pass over one set leaves behind, a few kB per image, on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lsood.deprecated import alias
from lsood.io import log, read_index, sha256, write_atomic, write_index
from lsood.text import one_line

INDEX = "activations.json"


class Activations(Mapping[str, Tensor]):
    """Named tensors with leading dimension N, in the order of ``ids``.

    Args:
        tensors: {name: (N, ...)}; "labels" (N,) int64 are class indices (-1: none).
        ids: N stable image ids.
        metadata: how it was made, JSON-serialisable; "failed": {name: reason} of what could not be measured.

    Raises:
        ValueError: a tensor whose leading dimension is not N.
    """

    def __init__(
        self, tensors: Mapping[str, Tensor], ids: Iterable[str], metadata: Mapping[str, Any] | None = None
    ) -> None:
        self.tensors, self.ids, self.metadata = dict(tensors), list(ids), dict(metadata or {})
        for name, tensor in self.tensors.items():
            if len(tensor) != len(self.ids):
                raise ValueError(f"{name} has {len(tensor)} rows for {len(self.ids)} images")

    keys_ = alias("keys_", "ids")
    made = alias("made", "metadata")

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.tensors:
            if reason := self.metadata.get("failed", {}).get(name):
                raise ValueError(reason)
            raise KeyError(f"no {name!r} in these activations; there are: {', '.join(sorted(self.tensors))}")
        return self.tensors[name]

    def __contains__(self, name: object) -> bool:
        return name in self.tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    @property
    def images(self) -> int:
        """N."""
        return len(self.ids)

    def select(self, rows: Tensor) -> Activations:
        """The images at the given row indices (int64)."""
        keys = [self.ids[i] for i in rows.tolist()]
        return Activations({name: t[rows] for name, t in self.tensors.items()}, keys, self.metadata)

    def save(self, folder: Path) -> None:
        """Write one safetensors file per tensor and an index with checksums; adds to what the folder holds of
        the same images.

        Every file is written under a temporary name and renamed; the index, which has a checksum of itself, comes
        last.
        """
        folder.mkdir(parents=True, exist_ok=True)
        index = _read_index(folder)
        known = index["tensors"] if index and index["keys"] == self.ids else {}
        for name, tensor in self.tensors.items():
            path = folder / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.safetensors"
            write_atomic(path, partial(save_file, {"values": tensor.contiguous()}, metadata={"name": name}))
            known[name] = {"file": path.name, "sha256": sha256(path)}
        content = {"keys": self.ids, "made": self.metadata, "tensors": known}
        write_index(folder / INDEX, content)

    @classmethod
    def load(cls, folder: Path, names: Iterable[str] | None = None) -> Activations:
        """Read the whole ones among the named tensors (default: all); missing ones are left out, and damaged ones with
        a warning.

        Raises:
            FileNotFoundError: no readable index in the folder.
        """
        index = _read_index(folder)
        if index is None:
            raise FileNotFoundError(f"no activations in {folder}")
        wanted = set(index["tensors"] if names is None else names)
        tensors: dict[str, Tensor] = {}
        for name, entry in index["tensors"].items():
            if name not in wanted:
                continue
            path = folder / entry["file"]
            try:
                if sha256(path) != entry["sha256"]:
                    raise ValueError("its checksum is another one")
                with safe_open(path, framework="pt") as file:
                    values = file.get_tensor("values")
                if len(values) != len(index["keys"]):
                    raise ValueError(f"{len(values)} rows for {len(index['keys'])} images")
                tensors[name] = values
            except (OSError, SafetensorError, ValueError) as error:
                log.warning("%s (%s) is damaged and is measured anew (%s)", path, name, one_line(error))
        return cls(tensors, index["keys"], index["made"])


def _read_index(folder: Path) -> dict[str, Any] | None:
    index = read_index(folder / INDEX)
    return index if index is not None and {"keys", "made", "tensors"} <= set(index) else None


def concatenate(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Batches' tensors to whole ones, in order."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
