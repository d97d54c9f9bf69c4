"""Boxes of Scalabel JSON, VOC XML and COCO JSON: what they mean, and files that are not what they should be."""

import json
import logging

import cv2
import numpy as np
import pytest

from datamodules.formats.coco import coco_boxed
from datamodules.formats.coco_json import read_coco
from datamodules.formats.voc import read_voc, voc_boxed
from datamodules.imagesets.boxes import UNKNOWN, boxes_of, inside
from datamodules.ind.bdd100k import BDD100kDataModule, read_boxes
from datamodules.miniature.files import save_image
from lsood.images.reading import image_shape, read_image

LABEL = {"category": "car", "box2d": {"x1": 1, "y1": 2, "x2": 5, "y2": 6}}


def image(path, height=20, width=30):
    save_image(path, np.full((height, width, 3), 90, np.uint8))
    return path


def bdd(folder, frames, images=("a.jpg", "b.jpg")):
    """An official layout with these frames as train and val."""
    for part in ("train", "val"):
        for name in images:
            image(folder / "images" / "100k" / part / name)
        path = folder / "labels" / "det_20" / f"det_{part}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(frames if isinstance(frames, str) else json.dumps(frames))
    return folder


def box(*sides):
    return LABEL | {"box2d": dict(zip(("x1", "y1", "x2", "y2"), sides, strict=True))}


# what a box is


def test_boxes_end_at_the_edges_of_their_image():
    found = boxes_of([("car", (-5, 2, 40, 8)), ("bus", (31, 0, 35, 9)), ("car", (3, 4, 3, 9))], "x", ["car"])
    assert found.classes.tolist() == [0, UNKNOWN, 0]
    kept = inside(found, 20, 30)
    assert kept.boxes.tolist() == [[0, 2, 30, 8]] and kept.names == ("car",) and kept.classes.tolist() == [0]
    assert inside(boxes_of([], "x"), 20, 30).boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((1, 2, float("nan"), 4), "must be four finite numbers"),
        ((1, 2, "3", 4), "must be four finite numbers"),
        ((1, 2, None, 4), "must be four finite numbers"),
        ((5, 2, 4, 4), "negative width or height"),
    ],
)
def test_a_box_that_is_none_names_file_and_frame(values, message):
    with pytest.raises(ValueError, match=f"det.json: frame a: the box of 'car' .*{message}"):
        boxes_of([("car", values)], "det.json: frame a")


# BDD100K


def test_the_names_of_2018_are_mapped_and_labels_without_boxes_skipped(tmp_path):
    path = tmp_path / "det.json"
    lane = {"category": "lane", "poly2d": [[0, 0]]}
    path.write_text(json.dumps([
        {"name": "a.jpg", "labels": [LABEL | {"category": "motor"}, LABEL | {"category": "person"}, lane,
                                     LABEL | {"category": "other person"}]},
        {"name": "b.jpg", "labels": None}, {"name": "c.jpg"},
    ]))  # fmt: skip
    found = read_boxes(path)
    assert found["a.jpg"].classes.tolist() == [6, 0] and found["a.jpg"].boxes[0].tolist() == [1, 2, 5, 6]
    assert found["b.jpg"].boxes.shape == found["c.jpg"].boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"name": "a.jpg", "labels": [{"cat', "no whole JSON file: .*; copy or download it again"),
        ('{"name": "a.jpg"}', "must hold a list of frames"),
        ('[{"labels": []}]', "frame without a name"),
        ([{"name": "a.jpg", "labels": [LABEL | {"category": "cow"}]}], "a.jpg has the unknown category 'cow'; categ"),
        ([{"name": "a.jpg", "labels": ["car"]}], "frame a.jpg has a label that is no object"),
        ([{"name": "a.jpg", "labels": [LABEL | {"box2d": 3}]}], "frame a.jpg: the box of 'car' must be four"),
        ([{"name": "a.jpg", "labels": [box(5, 2, 1, 6)]}], "frame a.jpg: the box of 'car' has a negative width"),
        ('[{"name": "a.jpg", "labels": [{"category": "car", "box2d": {"x1": NaN, "y1": 1, "x2": 2, "y2": 3}}]}]',
         "frame a.jpg: the box of 'car' must be four finite numbers"),
        ([{"name": "z.jpg", "labels": []}], "none of the 1 frames that .*det_val.json lists is in"),
    ],
)  # fmt: skip
def test_damaged_detection_labels(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        BDD100kDataModule.part(bdd(tmp_path, content), "val")


def test_frames_without_objects_boxes_without_area_and_frames_without_image(tmp_path, caplog):
    frames = [{"name": "a.jpg", "labels": [box(-3, 0, 9, 9), box(2, 2, 2, 9), box(40, 2, 50, 9)]},
              {"name": "b.jpg", "labels": []}, {"name": "gone.jpg", "labels": [LABEL]}]  # fmt: skip
    folder = bdd(tmp_path, frames, ("a.jpg", "b.jpg", "unlisted.jpg"))
    with caplog.at_level(logging.WARNING, logger="lsood-bench"):
        images = BDD100kDataModule.part(folder, "val")
    assert images.keys == ["images/100k/val/a.jpg", "images/100k/val/b.jpg"] and images.boxed
    assert images.read(0).target.boxes.tolist() == [[0, 0, 9, 9]]
    assert images.read(1).target.boxes.shape == (0, 4)
    assert "det_val.json: 2 boxes have no area or lie outside their image; they are left out" in caplog.text
    assert "det_val.json lists 1 frames that are not in" in caplog.text and "e.g. gone.jpg" in caplog.text
    assert "1 images are not listed" in caplog.text


def test_labels_of_2018_are_found_and_no_labels_say_where_to_get_them(tmp_path):
    folder = bdd(tmp_path, [{"name": "a.jpg", "labels": [LABEL | {"category": "bike"}]}])
    (folder / "labels" / "det_20" / "det_val.json").rename(
        folder / "labels" / "bdd100k_labels_images_val.json"
    )
    assert BDD100kDataModule.part(folder, "val").read(0).target.names == ("bicycle",)
    (folder / "labels" / "bdd100k_labels_images_val.json").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"no detection labels: expected .*det_val\.json .* get them from http"
    ):
        BDD100kDataModule.part(folder, "val")


def test_the_fingerprint_follows_the_boxes(tmp_path):
    frames = [{"name": "a.jpg", "labels": [LABEL]}, {"name": "b.jpg", "labels": []}]
    before = BDD100kDataModule.part(bdd(tmp_path, frames), "val").fingerprint
    assert BDD100kDataModule.part(tmp_path, "val").fingerprint == before
    frames[0]["labels"] = [box(1, 2, 5, 7)]
    assert BDD100kDataModule.part(bdd(tmp_path, frames), "val").fingerprint != before


# Pascal VOC

OBJECT = "<object><name>dog</name><bndbox><xmin>1</xmin><ymin>3</ymin><xmax>30</xmax><ymax>9</ymax></bndbox></object>"
SIZE = "<size><width>30</width><height>20</height><depth>3</depth></size>"
BOMB = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]>'
FILE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>'


def voc(folder, content):
    image(folder / "JPEGImages" / "x.jpg")
    path = folder / "Annotations" / "x.xml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    return folder


def test_voc_counts_from_one(tmp_path):
    images = voc_boxed(voc(tmp_path, f"<annotation>{SIZE}{OBJECT}</annotation>"))
    target = images.read(0).target
    assert (
        target.boxes.tolist() == [[0, 2, 30, 9]]
        and target.names == ("dog",)
        and target.classes.tolist() == [-1]
    )
    assert voc_boxed(voc(tmp_path, "<annotation></annotation>")).read(0).target.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            f"{BOMB}<annotation><object><name>&y;</name></object></annotation>",
            "declares a document type .*: refused",
        ),
        (f"{FILE}<annotation>&x;</annotation>", "declares a document type .*: refused"),
        (f"<annotation>{SIZE}{OBJECT}"[:-30], "x.xml is no whole XML file: .*; copy or download it again"),
        ("", "x.xml is no whole XML file"),
        (
            f"<annotation>{OBJECT.replace('>30<', '>wide<')}</annotation>",
            "x.xml: the box of 'dog' has a side .*'wide'",
        ),
        (
            f"<annotation>{OBJECT.replace('>30<', '>nan<')}</annotation>",
            "x.xml: the box of 'dog' must be four finite",
        ),
        (
            f"<annotation>{OBJECT.replace('>30<', '>-9<')}</annotation>",
            "x.xml: the box of 'dog' has a negative width",
        ),
        ("<annotation><object><name> </name></object></annotation>", "x.xml has an object without a name"),
        (
            f"<annotation>{SIZE.replace('30', '60')}</annotation>",
            "x.jpg is 30x20, its labels in .* are for 60x20",
        ),
    ],
)
def test_damaged_annotations(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        voc_boxed(voc(tmp_path, content)).read(0)


def test_an_image_without_annotations_and_no_annotations_at_all(tmp_path):
    folder = voc(tmp_path, "<annotation/>")
    (folder / "Annotations" / "x.xml").unlink()
    with pytest.raises(FileNotFoundError, match=r"x\.jpg has no annotations: .*x\.xml does not exist"):
        voc_boxed(folder).read(0)
    (folder / "Annotations").rmdir()
    assert not voc_boxed(folder).boxed


def test_no_entity_is_expanded(tmp_path):
    """A billion laughs would take gigabytes; refused at its first line, it takes nothing."""
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    text = f'<!DOCTYPE a [<!ENTITY e0 "ha">{entities}]><annotation><object><name>&e11;</name></object></annotation>'
    path = tmp_path / "x.xml"
    path.write_text(text)
    with pytest.raises(ValueError, match="refused"):
        read_voc(path, path)


# COCO


def coco(folder, **changes):
    image(folder / "images" / "x.jpg")
    content = {"images": [{"id": 7, "file_name": "x.jpg", "width": 30, "height": 20}],
               "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [4, 5, 10, 6]}],
               "categories": [{"id": 3, "name": "zebra"}]}  # fmt: skip
    path = folder / "COCO-Format" / "val_coco_format.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content | changes))
    return folder


def test_coco_style_folders(tmp_path, caplog):
    image(coco(tmp_path) / "images" / "unlisted.jpg")
    images = coco_boxed("coco")(tmp_path)
    target = images.read(0).target
    assert (
        images.keys == ["images/x.jpg"]
        and target.boxes.tolist() == [[4, 5, 14, 11]]
        and target.names == ("zebra",)
    )
    listed = [{"id": 7, "file_name": "x.jpg"}, {"id": 8, "file_name": "gone.jpg"}]
    with caplog.at_level(logging.WARNING, logger="lsood-bench"):
        assert len(coco_boxed("coco")(coco(tmp_path, images=listed))) == 1
    assert "lists 1 images that are not below" in caplog.text and "e.g. gone.jpg" in caplog.text
    (tmp_path / "COCO-Format" / "val_coco_format.json").unlink()
    assert not coco_boxed("coco")(tmp_path).boxed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, "it needs the lists images, annotations and categories"),
        ({"categories": []}, "image x.jpg has the unknown category 3"),
        ({"images": []}, "an object refers to image 7, which it does not list"),
        ({"images": [{"id": 7, "file_name": "gone.jpg"}]}, "none of the 1 images that .* lists is below"),
        (
            {"images": [{"id": 7, "file_name": "x.jpg", "width": 60, "height": 20}]},
            "x.jpg is 30x20, its labels .* 60x20",
        ),
        (
            {"images": [{"id": 7, "file_name": "x.jpg"}, {"id": 8, "file_name": "x.jpg"}]},
            "an image more than once",
        ),
        (
            {"annotations": [{"image_id": 7, "category_id": 3}]},
            "an image, category or object is incomplete: 'bbox'",
        ),
        (
            {"annotations": [{"image_id": 7, "category_id": 3, "bbox": [1, 2, -3, 4]}]},
            "image x.jpg: .* negative width",
        ),
        ({"annotations": [{"image_id": 7, "category_id": 3, "bbox": [1, 2, 3]}]}, "is incomplete"),
        (
            {"annotations": [{"image_id": 7, "category_id": 3, "bbox": [1, 2, float("nan"), 4]}]},
            "four finite numbers",
        ),
    ],
)
def test_damaged_coco_files(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        coco_boxed("coco")(coco(tmp_path, **changes)).read(0)


def test_a_coco_file_cut_in_half(tmp_path):
    path = coco(tmp_path) / "COCO-Format" / "val_coco_format.json"
    path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(ValueError, match="no whole JSON file"):
        read_coco(path)


# headers


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_header_tells_the_shape_that_is_read(tmp_path, suffix, orientation):
    from PIL import Image

    path, exif = tmp_path / f"x{suffix}", Image.Exif()
    exif[274] = orientation
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(
        path, **({} if suffix == ".bmp" else {"exif": exif})
    )
    assert image_shape(path) == read_image(path).shape[:2]


def test_a_file_that_is_no_image(tmp_path):
    path = tmp_path / "x.jpg"
    with pytest.raises(FileNotFoundError, match=r"x\.jpg does not exist"):
        image_shape(path)
    path.write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"x\.jpg cannot be read as an image"):
        image_shape(path)
    cv2.imwrite(str(path), np.zeros((20, 30), np.uint8))
    assert image_shape(path) == (20, 30)
