"""File layouts of a generated set: that of the source, or that of another evaluation tool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

LAYOUTS = ("official", "smiyc", "fishyscapes", "cifar10-c")
MAPS = ("mask", "kind", "alpha", "instances", "soiling")
IMAGE_FOLDER, LABEL_FOLDER, MAP_FOLDER = "leftImg8bit", "gtFine", "gtAnomaly"
SHORT = {"instances": "inst"}


class Layout:
    """Names of files below a set's folder.

    - official: the source's own tree and basenames below one root per variant, so that the source's loaders
      find pairs; maps in ``gtAnomaly/.../<name>_gtAnomaly_{mask,kind,alpha,inst,soiling}.png``.
    - smiyc (SegmentMeIfYouCan): ``images/<name>``, ``labels_masks/<name>_labels_semantic.png``.
    - fishyscapes: ``images/<name>``, ``labels/<NNNN>_<name>_labels.png``.
    - cifar10-c: arrays, written from the finished set by `anomalies.sets.arrays`; images are not stored one by
      one.

    Args:
        name: one of `LAYOUTS`.
        keys: of the source's images; decide whether basenames are unique.
        suffix: of image files, ".png".

    Raises:
        ValueError: unknown layout.
    """

    def __init__(self, name: str, keys: Sequence[str], suffix: str) -> None:
        if name not in LAYOUTS:
            raise ValueError(f"unknown layout {name!r}; layouts: {', '.join(LAYOUTS)}")
        self.name, self.suffix = name, suffix
        stems = [_stem(key) for key in keys]
        self._names = stems if len(set(stems)) == len(stems) else [_flat(key) for key in keys]
        self._rank = {key: i for i, key in enumerate(keys)}
        paths = [PurePosixPath(key).with_suffix("").as_posix() for key in keys]
        repeated = {path for path, count in Counter(paths).items() if count > 1}
        self._clashing = {key for key, path in zip(keys, paths, strict=True) if path in repeated}

    def image(self, variant: str, key: str) -> str:
        """Path of an image below the set's folder."""
        if self.name in ("official", "cifar10-c"):
            return f"{variant}/{self._tree(key)}{self.suffix}"
        return f"{variant}/images/{self._name(key)}{self.suffix}"

    def map(self, what: str, variant: str, key: str) -> str:
        """Path of a map, one of `MAPS`."""
        if self.name in ("official", "cifar10-c"):
            path, short = PurePosixPath(self._tree(key)), SHORT.get(what, what)
            parts, stem = path.parts[:-1], path.name
            if IMAGE_FOLDER in parts:
                at = parts.index(IMAGE_FOLDER)
                parts = (*parts[:at], MAP_FOLDER, *parts[at + 1 :])
                stem = stem.removesuffix(f"_{IMAGE_FOLDER}")
            else:
                parts = (MAP_FOLDER, *parts)
            return "/".join((variant, *parts, f"{stem}_{MAP_FOLDER}_{short}.png"))
        if what == "mask" and self.name == "smiyc":
            return f"{variant}/labels_masks/{self._name(key)}_labels_semantic.png"
        if what == "mask":
            return f"{variant}/labels/{self._rank[key]:04d}_{self._name(key)}_labels.png"
        return f"{variant}/maps/{self._name(key)}_{SHORT.get(what, what)}.png"

    def label(self, variant: str, key: str, label_key: str) -> str:
        """Path of the label file that belongs to an image."""
        if self.name in ("official", "cifar10-c"):
            return f"{variant}/{label_key}"
        return f"{variant}/maps/{self._name(key)}_labelIds.png"

    def _name(self, key: str) -> str:
        return self._names[self._rank[key]]

    def _tree(self, key: str) -> str:
        """The key without its suffix, unless two files differ in nothing else."""
        path = PurePosixPath(key)
        if key in self._clashing:
            return path.with_name(path.name.replace(".", "_")).as_posix()
        return path.with_suffix("").as_posix()


def _stem(key: str) -> str:
    return PurePosixPath(key).stem.removesuffix(f"_{IMAGE_FOLDER}")


def _flat(key: str) -> str:
    return key.replace("/", "_").replace(".", "_")
