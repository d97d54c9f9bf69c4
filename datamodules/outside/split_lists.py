"""``train.txt``, ``val.txt`` and ``test.txt``: which images of a folder are in which part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from datamodules.outside.parts import SPELLINGS
from lsood.images.listing import composed


def read_lists(folder: Path, keys: Sequence[str]) -> dict[str, list[int]]:
    """{part: positions of its images, in order} of the lists that are there; {}: there are none.

    Args:
        folder: that holds the lists, a name on each line: a key, with or without its suffix.
        keys: of the images.

    Raises:
        ValueError: no list of "train", two lists for one part, an empty list, a name that is no image or could be two,
            or one that stands in two lists or twice in one.
    """
    paths = {
        part: [folder / f"{one}.txt" for one in names if (folder / f"{one}.txt").is_file()]
        for part, names in SPELLINGS.items()
    }
    lists = {part: found[0] for part, found in paths.items() if found}
    if not lists:
        return {}
    if double := [found for found in paths.values() if len(found) > 1]:
        raise ValueError(f"{double[0][0]} and {double[0][1]} list the same part; keep one of them")
    if "train" not in lists:
        raise ValueError(
            f"{next(iter(lists.values()))} is there, but no train.txt; list the other images there"
        )
    whole = {composed(key): i for i, key in enumerate(keys)}
    stems: dict[str, list[int]] = {}
    for key, i in whole.items():
        stems.setdefault(_stem(key), []).append(i)
    owner: dict[int, Path] = {}
    found: dict[str, list[int]] = {}
    for part, path in lists.items():
        chosen = []
        for line in _lines(path):
            fits = [whole[line]] if line in whole else stems.get(line, [])
            if len(fits) != 1:
                what = "is the name of no image" if not fits else "is the name of several images"
                raise ValueError(f"{path}: {line!r} {what} in {folder / 'images'}")
            if fits[0] in owner:
                where = "twice" if owner[fits[0]] == path else f"in {owner[fits[0]].name} too"
                raise ValueError(f"{path}: {line!r} stands {where}; an image is in one part")
            owner[fits[0]] = path
            chosen.append(fits[0])
        if not chosen:
            raise ValueError(f"{path} lists no image")
        found[part] = sorted(chosen)
    return found


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text file") from None
    names = (composed(line.strip().replace("\\", "/")).removeprefix("./") for line in text.splitlines())
    return [name.removeprefix("images/") for name in names if name]


def _stem(key: str) -> str:
    return PurePosixPath(key).with_suffix("").as_posix()
