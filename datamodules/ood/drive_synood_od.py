"""Drive-SynOOD-OD (Montoya, Espinoza Mayzer & Arnez, ICVES 2026): hazards painted into BDD100K's validation frames.

From the public descriptions of the set: one archive, drive-synood-od-data.tar, with a folder dataset/ of images (10,000
clean .jpg, 14,079 .png with one hazard each), annotations in COCO's and YOLO's formats with BDD100K's own labels and
the boxes of the hazards, and lists of the subsets ood_positive (14,079), ood_positive_hiconf (7,792), clean_paired
(5,618), clean_extra (4,382); hazards are Dog, Other Deer, Roe Deer, Scooter, Stroller, Wild Boar.

Assumed, because the files are given out on request only: that a COCO file is called after its subset (or lies in a
folder called so), or a list of file names is, beside one COCO file; and that the name of an image, or a text in its
entry, has the name of its frame. Where no label file or no frame is found, an error or a warning says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from datamodules.formats.inpainted import InpaintedSet, inpainted, with_unknown
from datamodules.formats.scalabel import OTHER_NAMES
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.subset import Unlabelled
from datamodules.ood.base import OODSet

HAZARDS = ("dog", "other deer", "roe deer", "scooter", "kick scooter", "stroller", "wild boar")
FRAME_KEY = "images/100k/val/{frame}.jpg"
"""Key of a frame in `datamodules.BDD100kDataModule`."""
FOLDERS = ("Drive-SynOOD-OD", "drive-synood-od", "drive-synood-od-data")
LAYOUT = "Drive-SynOOD-OD/dataset/** with the images and ood_positive.json, ood_positive_hiconf.json in COCO's format"
SOURCE = "https://huggingface.co/datasets/CEAai/Drive-SynOOD-OD (on request; unpack drive-synood-od-data.tar)"
ALIASES = {**OTHER_NAMES, **{ours: theirs for theirs, ours in OTHER_NAMES.items()}}


def _images(name: str, subset: str, published: int, folder: Path, known: Sequence[str]) -> InpaintedSet:
    index = {word.lower(): i for i, word in enumerate(known)}

    def classes(word: str) -> int | None:
        return index.get(word, index.get(ALIASES.get(word, word)))

    return inpainted(name, folder, subset, HAZARDS, FRAME_KEY, published, classes)


def _plain(name: str, subset: str, published: int) -> Callable[[Path], ImageSet]:
    return lambda folder: Unlabelled(_images(name, subset, published, folder, ()))


def _mixed(name: str, subset: str, published: int) -> Callable[[Path, Sequence[str]], ImageSet]:
    return lambda folder, known: with_unknown(_images(name, subset, published, folder, known))


ALL = ("drive-synood-od", "ood_positive", 14_079)
CHOSEN = ("drive-synood-od-hiconf", "ood_positive_hiconf", 7_792)
DRIVE_SYNOOD_OD = OODSet(
    name="drive-synood-od",
    description="Drive-SynOOD-OD: animals, strollers and scooters painted into BDD100K's validation frames, with boxes",
    folders=FOLDERS,
    source=SOURCE,
    published=14_079,
    layout=LAYOUT,
    read=_plain(*ALL),
    mixed=_mixed(*ALL),
)
DRIVE_SYNOOD_OD_HICONF = OODSet(
    name="drive-synood-od-hiconf",
    description="Drive-SynOOD-OD, the images that passed its quality check (ood_positive_hiconf)",
    folders=FOLDERS,
    source=SOURCE,
    published=7_792,
    layout=LAYOUT,
    read=_plain(*CHOSEN),
    mixed=_mixed(*CHOSEN),
)
