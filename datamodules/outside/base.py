"""What data sets in folders of the user share: where they lie, their pre-processing, their size."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import ClassVar

from datamodules.base import BenchmarkDataModule
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.files import ClassifiedSet, FileSet
from datamodules.outside.parts import SHARES, divided, drawn, group_of, left_shares
from datamodules.outside.shared_files import check_apart
from lsood.images.listing import image_files
from lsood.io import log
from lsood.text import short_names, shown

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LOOKED_AT = 256
"""Images whose headers decide about the size of the network's input."""


class OwnFolder(BenchmarkDataModule):
    """A data set in a folder of the user; a subclass is made for each, see :func:`described`.

    Attributes:
        spec: prefix and folder, absolute.
        folder: the same without prefix.
        keep_together: text in file names, see `datamodules.outside.parts.group_of`.
        largest: side of the images, in pixels, up to which the network sees their own size where all have one.
    """

    mean = IMAGENET_MEAN
    std = IMAGENET_STD
    image_size = (224, 224)
    layout = "files of the user"
    source = "the user"
    folder: ClassVar[Path]
    keep_together: ClassVar[str | None] = None
    largest: ClassVar[int] = 256

    @classmethod
    def is_there(cls, folder: Path) -> bool:
        return True

    def prepare_data(self) -> None:
        """Nothing is looked for: the folder was named."""
        self._folder = self.folder

    @classmethod
    def sequence_of(cls, key: str) -> str | None:
        """The near-duplicates that an image belongs to, where ``keep_together`` tells them."""
        return group_of(key, cls.keep_together)

    def default_size(self) -> tuple[int, int]:
        return self.own_size(common_size(self.sets["train"]))

    @classmethod
    def own_size(cls, common: tuple[int, int] | None) -> tuple[int, int]:
        """The size of the network's input, (H, W), where none is asked for.

        Args:
            common: size that all images have; None: they differ.
        """
        return common if common is not None and max(common) <= cls.largest else cls.image_size

    @classmethod
    @abstractmethod
    def parts_there(cls) -> dict[str, FileSet]:
        """The parts that the folder has, "train" among them; "train" alone: all images."""

    @classmethod
    def as_ood(cls, seed: int) -> ImageSet:
        """The images where the set is an OoD set: all below the folder; of layouts with parts the test part."""
        return FileSet(cls.name, cls.folder, image_files(cls.folder), "own")

    def split(self, folder: Path) -> dict[str, ImageSet]:
        """The parts that are there; the others are drawn from "train", see `datamodules.outside.parts.drawn`.

        Raises:
            ValueError: too few images, a class without images to fit on, or parts that share files.
        """
        there = self.parts_there()
        for first, second in combinations(there, 2):
            check_apart(f"{self.name}, part {first},", there[first], f"part {second}", there[second])
        keys = [key for files in there.values() for key in files.keys]
        if self.keep_together and all(self.sequence_of(key) is None for key in keys):
            raise ValueError(f"{self.name}: --keep-together {self.keep_together} occurs in no file name")
        found: dict[str, ImageSet] = dict(there)
        shares, how = left_shares(there), ""
        if len(shares) > 1:
            found |= self._drawn(there["train"], shares)
            others = " and ".join(part for part in shares if part != "train")
            how = f"; {others} drawn from {'train' if len(there) > 1 else 'all images'} by seed {self.seed}"
            how += (
                f", names equal up to the last {self.keep_together!r} together" if self.keep_together else ""
            )
        elif self.keep_together:
            how = f"; --keep-together {self.keep_together} divides nothing, but intervals resample its groups"
        self.tell(found, how)
        return {part: found[part] for part in SHARES}

    def _drawn(self, train: FileSet, shares: Mapping[str, float]) -> dict[str, ImageSet]:
        classes = train.classes if isinstance(train, ClassifiedSet) else None
        try:
            chosen = drawn(train.keys, classes, self.seed, self.keep_together, shares)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        if classes is not None and (left := set(classes) - {classes[i] for i in chosen["train"]}):
            raise ValueError(
                f"{self.name}: no image of class {self.class_names[min(left)]} is left for the fit part; make the "
                "parts train/, val/ and test/, or name another --keep-together"
            )
        return divided(train, chosen)

    def tell(self, found: Mapping[str, ImageSet], how: str) -> None:
        """Log what was found. ``how`` the parts came about."""
        sizes = " / ".join(str(len(found[part])) for part in SHARES)
        names = ", ".join(self.class_names[:5]) + (", ..." if len(self.class_names) > 5 else "")
        classes = f"{len(self.class_names)} classes ({names})" if self.class_names else "no labels"
        log.info("%s: %s; fit / validation / test: %s images%s", self.name, classes, sizes, how)


def described(
    base: type[OwnFolder], prefix: str, folder: Path, keep_together: str | None, **known: object
) -> type[OwnFolder]:
    """A data module class of a folder.

    Args:
        base: of the layout. folder: that is there. known: further class attributes.

    Raises:
        ValueError: a ``keep_together`` without a character.
    """
    if keep_together == "":
        raise ValueError("--keep-together needs at least one character, such as _")
    place = folder.resolve()
    spec = f"{prefix}{place}"
    name = shown(short_names([spec])[spec])
    attributes = {"name": name, "spec": spec, "folder": place, "keep_together": keep_together}
    return type(base.__name__, (base,), {**attributes, **known, "__module__": base.__module__})


def checked_folder(prefix: str, folder: Path) -> Path:
    """A folder that the user named, with ``~`` replaced.

    Raises:
        FileNotFoundError: it does not exist. ValueError: a file.
    """
    place = folder.expanduser()
    if place.is_file():
        raise ValueError(f"{prefix}{folder} is a file: name the folder that holds the images")
    if not place.is_dir():
        raise FileNotFoundError(f"{prefix}{folder}: there is no such folder")
    return place


def common_size(images: ImageSet) -> tuple[int, int] | None:
    """(H, W) of all images of a set, as the headers of at most `LOOKED_AT` of them say; None: they differ, or none can
    be read.
    """
    step = -(-len(images) // LOOKED_AT)
    sizes = set()
    for i in range(0, len(images), step):
        try:
            sizes.add(images.shape(i))
        except (OSError, ValueError):
            continue  # reading it says what is wrong
    return sizes.pop() if len(sizes) == 1 else None
