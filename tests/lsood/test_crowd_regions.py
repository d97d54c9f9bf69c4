"""Detections on crowds and difficult objects are neither right nor wrong, as in COCO's and Pascal VOC's evaluations."""

import numpy as np
import pytest
import torch

from benchmarks.tasks.detection import mean_average_precision
from lsood.extraction.activations import Activations
from lsood.extraction.objects import ObjectSet, ObjectTally
from lsood.metrics.open_set.box_matching import covered, iou
from lsood.metrics.open_set.detection_set import DetectionSet
from lsood.metrics.open_set.evaluation import Outcomes, evaluate_open_set

BOX, HALF, FAR = [0.0, 0, 10, 10], [0.0, 0, 5, 10], [50.0, 50, 60, 60]


def regions(*found):
    """(box, label, crowd) of every region."""
    return {
        "boxes": np.reshape([box for box, *_ in found], (-1, 4)),
        "labels": np.array([label for _, label, _ in found], dtype=np.int64),
        "crowd": np.array([crowd for *_, crowd in found], dtype=bool),
    }


def made(detections, objects=(), beside=(), key="a"):
    """One image: (box, class, confidence), (box, label), (box, label, crowd)."""
    target = {"boxes": np.reshape([b for b, _ in objects], (-1, 4)), "labels": [c for _, c in objects]}
    boxes, classes, sure = zip(*detections, strict=True)
    return DetectionSet.of(
        [key], [target | {"regions": regions(*beside)}], [key] * len(boxes), boxes, classes, sure
    )


def test_the_share_of_the_detection_that_lies_in_the_crowd():
    crowd = np.array([[0.0, 0, 20, 10]])
    assert covered(np.array([BOX]), crowd) == [1] and iou(np.array([BOX]), crowd) == [0.5]
    assert covered(crowd, np.array([BOX])) == [0.5] and covered(np.array([FAR]), crowd) == [0]
    assert covered(np.zeros((1, 4)), crowd) == [0]


def test_a_small_detection_lies_on_a_crowd_and_not_on_a_difficult_object():
    small = [0.0, 0, 2, 2]
    for crowd, found in ((True, [True, True, False]), (False, [False, True, False])):
        ood = made([(small, 0, 0.9), (BOX, 0, 0.9), (FAR, 0, 0.9)], beside=[(BOX, -1, crowd)])
        assert ood.on_region(np.full(3, -1)).tolist() == found
        assert not ood.on_region(np.zeros(3, dtype=np.int64)).any()


def test_flagged_detections_on_a_crowd_do_not_cost_precision():
    """One object found, two detections on the crowd, one on nothing: 1 of 2, not 1 of 4."""
    detections = [(FAR, 0, 0.9), (BOX, 0, 0.8), (HALF, 0, 0.7), ([90.0, 90, 95, 95], 0, 0.6)]
    objects, scores = [(FAR, -1)], np.array([4.0, 3, 2, 1])
    known = made([(BOX, 0, 0.9)], [(BOX, 0)], key="k")
    plain, beside = (made(detections, objects, some) for some in ((), [(BOX, -1, True)]))
    before = evaluate_open_set(known, [0.0], plain, scores, 0.5, resamples=5)
    after = evaluate_open_set(known, [0.0], beside, scores, 0.5, resamples=5)
    assert before["unknown_precision"].value == 0.25 and after["unknown_precision"].value == 0.5
    order = np.array([1.0, 3, 2, 0])  # detections on the crowd stand before the object
    ap = [
        evaluate_open_set(known, [0.0], of, order, -1, resamples=5)["unknown_ap"].value
        for of in (plain, beside)
    ]
    assert ap == [pytest.approx(1 / 3), 1]
    for name in ("unknown_recall", "aose", "missed", "taken_for_known"):
        assert before[name].value == after[name].value
    counts = [Outcomes.of(of, scores, 0.5).counts() for of in (plain, beside)]
    assert counts[0] == counts[1] == {"unknown": 1, "flagged": 1, "taken": 0, "missed": 0}


def test_an_object_inside_a_crowd_is_found_first():
    ood = made([(BOX, 0, 0.9), (BOX, 0, 0.8)], [(BOX, -1)], [(BOX, -1, True)])
    found = Outcomes.of(ood, [2.0, 1.0], 0.5)
    assert found.hit.tolist() == [True, False] and found.counted.tolist() == [True, False]


def test_wilderness_leaves_out_detections_of_a_class_on_a_crowd_of_it():
    ood = made([(BOX, 0, 0.9)], [(BOX, -1)], key="o")

    def impact(label):
        detections = [(FAR, 0, 0.5), (BOX, 0, 0.9)]
        known = made(detections, [(FAR, 0)], [(BOX, label, True)], key="k")
        return evaluate_open_set(known, [0.0, 0.0], ood, [0.0], 1.0, resamples=5)["wi"].value

    assert impact(0) == 1.0  # one error, one detection that counts
    assert impact(1) == impact(-1) == 0.5


def test_what_counts_is_what_the_coco_evaluation_counts():
    """Detections that it ignores, on random boxes; unknown objects and crowds as the one class."""
    coco, cocoeval = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    random, images = np.random.default_rng(3), 120
    targets, boxes, owners = [], [], []
    for i in range(images):
        corners = random.uniform(0, 40, (random.integers(1, 6), 2))
        things = np.c_[corners, corners + random.uniform(8, 30, corners.shape)]
        crowd = random.random(len(things)) < 0.4
        found = np.repeat(things, 3, axis=0) + random.normal(0, 3, (3 * len(things), 4))
        inner = things[crowd] * 0.5 + (things[crowd][:, [0, 1, 0, 1]] + 1) * 0.5
        found = np.concatenate([found, inner, np.array([40.0, 40, 60, 60]) + random.uniform(0, 9, (2, 4))])
        found = found[(found[:, 2:] > found[:, :2]).all(1)]
        boxes += list(found)
        owners += [str(i)] * len(found)
        beside = regions(*((box, -1, True) for box in things[crowd]))
        targets.append({"boxes": things[~crowd], "labels": [-1] * int((~crowd).sum()), "regions": beside})
    keys, scores = [str(i) for i in range(images)], random.permutation(len(boxes)).astype(float)
    ood = DetectionSet.of(keys, targets, owners, boxes, np.zeros(len(boxes)), np.full(len(boxes), 0.5))

    def rows(boxes, image, crowd, **more):
        sized = np.c_[boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]
        about = [{k: float(v[n]) for k, v in more.items()} for n in range(len(boxes))]
        return [
            {"image_id": int(i), "category_id": 1, "bbox": b.tolist(), "area": 1.0, "iscrowd": crowd} | one
            for b, i, one in zip(sized, image, about, strict=True)
        ]

    annotations = rows(ood.object_boxes, ood.object_image, 0) + rows(ood.region_boxes, ood.region_image, 1)
    truth = coco.COCO()
    truth.dataset = {"images": [{"id": i} for i in range(images)], "categories": [{"id": 1}], "info": {},
                     "annotations": [a | {"id": n + 1} for n, a in enumerate(annotations)]}  # fmt: skip
    truth.createIndex()
    run = cocoeval.COCOeval(truth, truth.loadRes(rows(ood.boxes, ood.image, 0, score=scores)), "bbox")
    run.evaluate()
    ignored, matched = set(), set()
    for entry in (e for e in run.evalImgs[:images] if e):
        for d, ignore, g in zip(entry["dtIds"], entry["dtIgnore"][0], entry["dtMatches"][0], strict=True):
            ignored |= {d - 1} if ignore else set()
            matched |= {d - 1} if g and not ignore else set()
    ours = Outcomes.of(ood, scores, -1.0)
    assert set(np.flatnonzero(ours.hit)) == matched and set(np.flatnonzero(~ours.counted)) == ignored
    assert len(ignored) > 100 and len(matched) > 100


def test_regions_of_other_lengths_and_boxes_that_are_none_are_refused():
    with pytest.raises(ValueError, match="regions of a: box 0 is no box"):
        made([(BOX, 0, 0.9)], beside=[([9.0, 0, 1, 1], 0, True)])
    target = {
        "boxes": np.zeros((0, 4)),
        "labels": [],
        "regions": regions((BOX, 0, True)) | {"crowd": [True, False]},
    }
    with pytest.raises(ValueError, match="a: 1 boxes of regions, 1 labels, 2 crowds"):
        DetectionSet.of(["a"], [target], ["a"], [BOX], [0], [0.5])


def tensors(objects, beside):
    boxes = torch.tensor([b for b, _ in objects]).reshape(-1, 4)
    found = {name: torch.as_tensor(value) for name, value in regions(*beside).items()}
    return {
        "boxes": boxes,
        "labels": torch.tensor([c for _, c in objects], dtype=torch.int64),
        "regions": found,
    }


def test_regions_survive_the_disk_and_old_tables_have_none(tmp_path):
    tally = ObjectTally()
    place = torch.empty(0, dtype=torch.int64)
    found = {"place": place, "box": torch.empty(0, 4), "score": torch.empty(0), "predicted": place}
    targets = [tensors([(FAR, 1)], [(BOX, 0, True), (HALF, -1, False)]), tensors([], [])]
    tally.add(found, targets, ["a", "b"], [0, 1])
    tally.add(found, [{"boxes": torch.tensor([BOX]), "labels": torch.tensor([2])}], ["c"], [0])
    tally.finish({}).save(tmp_path)
    again = ObjectSet.load(tmp_path, ["box"])
    a, b, c = again.targets(["a", "b", "c"])
    assert a["boxes"].tolist() == [FAR] and a["labels"].tolist() == [1] and c["labels"].tolist() == [2]
    assert a["regions"]["boxes"].tolist() == [BOX, HALF] and a["regions"]["labels"].tolist() == [0, -1]
    assert a["regions"]["crowd"].tolist() == [True, False]
    assert not len(b["boxes"]) and not len(b["regions"]["boxes"]) and not len(c["regions"]["boxes"])
    old = {name: value for name, value in again.truth.items() if name != "left_out"}
    before = ObjectSet(again.found, Activations(old, again.truth.ids))
    assert before.targets(["a"])[0]["boxes"].shape == (3, 4) and not len(
        before.targets(["a"])[0]["regions"]["crowd"]
    )


def test_mean_average_precision_ignores_detections_on_crowds_of_their_class():
    def score(label):
        tally = ObjectTally()
        found = {"place": torch.zeros(2, dtype=torch.int64), "box": torch.tensor([BOX, FAR]),
                 "score": torch.tensor([0.9, 0.5]), "predicted": torch.tensor([0, 0])}  # fmt: skip
        tally.add(found, [tensors([(FAR, 0)], [] if label is None else [(BOX, label, True)])], ["a"], [0])
        return mean_average_precision(tally.finish({}), ["a"])["map50"]

    assert score(0) == pytest.approx(1) and score(None) == score(-1) == pytest.approx(0.5)
