"""Whether two sets share image files, so that one image would be known and unknown, or fitted on and tested."""

from __future__ import annotations

from pathlib import Path

from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.files import FileSet
from lsood.text import shown


def files_of(images: ImageSet) -> dict[tuple[int, int], Path]:
    """{what identifies a file, whatever links lead to it: its path} of the images of a set that are in files."""
    found = {}
    for i in range(len(images)):
        base, place = images.read_from(i)
        path = base.file(place) if isinstance(base, FileSet) else None
        if path is not None and path.is_file():
            state = path.stat()
            found[state.st_dev, state.st_ino] = path
    return found


def check_apart(first: str, images: ImageSet, second: str, others: ImageSet) -> None:
    """Raises ValueError: two sets share image files, also by links.

    Args:
        first, second: what the sets are, for the message.
    """
    here, there = files_of(images), files_of(others)
    if shared := [path for state, path in here.items() if state in there]:
        raise ValueError(
            f"{len(shared)} images of {first} are images of {second} too, e.g. {shown(shared[0])}; name other images"
        )
