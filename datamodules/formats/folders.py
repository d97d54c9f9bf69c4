"""Plain folders of images, and folders of images with anomaly masks beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from datamodules.formats.labels import IGNORE, lookup
from datamodules.formats.listing import image_files
from datamodules.imagesets.files import FileSet, Labels
from datamodules.imagesets.origin import origin_of

MASK_IDS = lookup({0: 0, 1: 1, IGNORE: IGNORE})


def folder_set(name: str, folder: Path, published: int | None) -> FileSet:
    """All image files below a folder, sorted, without labels.

    Args:
        published: number of images of the published set; None: not known.

    Raises:
        ValueError: no images.
    """
    files = image_files(folder)
    return FileSet(name, folder, files, origin_of(folder, len(files), published))


def with_masks(
    name: str, published: int, images: str, mask_of: Callable[[Path], Path]
) -> Callable[[Path], FileSet]:
    """A reader of frames whose anomaly masks are 0, 1 and 255; frames without a mask file are left out.

    Args:
        images: sub-folder of the frames.
        mask_of: frame path -> mask path.
    """

    def load(folder: Path) -> FileSet:
        files = [path for path in image_files(folder / images, "**/*") if mask_of(path).is_file()]
        labels = Labels(mask_of, MASK_IDS, anomaly=True)
        return FileSet(name, folder, files, origin_of(folder, len(files), published), labels)

    return load
