"""Whether the images of sets can be read: by their headers before anything is trained, by decoding where one failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.left_out import Faults, LeftOut, Unreadable, current
from lsood.io import log

LABEL_MAPS = 64


def check_files(sets: Iterable[ImageSet], left_out: LeftOut) -> bool:
    """Look at the files of all sets before anything is trained: the headers of every image and label file (missing,
    cut, no image, too large, sizes that differ) and the contents of 64 label maps of each set, a seeded choice.

    Returns:
        Whether any cannot be read; ``left_out`` has them then, and the sets have to be made again.

    Raises:
        ValueError: they are too many, see `LeftOut.add`.
    """
    roots = {id(root): root for images in sets if len(images) for root, _ in [images.read_from(0)]}
    found = [_named(root, faults) for root in roots.values() if (faults := _early_faults(root))]
    left_out.add(found)
    return bool(found)


def unreadable(images: ImageSet, seen: Mapping[int, str]) -> Unreadable:
    """The error for images of a set that failed while they were read. So that the next ones do not stop the run one by
    one, all images of the files' set are read once.

    Args:
        seen: {position in ``images``: reason}.
    """
    first = next(iter(seen.values()))
    if current() is None:
        return Unreadable(first)
    places = {images.read_from(index): reason for index, reason in seen.items()}
    root = next(iter(places))[0]
    log.info("%s: %s; reading all %d images to find others", root.name, first, len(root))
    with ThreadPoolExecutor() as pool:
        reasons = list(pool.map(root.unreadable, range(len(root))))
    faults = {index: reason for (_, index), reason in places.items()}
    faults |= {index: reason for index, reason in enumerate(reasons) if reason is not None}
    return Unreadable(first, [_named(root, faults)])


def _early_faults(root: ImageSet) -> dict[int, str]:
    faults = {i: fault for i in range(len(root)) if (fault := root.fault(i)) is not None}
    if root.labelled:
        whole = [i for i in range(len(root)) if i not in faults]
        chosen = np.random.default_rng([0, len(whole)]).permutation(len(whole))[:LABEL_MAPS]
        faults |= {whole[i]: reason for i in chosen if (reason := root.unreadable(whole[i])) is not None}
    return faults


def _named(root: ImageSet, faults: Mapping[int, str]) -> Faults:
    reasons = {path: reason for i, reason in sorted(faults.items()) if (path := root.file(i)) is not None}
    return Faults(root.name, len(root), len(root.left_out), reasons)
