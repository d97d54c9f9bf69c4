"""Whether the files of image sets can be read, seen from their headers before anything is trained or measured."""

from __future__ import annotations

from collections.abc import Iterable

from datamodules.imagesets.base import ImageSet

SHOWN = 10


def check_files(sets: Iterable[ImageSet]) -> None:
    """Look at the header of every image and label file: missing, cut, no image, too large, sizes that differ. What only
    decoding shows, damaged pixels or ids that are no class, is found when an image is read.

    Raises:
        ValueError: some cannot be read; names the first of them, each once, and their number.
    """
    faults: dict[str, None] = {}
    for images in sets:
        for index in range(len(images)):
            if (fault := images.fault(index)) is not None:
                faults[fault] = None
    if not faults:
        return
    shown = list(faults)[:SHOWN]
    if len(faults) == 1:
        raise ValueError(shown[0])
    more = f"\nand {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    raise ValueError(f"{len(faults)} files cannot be used:\n" + "\n".join(shown) + more)
