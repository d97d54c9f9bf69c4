"""Box labels as people have them: frames listed twice, crowds and difficult objects, COCO folders of two years."""

import json
import logging

import numpy as np
import pytest

from datamodules.formats.coco import coco_boxed
from datamodules.formats.coco_json import read_coco
from datamodules.formats.voc import read_voc, voc_boxed
from datamodules.imagesets.boxed import BoxedSet
from datamodules.imagesets.boxes import NO_BOXES, boxes_of
from datamodules.ind.bdd100k import read_boxes
from datamodules.ind.gtsrb import read_classes
from datamodules.loading.preprocess import Preprocess
from datamodules.miniature.files import save_image
from datamodules.tasks.detection import Detection

BOX = {"x1": 1, "y1": 2, "x2": 30, "y2": 40}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def image(path):
    save_image(path, np.zeros((48, 64, 3), np.uint8))
    return path


def coco(name, **more):
    found = {"image_id": 7, "category_id": 90, "bbox": [1, 2, 9, 9]}
    return {
        "images": [{"id": 7, "file_name": name, "height": 48, "width": 64} | more],
        "categories": [{"id": 90, "name": "dog"}],
        "annotations": [found],
    }


# listed twice


def test_a_frame_listed_twice_is_refused(tmp_path):
    frames = [
        {"name": "a.jpg", "labels": [{"category": "car", "box2d": BOX}]},
        {"name": "a.jpg", "labels": []},
    ]
    with pytest.raises(
        ValueError, match=r"det\.json: frame a\.jpg is listed more than once; join its entries"
    ):
        read_boxes(write(tmp_path / "det.json", frames))


def test_coco_ids_and_files_listed_twice_are_refused(tmp_path):
    twice = coco("1.png")
    twice["images"] *= 2
    with pytest.raises(ValueError, match="lists an image more than once"):
        read_coco(write(tmp_path / "a.json", twice))
    twice = coco("1.png")
    twice["categories"] = [{"id": 90, "name": "dog"}, {"id": 90, "name": "cat"}]
    with pytest.raises(ValueError, match="gives two categories the same id"):
        read_coco(write(tmp_path / "a.json", twice))
    twice = coco("1.png")
    twice["images"].append({"id": 8, "file_name": "val/1.png"})
    image(tmp_path / "val" / "1.png")
    write(tmp_path / "a.json", twice)
    with pytest.raises(ValueError, match=r"lists .*val/1\.png more than once, e\.g\. as val/1\.png"):
        coco_boxed("coco")(tmp_path)


def test_a_sign_named_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match="names an image more than once"):
        read_classes(write(tmp_path / "x.csv", "Filename;ClassId\na.ppm;1\na.ppm;2\n"))


# crowds, difficult objects


def test_crowds_and_difficult_objects_are_no_targets(tmp_path):
    content = coco("a.jpg")
    content["annotations"].append(content["annotations"][0] | {"iscrowd": 1})
    content["annotations"][0]["iscrowd"] = 0
    found = read_coco(write(tmp_path / "c.json", content))["a.jpg"][0]
    assert found.names == found.left_out.names == ("dog",) and found.boxes.tolist() == [[1, 2, 10, 11]]
    assert found.left_out.boxes.tolist() == [[1, 2, 10, 11]] and found.left_out.crowd.tolist() == [True]
    assert found.left_out.classes.tolist() == [-1]
    labels = [{"category": "car", "attributes": {"crowd": crowd}, "box2d": BOX} for crowd in (True, False)]
    frames = read_boxes(write(tmp_path / "b.json", [{"name": "a.jpg", "labels": labels}]))
    left_out = frames["a.jpg"].left_out
    assert frames["a.jpg"].names == left_out.names == ("car",) and left_out.crowd.tolist() == [True]
    assert frames["a.jpg"].boxes.shape == (1, 4) and left_out.classes.tolist() == [2]
    one = "<object><name>{}</name><difficult>{}</difficult><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"  # fmt: skip # noqa: E501
    text = "<annotation>" + one.format("dog", 1) + one.format("cow", 0) + "</annotation>"
    found = read_voc(write(tmp_path / "v.xml", text), tmp_path / "v.jpg")[0]
    assert found.names == ("cow",) and found.left_out.names == ("dog",)
    assert found.left_out.boxes.tolist() == [[0, 0, 9, 9]] and found.left_out.crowd.tolist() == [False]
    wrong = one.format("dog", 1).replace("<ymax>9", "<ymax>-4")
    with pytest.raises(ValueError, match="the box of 'dog' has a negative width or height"):
        read_voc(write(tmp_path / "v.xml", f"<annotation>{wrong}</annotation>"), tmp_path / "v.jpg")


def test_an_object_left_out_still_makes_its_image_known(tmp_path):
    files = [image(tmp_path / f"{i}.png") for i in range(2)]
    person = ("Person", (0, 0, 99, 2), True)
    objects = [boxes_of([], "x", left_out=[person]), NO_BOXES]
    images = BoxedSet("x", tmp_path, files, "official", objects, tmp_path)
    assert Detection.without_known(images, "bdd100k", ["person"]).keys == ["1.png"]
    plain = BoxedSet("x", tmp_path, files, "official", [NO_BOXES] * 2, tmp_path)
    assert plain.fingerprint != images.fingerprint
    moved = [boxes_of([], "x", left_out=[("Person", (0, 0, 2, 2), True)]), NO_BOXES]
    assert BoxedSet("x", tmp_path, files, "official", moved, tmp_path).fingerprint != images.fingerprint
    kept = objects[0].with_unknown([[0, 0, 4, 4]], ["cone"])
    assert kept.left_out.names == ("Person",) and kept.where(np.array([False])).left_out.names == ("Person",)
    height, width = images.shape(0)
    target = Detection.target_of(
        images.read(0), Preprocess((2 * height, 2 * width), (0,) * 3, (1,) * 3, 3, True)
    )
    assert target["regions"]["boxes"].tolist() == [[0, 0, 2 * width, 4]] and not len(target["boxes"])
    assert target["regions"]["crowd"].tolist() == [True]


# COCO folders


@pytest.mark.parametrize(
    "files",
    [
        {"annotations/instances_val2014.json": coco("COCO_val2014_42.jpg"),
         "annotations/instances_val2017.json": coco("1.png")},
        {"annotations/instances_val2017.json": coco("other.png"), "x.json": coco("val2017/1.png")},
        {"x.json": coco("val2017\\1.png")},
        {"x.json": coco("./val2017/1.png")},
        {"x.json": coco("1.png", width=-1, height=-1)},
        {"x.json": coco("1.png", width=0, height=0)},
        {"x.json": coco("/home/u/coco/val2017/1.png")},
        {"x.json": coco("C:\\data\\val2017\\1.png")},
        {"x.json": coco("1.png"), "._x.json": "\0\5\x16\7"},
    ],
)  # fmt: skip
def test_the_labels_whose_images_are_there_are_read(tmp_path, files):
    image(tmp_path / "val2017" / "1.png")
    image(tmp_path / "train2017" / "1.png" if "/" in str(files) and "x.json" in files and "val2017" in str(files)
          else tmp_path / "val2017" / "2.png")  # fmt: skip
    for name, content in files.items():
        write(tmp_path / name, content)
    images = coco_boxed("coco")(tmp_path)
    assert images.keys == ["val2017/1.png"] and images.read(0).target.names == ("dog",)


def test_a_relative_path_is_taken_as_a_whole(tmp_path):
    image(tmp_path / "train" / "1.png")
    write(tmp_path / "x.json", coco("val/1.png"))
    with pytest.raises(ValueError, match=r"none of the 1 images that .*x\.json lists is below"):
        coco_boxed("coco")(tmp_path)
    image(tmp_path / "other" / "1.png")
    write(tmp_path / "x.json", coco("/far/1.png"))
    with pytest.raises(ValueError, match=r"image /far/1\.png could be .*other/1\.png or .*train/1\.png"):
        coco_boxed("coco")(tmp_path)


def test_a_damaged_label_file_beside_the_one_that_is_read_is_said(tmp_path, caplog):
    image(tmp_path / "1.png")
    write(tmp_path / "a.json", '{"images"')
    write(tmp_path / "b.json", coco("1.png"))
    with caplog.at_level(logging.WARNING, logger="lsood-bench"):
        assert coco_boxed("coco")(tmp_path).keys == ["1.png"]
    assert "b.json; left out:" in caplog.text and "a.json is no whole JSON file" in caplog.text


# accents


def test_annotations_are_found_whichever_way_accents_are_stored(tmp_path):
    image(tmp_path / "JPEGImages" / "cafe\u0301.jpg")
    write(tmp_path / "Annotations" / "caf\u00e9.xml", "<annotation></annotation>")
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("caf\u00e9\n", encoding="utf-8")
    assert len(voc_boxed(tmp_path)) == 1
    write(tmp_path / "x.json", coco("caf\u00e9.jpg"))
    assert len(coco_boxed("coco")(tmp_path)) == 1
