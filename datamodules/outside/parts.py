"""Which images of a data set of the user fit, validate and test: seeded parts, stratified, near-duplicates together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.subset import Subset

SHARES: Mapping[str, float] = {"train": 0.6, "val": 0.2, "test": 0.2}
"""Of the images of a set without parts; where some parts are there, the others get the same proportions."""
SPELLINGS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


def group_of(key: str, keep_together: str | None) -> str | None:
    """What the file name of a key has before the last occurrence of a text; None: the text is not in it.

    >>> group_of("cat/plate7_03.png", "_"), group_of("cat/plate7.png", "_")
    ('plate7', None)
    """
    start, text, _ = PurePosixPath(key).stem.rpartition(keep_together or "\0")
    return start if text else None


def drawn(
    keys: Sequence[str],
    classes: Sequence[int] | None,
    seed: int,
    keep_together: str | None = None,
    shares: Mapping[str, float] = SHARES,
) -> dict[str, list[int]]:
    """{part: positions of its images, in order}, a seeded choice.

    Images of one group (see :func:`group_of`; an image without one is its own) go to one part: in seeded order, large
    groups first, to the part that lacks the largest share of what it is to have of their classes. So every class is
    divided as the shares say as far as its groups allow, and every part gets at least one of three groups.

    Args:
        keys: of the images. classes: of each; None: they are not known.
        shares: {part: share of the images}.

    Raises:
        ValueError: a part gets no image.
    """
    groups: dict[tuple[bool, str], list[int]] = {}
    for i, key in enumerate(keys):
        group = group_of(key, keep_together)
        groups.setdefault((group is None, key if group is None else group), []).append(i)
    members = list(groups.values())
    order = np.random.default_rng([seed, len(keys)]).permutation(len(members))
    of = [0] * len(keys) if classes is None else classes
    sizes, total = Counter(of), sum(shares.values())
    has = {part: Counter[int]() for part in shares}
    found: dict[str, list[int]] = {part: [] for part in shares}
    for i in sorted(order.tolist(), key=lambda i: -len(members[i])):
        own = Counter(of[j] for j in members[i])

        def lacking(part: str, own: Counter[int] = own) -> float:
            wanted = {c: sizes[c] * shares[part] / total for c in own}
            return sum(n * (wanted[c] - has[part][c]) / wanted[c] for c, n in own.items())

        best = max(shares, key=lacking)
        found[best] += members[i]
        has[best].update(own)
    for part, chosen in found.items():
        if not chosen:
            what = (
                f"{len(members)} groups of images (--keep-together {keep_together})"
                if keep_together
                else f"{len(keys)} images"
            )
            raise ValueError(f"{what} are too few for the parts {', '.join(shares)}: {part} gets none")
    return {part: sorted(chosen) for part, chosen in found.items()}


def divided(images: ImageSet, parts: Mapping[str, Sequence[int]]) -> dict[str, ImageSet]:
    """{part: its images}, of positions as :func:`drawn` gives them."""
    return {part: Subset(images, chosen) for part, chosen in parts.items()}


def part_folders(folders: Iterable[Path]) -> dict[str, Path]:
    """{"train", "val", "test": folder} of those that are named so, as `SPELLINGS` has them, in any letter case.

    Raises:
        ValueError: two folders for one part.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        part = next((part for part, names in SPELLINGS.items() if folder.name.lower() in names), None)
        if part is not None and part in found:
            raise ValueError(f"{found[part]} and {folder} both name the part {part}; keep one of them")
        if part is not None:
            found[part] = folder
    return {part: found[part] for part in SPELLINGS if part in found}


def left_shares(there: Iterable[str]) -> dict[str, float]:
    """The shares of "train" and of the parts that are not there, which are drawn from it.

    >>> left_shares(["train", "test"])
    {'train': 0.6, 'val': 0.2}
    """
    known = set(there) - {"train"}
    return {part: share for part, share in SHARES.items() if part not in known}
