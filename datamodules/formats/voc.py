"""Pascal VOC (Everingham et al., IJCV 2010): images, and boxes in an XML file each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from datamodules.imagesets.boxed import BoxedSet, Size
from datamodules.imagesets.boxes import Boxes, boxes_of
from datamodules.imagesets.files import FileSet
from datamodules.imagesets.origin import origin_of
from lsood.images.listing import composed, image_files, same_name

PUBLISHED = 5823
SIDES = ("xmin", "ymin", "xmax", "ymax")


def voc_files(folder: Path) -> list[Path]:
    """The images that ImageSets/Main/val.txt lists, or all of JPEGImages where there is no such file."""
    files = image_files(folder / "JPEGImages", "*")
    listed = folder / "ImageSets" / "Main" / "val.txt"
    if listed.is_file():
        try:
            names = {composed(name) for name in listed.read_text(encoding="utf-8").split()}
        except UnicodeDecodeError as error:
            raise ValueError(f"{listed} is no text file: {error}") from None
        files = [path for path in files if composed(path.stem) in names]
    return files


def voc(folder: Path) -> FileSet:
    """The images without boxes."""
    files = voc_files(folder)
    return FileSet("voc", folder, files, origin_of(folder, len(files), PUBLISHED))


def voc_boxed(folder: Path) -> FileSet:
    """The images with the boxes of Annotations/; without that folder as `voc`. An image whose XML file is missing or
    damaged raises when it is read, see `read_voc`.
    """
    annotations = folder / "Annotations"
    if not annotations.is_dir():
        return voc(folder)
    files = voc_files(folder)
    read = [_labels_of(annotations, path) for path in files]
    origin = origin_of(folder, len(files), PUBLISHED)
    return BoxedSet("voc", folder, files, origin, [r[0] for r in read], annotations, [r[1] for r in read])


def _labels_of(annotations: Path, image: Path) -> tuple[Boxes | Exception, Size | None]:
    try:
        return read_voc(same_name(annotations / f"{image.stem}.xml"), image)
    except (OSError, ValueError) as error:
        return error, None


def read_voc(path: Path, image: Path) -> tuple[Boxes, Size | None]:
    """Objects of an annotation file, all of class -1, and the (H, W) it states for its image.

    VOC counts pixels from 1 and includes the last one: xmin 1, xmax 32 is 0 to 32 here. Objects marked difficult are
    no targets, see `datamodules.imagesets.boxes.Regions`.

    Raises:
        FileNotFoundError: no such file. ValueError: not whole, with a DTD or entities, or an object without name
            or box; see `datamodules.imagesets.boxes.boxes_of` too.
    """
    if not path.is_file():
        raise FileNotFoundError(f"image {image} has no annotations: {path} does not exist")
    root = read_xml(path)
    objects, difficult = [], []
    for found in root.iter("object"):
        name = (found.findtext("name") or "").strip()
        if not name:
            raise ValueError(f"{path} has an object without a name")
        x1, y1, x2, y2 = (_number(found.findtext(f"bndbox/{side}"), path, name) for side in SIDES)
        if (found.findtext("difficult") or "").strip() == "1":
            difficult.append((name, (x1 - 1, y1 - 1, x2, y2), False))
        else:
            objects.append((name, (x1 - 1, y1 - 1, x2, y2)))
    height, width = (root.findtext(f"size/{side}") or "" for side in ("height", "width"))
    known = all(re.fullmatch(r"\s*[0-9]{1,9}\s*", side) for side in (height, width))
    size = (int(height), int(width)) if known else None
    return boxes_of(objects, str(path), left_out=difficult), size if size and min(size) > 0 else None


def _number(text: str | None, path: Path, name: str) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise ValueError(f"{path}: the box of {name!r} has a side that is no number: {text!r}") from None


def read_xml(path: Path) -> Element:
    """The root of an XML file. A document type declaration is refused before anything of it is expanded: entities
    can blow up memory or read other files.

    Raises:
        ValueError: damaged, cut off, or with a DTD.
    """

    def refuse(*declaration: Any) -> NoReturn:
        raise ValueError(f"{path} declares a document type (DTD) or entities; annotations need none: refused")

    parser, builder = expat.ParserCreate(), TreeBuilder()
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(path.read_bytes(), True)
    except (expat.ExpatError, LookupError) as error:
        raise ValueError(f"{path} is no whole XML file: {error}; copy or download it again") from None
    return builder.close()
