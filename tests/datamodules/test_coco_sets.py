"""``coco:DIR`` and ``coco-masks:DIR``: layouts, parts, classes, masks, OoD sets and bad input."""

import json
import logging
from pathlib import Path

import coco_data
import numpy as np
import pytest
import torch
from pycocotools import mask as rle

from datamodules import module_of
from datamodules.imagesets.boxed import BoxedSet
from datamodules.imagesets.subset import Subset


def opened(spec, ood=(), **options):
    data = module_of(spec)(None, ood, **options)
    data.prepare_data()
    data.setup()
    return data


def keys(data):
    return {part: list(images.keys) for part, images in data.sets.items()}


def changed(path: Path, **changes):
    """Change parts of a label file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def only(folder):
    return folder / "labels.json"


# layouts and parts


def test_train_and_val_of_coco(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        data = opened(f"coco:{coco_data.coco(tmp_path / 'set')}")
    assert (data.name, data.task, data.class_names, data.category_ids) == (
        "coco:set", "detection", ("red", "green"), (3, 7)
    )  # fmt: skip
    parts = keys(data)
    assert parts["train"] == [f"train2017/{i:04}.png" for i in range(12)]
    assert sorted(parts["val"] + parts["test"]) == [f"val2017/{i:04}.png" for i in range(1000, 1012)]
    assert len(parts["val"]) == len(parts["test"]) == 6
    assert (
        "fit / validation / test: 12 / 6 / 6 images; val and test are halves of val by seed 0" in caplog.text
    )
    assert data.origin == "own"
    assert keys(opened(f"coco:{tmp_path / 'set'}", seed=1)) != parts


def test_three_parts_of_roboflow_without_the_category_above(tmp_path):
    data = opened(f"coco:{coco_data.roboflow(tmp_path / 'set')}")
    assert data.class_names == ("red", "green")
    assert {part: len(found) for part, found in keys(data).items()} == {"train": 6, "val": 6, "test": 6}
    assert keys(data)["val"][0] == "valid/0000.png"


def test_one_label_file_is_divided_by_seed(tmp_path):
    data = opened(f"coco:{coco_data.single(tmp_path / 'set')}")
    assert {part: len(found) for part, found in keys(data).items()} == {"train": 9, "val": 3, "test": 3}
    assert len({key for found in keys(data).values() for key in found}) == 15


def test_boxes_and_classes_are_those_of_the_file(tmp_path):
    data = opened(f"coco:{coco_data.coco(tmp_path / 'set')}")
    labels = json.loads((tmp_path / "set/annotations/instances_train2017.json").read_text())
    batch = next(iter(data.fit_dataloader()))
    for key, target in zip(batch["key"], batch["target"], strict=True):
        number = next(one["id"] for one in labels["images"] if one["file_name"] == Path(key).name)
        own = [one for one in labels["annotations"] if one["image_id"] == number]
        expected = [[x, y, x + w, y + h] for x, y, w, h in (one["bbox"] for one in own)]
        assert target["boxes"].tolist() == expected
        assert target["labels"].tolist() == [{3: 0, 7: 1}[one["category_id"]] for one in own]


def test_images_keep_their_size_where_all_are_small(tmp_path):
    data = opened(f"coco:{coco_data.single(tmp_path / 'set')}")
    assert tuple(data.image_size) == (64, 96) and data.default_network == "faster-rcnn-small"
    assert next(iter(data.fit_dataloader()))["image"].shape[1:] == (3, 64, 96)
    from datamodules.miniature.files import save_image

    save_image(tmp_path / "set/5000.png", np.zeros((1600, 1000, 3), np.uint8))
    changed(only(tmp_path / "set"), images=[
        one | ({"height": 1600, "width": 1000} if one["file_name"] == "5000.png" else {})
        for one in json.loads(only(tmp_path / "set").read_text())["images"]
    ])  # fmt: skip
    data = opened(f"coco:{tmp_path / 'set'}")
    there = any("5000" in key for key in data.sets["train"].keys)
    assert (tuple(data.image_size) == (800, 1333)) == there


def test_of_two_years_the_fitting_labels_are_read(tmp_path):
    folder = coco_data.coco(tmp_path / "set")
    for part in ("train", "val"):
        content = json.loads((folder / f"annotations/instances_{part}2017.json").read_text())
        content["images"] = [one | {"file_name": f"old_{one['file_name']}"} for one in content["images"]]
        coco_data.write(folder / f"annotations/instances_{part}2014.json", content)
    coco_data.write(folder / "annotations/captions_train2017.json", {"images": []})
    assert {part: len(found) for part, found in keys(opened(f"coco:{folder}")).items()} == {
        "train": 12, "val": 6, "test": 6
    }  # fmt: skip


def test_the_fingerprint_follows_boxes_not_the_place(tmp_path):
    first = opened(f"coco:{coco_data.single(tmp_path / 'a')}").fingerprint
    assert opened(f"coco:{coco_data.single(tmp_path / 'b')}").fingerprint == first
    content = json.loads(only(tmp_path / "b").read_text())
    content["annotations"][0]["bbox"][2] -= 1
    coco_data.write(only(tmp_path / "b"), content)
    assert opened(f"coco:{tmp_path / 'b'}").fingerprint != first


# OoD sets


def test_images_with_known_objects_are_left_out_and_boxes_are_read(tmp_path):
    ind = coco_data.coco(tmp_path / "ind")
    other = coco_data.single(tmp_path / "other", categories={2: "blue", 9: "green"})
    labels = json.loads(only(other).read_text())
    known = {one["image_id"] for one in labels["annotations"] if one["category_id"] == 9}
    data = opened(f"coco:{ind}", [f"coco:{other}"])
    (images,) = data.ood_sets.values()
    assert list(data.ood_sets) == ["coco:other"] and images.boxed
    assert len(images) == 15 - len(known) > 0
    batch = next(iter(data.loader(images)))
    assert all((target["labels"] == -1).all() and len(target["boxes"]) for target in batch["target"])


def test_an_ood_set_with_parts_gives_its_test_part(tmp_path):
    other = coco_data.roboflow(tmp_path / "other")
    classes = {"images": [], "categories": [{"id": 1, "name": "blue"}], "annotations": []}
    for path in other.glob("*/*.json"):
        content = json.loads(path.read_text())
        for one in content["annotations"]:
            one["category_id"] = 1
        changed(path, categories=classes["categories"], annotations=content["annotations"])
    data = opened(f"coco:{coco_data.coco(tmp_path / 'ind')}", [f"coco:{other}"])
    assert data.ood_sets["coco:other"].keys == [f"test/{i:04}.png" for i in range(6)]


def test_the_set_itself_is_no_ood_set(tmp_path):
    folder = coco_data.coco(tmp_path / "set")
    with pytest.raises(ValueError, match=r"coco:.*set is the in-distribution set; name another OoD set"):
        opened(f"coco:{folder}", [f"coco:{folder}"])


def test_anomalies_are_drawn_on_the_test_images(tmp_path):
    folder = coco_data.coco(tmp_path / "set")
    data = opened(f"coco:{folder}", ["anomalies"])
    assert list(data.ood_sets) == ["coco:set-anomalies"]
    assert data.ood_sets["coco:set-anomalies"].sources == data.sets["test"].keys


def test_a_classifier_takes_the_images(tmp_path):
    other = coco_data.single(tmp_path / "other")
    data = module_of("cifar10")(None, [f"coco:{other}"])
    data.prepare_data()
    data.setup()
    assert len(data.ood_sets["coco:other"]) == 15
    assert next(iter(data.loader(data.ood_sets["coco:other"])))["target"].tolist() == [-1] * 15


# masks


def masks(folder, **changes):
    found = json.loads(only(folder).read_text())
    for number, change in changes.items():
        found["annotations"][int(number.removeprefix("a"))] |= change
    coco_data.write(only(folder), found)
    return found


def test_masks_are_classes_of_pixels(tmp_path):
    folder = coco_data.single(tmp_path / "set")
    found = json.loads(only(folder).read_text())
    data = opened(f"coco-masks:{folder}", image_size=(64, 96))
    assert (data.task, data.class_names) == ("segmentation", ("background", "red", "green"))
    for images in data.sets.values():
        for i, key in enumerate(images.keys):
            number = next(one["id"] for one in found["images"] if one["file_name"] == key)
            expected = np.zeros((64, 96), np.uint8)
            own = [one for one in found["annotations"] if one["image_id"] == number]
            for one in sorted(own, key=lambda one: -one["bbox"][2] * one["bbox"][3]):
                x, y, w, h = one["bbox"]
                expected[y : y + h, x : x + w] = {3: 1, 7: 2}[one["category_id"]]
            assert (images.read(i).target == expected).all()
    batch = next(iter(data.fit_dataloader()))
    assert batch["target"].shape[1:] == (64, 96) and set(batch["target"].unique().tolist()) <= {0, 1, 2}


def test_run_lengths_give_the_masks_of_polygons_and_crowds_are_ignored(tmp_path):
    folder = coco_data.single(tmp_path / "set", n=5)
    data = opened(f"coco-masks:{folder}")
    before = {
        key: images.read(i).target for images in data.sets.values() for i, key in enumerate(images.keys)
    }
    found = json.loads(only(folder).read_text())
    for n, one in enumerate(found["annotations"]):
        x, y, w, h = one["bbox"]
        mask = np.zeros((64, 96), np.uint8)
        mask[y : y + h, x : x + w] = 1
        if n % 2:
            one["segmentation"] = rle.encode(np.asfortranarray(mask))
            one["segmentation"]["counts"] = one["segmentation"]["counts"].decode()
        else:
            flat = mask.T.ravel()
            edges = np.flatnonzero(np.diff(flat)) + 1
            runs = np.diff([0, *edges, flat.size]).tolist()
            one["segmentation"] = {"size": [64, 96], "counts": runs if not flat[0] else [0, *runs]}
    coco_data.write(only(folder), found)
    data = opened(f"coco-masks:{folder}")
    for images in data.sets.values():
        for i, key in enumerate(images.keys):
            assert (images.read(i).target == before[key]).all()
    first = data.fingerprint
    found["annotations"][0]["iscrowd"] = 1
    coco_data.write(only(folder), found)
    data = opened(f"coco-masks:{folder}")
    assert data.fingerprint != first
    maps = [images.read(i).target for images in data.sets.values() for i in range(len(images))]
    assert sum((one == 255).any() for one in maps) == 1


def test_masks_of_another_set_are_no_targets_where_it_is_ood(tmp_path):
    ind = coco_data.coco(tmp_path / "ind")
    other = coco_data.single(tmp_path / "other", categories={1: "blue"})
    data = opened(f"coco-masks:{ind}", [f"coco:{other}", "anomalies"])
    batch = next(iter(data.loader(data.ood_sets["coco:other"])))
    assert (batch["target"] == 255).all()
    assert list(data.ood_sets) == ["coco:other", "coco-masks:ind-anomalies"]
    assert data.image_size == (64, 96)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (None, "it is missing: coco-masks: needs polygons or run lengths for every object"),
        ([[1, 2, 3, 4]], "a polygon needs at least three points x y"),
        ({"size": [10, 10], "counts": [100]}, r"its size is \[10, 10\], the image's \[64, 96\]"),
        ({"size": [64, 96], "counts": [1, 2]}, "its run lengths do not fill the image"),
    ],
)
def test_outlines_that_are_none_are_refused(tmp_path, shape, message):
    folder = coco_data.single(tmp_path / "set")
    masks(folder, a0={"segmentation": shape})
    data = opened(f"coco-masks:{folder}")
    with pytest.raises(
        ValueError, match=rf"coco-masks:set: image 5000\.png: segmentation of an object: {message}"
    ):
        for images in data.sets.values():
            for i in range(len(images)):
                images.read(i)


# bad input


def test_bad_label_files_are_one_line_each(tmp_path):
    folder = coco_data.single(tmp_path / "set")
    for part in ("images", "categories"):
        before = only(folder).read_text()
        changed(only(folder), **{part: []})
        with pytest.raises(ValueError, match=rf"labels\.json lists no {part}"):
            module_of(f"coco:{folder}")
        only(folder).write_text(before)
    only(folder).write_text("{")
    with pytest.raises(ValueError, match=r"labels\.json is no whole JSON file"):
        module_of(f"coco:{folder}")
    only(folder).unlink()
    with pytest.raises(
        ValueError, match=r"coco:.*set has no label file; expected annotations/instances_train"
    ):
        module_of(f"coco:{folder}")
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        module_of(f"coco:{tmp_path / 'nothing'}")


def test_an_empty_part_is_refused(tmp_path):
    folder = coco_data.coco(tmp_path / "set")
    path = folder / "annotations/instances_val2017.json"
    changed(path, images=[], annotations=[])
    with pytest.raises(ValueError, match=r"instances_val2017\.json lists no images"):
        opened(f"coco:{folder}")


def test_images_that_are_not_there_are_refused(tmp_path):
    folder = coco_data.single(tmp_path / "set")
    for path in folder.glob("*.png"):
        path.unlink()
    with pytest.raises(ValueError, match=r"none of the 15 images that .*labels\.json lists is below"):
        opened(f"coco:{folder}")


def test_parts_with_other_categories_are_refused(tmp_path):
    folder = coco_data.coco(tmp_path / "set")
    path = folder / "annotations/instances_val2017.json"
    changed(path, categories=[{"id": 3, "name": "red"}, {"id": 7, "name": "blue"}])
    with pytest.raises(
        ValueError, match=r"has the categories 3 red, 7 (blue|green), .* has 3 red, 7 (blue|green)"
    ):
        opened(f"coco:{folder}")


def test_a_part_without_train_is_refused_and_one_part_alone_is_divided(tmp_path):
    folder = coco_data.roboflow(tmp_path / "set")
    (folder / "train/_annotations.coco.json").unlink()
    with pytest.raises(
        ValueError, match=r"has test/.* and valid/.* and none for train: methods are fitted on it"
    ):
        module_of(f"coco:{folder}")
    (folder / "test/_annotations.coco.json").unlink()
    assert {part: len(found) for part, found in keys(opened(f"coco:{folder}")).items()} == {
        "train": 3, "val": 2, "test": 1
    }  # fmt: skip


def test_two_label_files_for_the_same_images_are_refused(tmp_path):
    folder = coco_data.single(tmp_path / "set")
    (folder / "more.json").write_text(only(folder).read_text())
    with pytest.raises(
        ValueError, match=r"labels\.json and more\.json could both be the labels of the images"
    ):
        module_of(f"coco:{folder}")


def test_too_few_images_are_refused(tmp_path):
    folder = coco_data.single(tmp_path / "set", n=2)
    with pytest.raises(ValueError, match="coco:set: 2 images are too few for the parts train, val, test"):
        opened(f"coco:{folder}")


def test_an_outline_is_what_reading_gives_without_pixels(tmp_path):
    images = opened(f"coco:{coco_data.single(tmp_path / 'set')}").sets["train"]
    assert isinstance(images, Subset) and isinstance(images.base, BoxedSet)
    for i in range(len(images)):
        item, outline = images.read(i), images.outline(i)
        assert outline.key == item.key and outline.image.shape == item.image.shape
        assert torch.equal(torch.from_numpy(outline.target.boxes), torch.from_numpy(item.target.boxes))
