"""What the cache folder holds, entry by entry, and how an entry is removed. Imports no torch."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datamodules.locate import cache_dir
from lsood.io import is_claimed, log, read_index, remove_leftovers, sha256, temporary, whole
from lsood.text import shown

MINIATURE, NETWORK, ACTIVATIONS = "miniature", "networks", "activations"
KINDS = (MINIATURE, NETWORK, ACTIVATIONS)
EARLIER = "earlier version"


@dataclass(frozen=True)
class Entry:
    """A folder of the cache.

    Attributes:
        kind: of `KINDS`. what: it is, in words. size: bytes. used: time of its last use, of a miniature of its making.
        in_use: a process is writing there.
    """

    kind: str
    path: Path
    what: str
    size: int
    used: float
    in_use: bool


def entries() -> list[Entry]:
    """Everything in the cache that can be removed, by kind and name."""
    found: list[Entry] = []
    with _quiet():
        for kind in KINDS:
            folder = cache_dir() / kind
            paths = sorted(folder.iterdir()) if folder.is_dir() else []
            own = [p for p in paths if p.is_dir() and not p.is_symlink() and not p.name.startswith(".")]
            found += [_entry(kind, path) for path in own]
    return sorted(found, key=lambda entry: (KINDS.index(entry.kind), entry.what, entry.path.name))


def size_of(path: Path) -> int:
    """Bytes of the files in a folder; links count as such."""
    return sum(p.lstat().st_size for p in path.rglob("*") if not p.is_dir() or p.is_symlink())


def human(size: float) -> str:
    """Bytes as text: "1.2 GB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def unreadable(entry: Entry) -> bool:
    """Whether an entry is of no use: nothing of it is there, or its checksums are others. Reads all of it."""
    if entry.in_use:
        return False
    with _quiet():
        try:
            if entry.kind == NETWORK:
                weights, state = (entry.path / name for name in ("weights.safetensors", "last.ckpt"))
                return not state.is_file() if not weights.is_file() else whole(weights) is False
            if entry.kind == ACTIVATIONS:
                index = read_index(entry.path / "activations.json")
                files = (index or {}).get("tensors", {}).values()
                return index is None or any(
                    sha256(entry.path / file["file"]) != file["sha256"] for file in files
                )
        except (OSError, KeyError, TypeError, AttributeError):
            return True
    return False


def remove(entry: Entry) -> str | None:
    """Remove an entry, at once for all who look; returns why not, or None.

    What lies outside of the cache folder, also by way of a link, and what a process is writing is left.
    """
    cache = cache_dir().resolve()
    if entry.path.is_symlink() or entry.path.resolve().parent != cache / entry.kind:
        return "it lies outside of the cache folder"
    if is_claimed(entry.path):
        return "a process is writing there"
    part = temporary(entry.path)
    try:
        entry.path.rename(part)
        shutil.rmtree(part)
    except OSError as error:
        return str(error)
    remove_leftovers(entry.path.parent)
    return None


def _entry(kind: str, path: Path) -> Entry:
    files = [p for p in path.rglob("*") if p.is_file()] or [path]
    what = {MINIATURE: _miniature, NETWORK: _network, ACTIVATIONS: _activations}[kind](path)
    used = max(file.stat().st_mtime for file in files)
    return Entry(kind, path, shown(what), size_of(path), used, is_claimed(path))


def _miniature(path: Path) -> str:
    return path.name


def _network(path: Path) -> str:
    state = "" if (path / "weights.safetensors").is_file() else ", unfinished"
    about = read_index(path / "identity.json")
    if about is None:
        return f"{EARLIER}{state}"
    options: dict[str, Any] = about.get("options", {})
    recipe = {**options, **options.get("recipe", {})}
    epochs = f", {recipe['epochs']} epochs" if "epochs" in recipe else ""
    loss = f", {recipe['loss']}" if recipe.get("loss", "cross-entropy") != "cross-entropy" else ""
    tuned = ", with outliers" if "outliers" in options else ""
    where = f" on {about['set']} ({about.get('origin')})" if "set" in about else ""
    seed = about.get("identity", {}).get("seed")
    return f"{about.get('name')}{where}, seed {seed}{epochs}{loss}{tuned}{state}"


def _activations(path: Path) -> str:
    index = read_index(path / "activations.json")
    if index is None:
        return "unreadable"
    made = index.get("made", {})
    network = made.get("network_name") or f"{EARLIER}, network {str(made.get('network'))[:8]}"
    return f"{network}: {made.get('title', '?')}, {len(index.get('keys', ()))} images"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of readers that say what they will make anew."""
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
