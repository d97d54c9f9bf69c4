"""Where the images of a set come from: the published set, a part of it, or a generated miniature."""

from __future__ import annotations

from pathlib import Path

MARKER = "miniature.json"
"""File in the folder of a generated miniature."""


def origin_of(folder: Path, images: int, published: int | None) -> str:
    """The origin of a set read from a folder.

    Args:
        images: how many were found.
        published: how many the published set has; None: not known.

    Returns:
        "miniature" in or below a folder with a marker, "official" with the published number of images, else "subset".
    """
    for parent in (folder, *folder.parents):
        if (parent / MARKER).is_file():
            return "miniature"
    return "official" if published is not None and images == published else "subset"
