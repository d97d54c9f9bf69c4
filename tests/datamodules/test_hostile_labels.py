"""Label files made to crash a reader or to fill its memory: one line that names the file, whatever they hold."""

import json

import cv2
import numpy as np
import pytest
from scipy import io

from datamodules.formats.coco import coco_boxed
from datamodules.formats.coco_json import read_coco
from datamodules.formats.scalabel import read_scalabel
from datamodules.formats.voc import read_voc, voc_files
from datamodules.imagesets.boxes import FARTHEST
from datamodules.ind.gtsrb import GTSRBDataModule, read_classes
from datamodules.ood.outliers.sets import RANDOM_IMAGES, _random_images
from datamodules.ood.svhn import FILE, SVHN

HUGE = 10**400
COCO = {
    "images": [{"id": 1, "file_name": "a.png"}],
    "categories": [{"id": 1, "name": "x"}],
    "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}],
}


def coco_box(box):
    return COCO | {"annotations": [{"image_id": 1, "category_id": 1, "bbox": box}]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (coco_box([0, 0, HUGE, 1]), r"image a\.png: the box of 'x' must be four finite numbers"),
        (coco_box([0, 0, 1e300, 1]), r"image a\.png: the box of 'x' must be four finite numbers"),
        (coco_box([0, 0, FARTHEST, 1]), "must be four finite numbers below"),
        (coco_box([[], [], [], []]), "must be four finite numbers"),
        (coco_box("abcd"), "must be four finite numbers"),
        (
            COCO | {"annotations": [{"image_id": [1], "category_id": 1, "bbox": [0, 0, 1, 1]}]},
            "is incomplete",
        ),
        (COCO | {"categories": [{"id": {}, "name": "x"}]}, "is incomplete"),
        (COCO | {"annotations": ["a"]}, "is incomplete"),
    ],
)
def test_coco(tmp_path, content, message):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"c\.json.*{message}") as caught:
        read_coco(path)
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 5000, '{"images": NaN}', "", "\0", '{"a": 1'])
def test_json_that_is_none(tmp_path, text):
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"c\.json is no "):
        read_coco(path)
    with pytest.raises(ValueError, match=r"c\.json (is no|must hold)"):
        read_scalabel(path, ("car",))


def test_paths_in_labels_stay_inside(tmp_path):
    """They choose among the images below the folder; no other file is opened."""
    inside = tmp_path / "set" / "secret.png"
    inside.parent.mkdir()
    for path in (inside, tmp_path / "secret.png"):
        cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))

    def load(name):
        content = COCO | {"images": [{"id": 1, "file_name": name, "width": 8, "height": 8}]}
        (tmp_path / "set" / "c.json").write_text(json.dumps(content))
        return coco_boxed("x")(tmp_path / "set").files

    assert load(str(tmp_path / "secret.png")) == [inside]
    for name in ("../secret.png", "../other/secret.png", "/etc/passwd"):
        with pytest.raises(ValueError, match="none of the 1 images"):
            load(name)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"labels": 5}, "frame a has labels that are no list"),
        ({"labels": [{"category": [1], "box2d": {}}]}, r"frame a has a category that is no text: \[1\]"),
        (
            {"labels": [{"category": "car", "box2d": {"x1": 0, "y1": 0, "x2": HUGE, "y2": 1}}]},
            "four finite numbers",
        ),
    ],
)
def test_scalabel(tmp_path, frame, message):
    (tmp_path / "s.json").write_text(json.dumps([{"name": "a", **frame}]))
    with pytest.raises(ValueError, match=message):
        read_scalabel(tmp_path / "s.json", ("car",))


@pytest.mark.parametrize("size", ["²", "9" * 5000, "-1", "", "8.0"])
def test_a_size_in_xml_that_is_none_is_not_known(tmp_path, size):
    path = tmp_path / "v.xml"
    path.write_text(f"<annotation><size><width>{size}</width><height>8</height></size></annotation>")
    assert read_voc(path, tmp_path / "v.png")[1] is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '<?xml version="1.0" encoding="foo"?><annotation/>',
            r"v\.xml is no whole XML file: unknown encoding",
        ),
        ("<a>" * 1000, r"v\.xml is no whole XML file"),
        (
            "<a><object><name>x</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>1e300</xmax><ymax>3</ymax></bndbox>"
            "</object></a>",
            "four finite numbers",
        ),
    ],
)
def test_xml(tmp_path, content, message):
    (tmp_path / "v.xml").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_voc(tmp_path / "v.xml", tmp_path / "v.png")


def test_deep_xml_is_read(tmp_path):
    (tmp_path / "v.xml").write_text("<a>" * 100_000 + "</a>" * 100_000)
    assert len(read_voc(tmp_path / "v.xml", tmp_path / "v.png")[0].classes) == 0


def test_a_list_of_images_that_is_no_text(tmp_path):
    (tmp_path / "JPEGImages").mkdir()
    (tmp_path / "JPEGImages" / "a.jpg").write_bytes(b"")
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"val\.txt is no text file"):
        voc_files(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe", "is no CSV file"),
        (b"Filename;ClassId\n" + b"a" * 200_000 + b";1\n", "is no CSV file: field larger"),
        (b"Filename;ClassId\na;" + b"9" * 5000, "has no columns Filename and ClassId"),
        (b"Filename;ClassId\na;x\n", "has no columns Filename and ClassId"),
        (b"", None),
    ],
)
def test_csv(tmp_path, content, message):
    path = tmp_path / "g.csv"
    path.write_bytes(content)
    if message is None:
        assert read_classes(path) == {}
        return
    with pytest.raises(ValueError, match=rf"g\.csv {message}"):
        read_classes(path)


def test_folders_that_are_no_class(tmp_path):
    for name in ("²", "abc", "9" * 20):
        folder = tmp_path / name / "Final_Training" / "Images" / name
        folder.mkdir(parents=True)
        (folder / "a.ppm").write_bytes(b"")
        with pytest.raises(ValueError, match="its name is no number of a class such as 00007"):
            GTSRBDataModule.part(tmp_path / name, "train")


def header(shape):
    content = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content + bytes(100)


@pytest.mark.parametrize(
    "content",
    [
        header((10**9, 32, 32, 3)),
        header((2**62, 32, 32, 3)),
        header((-1, 32, 32, 3)),
        b"\x93NUMPY\x01\x00" + (60_000).to_bytes(2, "little") + b"(" * 60_000,
        b"\x80\x04N.",
        b"",
        "objects",
        "archive",
    ],
)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_arrays_of_outliers(tmp_path, content):
    """Nothing is unpickled, and no memory is taken for a shape that the file does not hold."""
    path = tmp_path / RANDOM_IMAGES
    if content == "objects":
        np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    elif content == "archive":
        with path.open("wb") as file:
            np.savez_compressed(file, a=np.zeros((2, 32, 32, 3), np.uint8))
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{RANDOM_IMAGES} is no array of images"):
        _random_images(None, tmp_path, ())
    np.save(path, np.full((3, 32, 32, 3), 7, np.uint8))
    images = _random_images(None, tmp_path, ()).images
    assert images.shape == (3, 32, 32, 3) and type(images) is np.ndarray and (images == 7).all()


@pytest.mark.parametrize(
    "content", [b"", b"x" * 300, b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM\x89HDF", None]
)
def test_mat_files(tmp_path, content):
    path = tmp_path / FILE
    if content is None:
        io.savemat(path, {"X": np.zeros((32, 32, 3, 5), np.uint8)})
        path.write_bytes(path.read_bytes()[:-999])
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{FILE} is no SVHN file"):
        SVHN.load(tmp_path)
