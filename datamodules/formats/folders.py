"""Plain folders of images, and folders of images with anomaly masks beside them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from datamodules.formats.labels import IGNORE, lookup, read_ids
from datamodules.imagesets.files import FileSet, Labels
from datamodules.imagesets.origin import origin_of
from lsood.images.listing import composed, image_files, same_name
from lsood.io import log

MASK_IDS = lookup({0: 0, 1: 1, IGNORE: IGNORE})
SHOWN = 3


def folder_set(name: str, folder: Path, published: int | None) -> FileSet:
    """All image files below a folder, sorted, without labels.

    Args:
        published: number of images of the published set; None: not known.

    Raises:
        ValueError: no images.
    """
    files = image_files(folder)
    return FileSet(name, folder, files, origin_of(folder, len(files), published))


@dataclass(frozen=True)
class Masks:
    """Mask files by image."""

    files: dict[Path, Path]

    def __call__(self, image: Path) -> Path:
        return self.files[image]


def paired(images: Sequence[Path], root: Path, maps: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """{image: its label map} of images that have one: a file in the same sub-folder with the same stem, or with a
    suffix behind it that all maps have, such as "_labelIds".

    Args:
        root, folder: of images and maps.
    """
    stems = {path: _below(path, root) for path in images}
    known = set(stems.values())
    found = {_below(path, folder): path for path in maps}
    if not known & set(found):
        suffixes = {_suffix(stem, known) for stem in found}
        common = suffixes.pop() if len(suffixes) == 1 else None
        found = {stem.removesuffix(common): path for stem, path in found.items()} if common else {}
    return {image: found[stem] for image, stem in stems.items() if stem in found}


def _below(path: Path, folder: Path) -> str:
    return composed(path.relative_to(folder).with_suffix("").as_posix())


def _suffix(stem: str, images: Collection[str]) -> str | None:
    """What stands behind the longest stem of an image that a map's begins with; None: with none."""
    cut = next((n for n in range(len(stem) - 1, 0, -1) if stem[:n] in images), None)
    return None if cut is None else stem[cut:]


def with_masks(
    name: str, published: int, images: str, masks_of: Callable[[Path], Callable[[Path], Path]]
) -> Callable[[Path], FileSet]:
    """A reader of frames whose anomaly masks are 0, 1 and 255 (ignore); frames without a mask file are left out, with
    a warning.

    Args:
        images: sub-folder of the frames.
        masks_of: folder of the set -> (frame path -> mask path, whether it exists or not).
    """

    def load(folder: Path) -> FileSet:
        frames, mask_of = image_files(folder / images), masks_of(folder)
        found = {frame: same_name(mask_of(frame)) for frame in frames}
        masks = Masks({frame: mask for frame, mask in found.items() if mask.is_file()})
        files, without = list(masks.files), [frame for frame in frames if frame not in masks.files]
        if without:
            log.warning(
                "%s: %d of %d frames have no mask and are left out, e.g. %s (expected %s)",
                name, len(without), len(frames), without[0], found[without[0]],
            )  # fmt: skip
        labels = Labels(masks, MASK_IDS, anomaly=True)
        images_found = FileSet(name, folder, files, origin_of(folder, len(files), published), labels)
        check_masks(name, list(masks.files.values()))
        return images_found

    return load


def check_masks(name: str, masks: list[Path]) -> None:
    """What 255 means in masks of 0, 1 and 255: ignore, as a mask that holds both 1 and 255 shows. Looks at mask by mask
    until one does; a warning is given where none marks an anomalous pixel. Masks that cannot be read are left to the
    reading.

    Raises:
        ValueError: no mask holds both, but some hold 255: it may stand for anomalous pixels there.
    """
    ones: list[Path] = []
    whites: list[Path] = []
    for mask in masks:
        try:
            ids = read_ids(mask)
        except (OSError, ValueError):
            continue
        one, white = bool((ids == 1).any()), bool((ids == IGNORE).any())
        if one and white:
            return
        if one:
            ones.append(mask)
        elif white:
            whites.append(mask)
    if whites:
        other = f"{len(ones)} hold 1, {_named(ones)}" if ones else "none holds 1"
        raise ValueError(
            f"{name}: {len(whites)} of its {len(masks)} masks hold 255 and no 1, {_named(whites)}; {other}: 255 means "
            "ignore, and may stand for anomalous here; write 1 for anomalous pixels and 255 only for those that must "
            "not count, in at least one mask beside pixels of 1"
        )
    if not ones:
        log.warning(
            "%s: none of its %d masks marks an anomalous pixel (1), e.g. %s", name, len(masks), masks[0]
        )


def _named(masks: list[Path]) -> str:
    return ", ".join(str(mask) for mask in masks[:SHOWN]) + (", ..." if len(masks) > SHOWN else "")
