"""Which auxiliary outliers a training gets: those asked for, or the first that is there and clashes with nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datamodules.imagesets.arrays import ArraySet
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.files import FileSet
from datamodules.locate import find, missing
from datamodules.ood.outliers.clashes import dropped, reason_against
from datamodules.ood.outliers.dead_leaves import dead_leaves
from datamodules.registry import DATAMODULES, FOLDER, OUTLIER_SETS, check_names
from lsood.images.listing import image_files
from lsood.io import log
from lsood.text import unknown

DEAD_LEAVES = "dead-leaves"
DEAD_LEAVES_COUNT = 500


def outliers_for(
    ind: str,
    root: Path | None,
    ood: Sequence[str] = (),
    name: str | None = None,
    seed: int = 0,
    choices: Sequence[str] | None = None,
) -> ImageSet:
    """The auxiliary outliers to train with, unlabelled.

    FashionMNIST and MNIST get CIFAR-10's training images (in grey, by the pre-processing), as the authors gave
    their MNIST networks grey tiny images; the CIFARs get the 300K Random Images, from which their authors removed
    the images of CIFAR's classes, else what is there. CIFAR-100's road vehicles are left out beside CIFAR-10,
    CIFAR-10's beside CIFAR-100.

    Args:
        ind: name of the in-distribution set.
        root: data root; None: generated dead leaves (discs of random sizes and colours that cover each other)
            stand in, origin "miniature".
        ood: names of the OoD sets under test.
        name: one of ``OUTLIER_SETS``, ``folder:PATH``, or "dead-leaves", which needs no data; None: the first of
            ``choices`` that is there and clashes with nothing.
        seed: of the generated ones.
        choices: names of outlier sets; None: ``outliers`` of the in-distribution set's data module.

    Raises:
        ValueError: unknown name, an in-distribution set without a choice, or outliers that are among the OoD
            sets under test or share classes with them or with the in-distribution set; says which.
        FileNotFoundError: not below the root; says which layout is expected and where to get it.
    """
    check_names(ood)
    names = sorted([*OUTLIER_SETS, DEAD_LEAVES])
    known = f"outliers: {', '.join(names)}, {FOLDER}PATH"
    named = name is not None and name.startswith(FOLDER)
    folder = Path(str(name).removeprefix(FOLDER)).expanduser() if named else None
    if name is not None and folder is None and name not in names:
        raise unknown("outliers", name, names, f", {FOLDER}PATH")
    if choices is None:
        choices = DATAMODULES.about(ind, "outliers", ()) if ind in DATAMODULES else ()
    if name is None and not choices:
        raise ValueError(f"no outliers are chosen for {ind}; name some; {known}")
    tried = choices if name is None else (name,)
    clashes = {n: reason for n in tried if (reason := reason_against(n, ind, ood)) is not None}
    if name in clashes:
        raise ValueError(f"{clashes[name]}; {known}")
    if folder is not None:
        if not folder.is_dir():
            raise FileNotFoundError(f"{name}: {folder} is no folder")
        return FileSet(str(name), folder, image_files(folder), "own")
    if root is None or name == DEAD_LEAVES:
        origin = "generated" if name == DEAD_LEAVES else "miniature"
        return ArraySet(DEAD_LEAVES, dead_leaves(DEAD_LEAVES_COUNT, seed), None, origin, "outlier/")
    return _first_there(root, tried, clashes, (ind, *ood))


def _first_there(
    root: Path, names: Sequence[str], clashes: dict[str, str], others: Sequence[str]
) -> ImageSet:
    """The first of the sets without a clash that lies below the root, less the classes it shares with others."""
    free = {n: OUTLIER_SETS[n] for n in names if n not in clashes}
    for name, entry in free.items():
        place = entry.place()
        folder = find(root, place.folders, place.is_there)
        if folder is not None:
            drop = dropped(name, others)
            log.info("outliers: %s%s", name, f" without {', '.join(drop)}" if drop else "")
            images: ImageSet = entry.load(folder, drop)
            return images
    if not free:
        raise ValueError("; ".join(clashes.values()))
    name, entry = next(iter(free.items()))
    place = entry.place()
    error = missing(f"{name}, for outliers,", root, place.layout, place.source)
    raise FileNotFoundError("; ".join([str(error), *clashes.values()]))
