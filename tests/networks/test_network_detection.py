"""Faster R-CNN against torchvision's own; alone and in batches; with and without objects."""

import copy

import pytest
import torch
from torch import nn
from torchvision.models.detection import FasterRCNN as Reference
from torchvision.models.detection import fasterrcnn_resnet50_fpn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import MultiScaleRoIAlign, box_iou

from lsood import Hook
from lsood.extraction.sampling import dropping
from networks import build, load_weights, save_weights

NO_DROPS = {"drop_probability": 0.0, "roi_drop_probability": 0.0, "box_dropout": 0.0}
SIZES = (8, 16, 32, 64, 128)
EMPTY = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}


def small(classes=3, **options):
    """The small network; random weights scaled so that its scores differ and many pass the threshold."""
    torch.manual_seed(0)
    network = build("faster-rcnn-small", classes, **options).eval()
    with torch.no_grad():
        network.roi_heads.box_predictor.cls_score.weight.mul_(6)
        network.rpn.head.cls_logits.weight.mul_(30)
    return network


def images(n, *size, seed=0):
    return torch.randn(n, 3, *size, generator=torch.Generator().manual_seed(seed))


class AsTheyAre(nn.Module):
    """In the place of torchvision's transform: nothing is scaled, normalised or padded."""

    def forward(self, images, targets=None):
        return ImageList(torch.stack(images), [tuple(image.shape[-2:]) for image in images]), targets

    def postprocess(self, result, *sizes):
        return result


def torchvisions(network):
    """torchvision's FasterRCNN with the settings and weights of a small network."""
    theirs = Reference(
        copy.deepcopy(network.backbone),
        rpn_anchor_generator=AnchorGenerator(tuple((s,) for s in SIZES), ((0.5, 1.0, 2.0),) * 5),
        rpn_head=RPNHead(32, 3),
        rpn_pre_nms_top_n_train=400,
        rpn_pre_nms_top_n_test=200,
        rpn_post_nms_top_n_train=200,
        rpn_post_nms_top_n_test=100,
        rpn_batch_size_per_image=64,
        box_batch_size_per_image=64,
        box_roi_pool=MultiScaleRoIAlign(list("0123"), 7, sampling_ratio=1),
        box_head=TwoMLPHead(32 * 49, 128),
        box_predictor=FastRCNNPredictor(128, network.num_classes + 1),
    )
    theirs.load_state_dict(network.state_dict())
    theirs.transform = AsTheyAre()
    return theirs.train(network.training)


@torch.no_grad()
def test_detections_are_those_of_torchvision():
    network, x = small(), images(2, 128, 192)
    ours, theirs = network(x), torchvisions(network)(list(x))
    assert all(len(found) > 20 for found in ours)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.labels.tolist() == (other["labels"] - 1).tolist()
        torch.testing.assert_close(mine.boxes, other["boxes"], rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(mine.scores, other["scores"], rtol=1e-4, atol=1e-5)


def test_losses_are_those_of_torchvision():
    network, x = small(**NO_DROPS).train(), images(2, 128, 192)
    target = {"boxes": torch.tensor([[5.0, 9, 60, 50], [70, 70, 90, 120]]), "labels": torch.tensor([0, 2])}
    theirs = torchvisions(network)
    torch.manual_seed(3)
    ours = network.losses(x, [target, EMPTY])
    torch.manual_seed(3)
    others = theirs(list(x), [t | {"labels": t["labels"] + 1} for t in (target, EMPTY)])
    assert set(ours) == set(others)
    for name, value in ours.items():
        torch.testing.assert_close(value, others[name], rtol=1e-4, atol=1e-5, msg=name)


def test_the_real_network_has_torchvisions_weights_and_1280_latent_dimensions():
    with torch.device("meta"):
        network = build("faster-rcnn", 10).eval()
        theirs = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=11)
        with Hook(network.get_submodule(network.latent_layer), network.rpn.head) as hook:
            network.rpn.head(list(network.maps(torch.rand(1, 3, 64, 128)).values()))
    shapes = {name: value.shape for name, value in theirs.state_dict().items()}
    assert {name: value.shape for name, value in network.state_dict().items()} == shapes
    assert [tuple(level.shape[1:]) for level in hook.outputs] == [(256, 16 >> i, 32 >> i) for i in range(5)]
    block = network.get_submodule(network.latent_layer)
    assert (block.drop_prob, block.block_size) == (0.5, 4)


@torch.no_grad()
def test_what_is_found_does_not_depend_on_batch_mates():
    network, x = small(), images(4, 90, 160)
    together = network(x)
    for image, found in zip(x, together, strict=True):
        (alone,) = network(image[None])
        assert alone.labels.tolist() == found.labels.tolist()
        for name in ("boxes", "scores", "logits", "features", "regions", "proposal_logits"):
            torch.testing.assert_close(
                getattr(alone, name), getattr(found, name), rtol=1e-3, atol=1e-3, msg=name
            )


@torch.no_grad()
def test_rows_of_detections_belong_together():
    network = small()
    for found in network(images(2, 90, 160)):
        logits = torch.cat([found.background[:, None], found.logits], dim=1)
        rows = torch.arange(len(found))
        torch.testing.assert_close(logits.softmax(1)[rows, found.labels + 1], found.scores)
        assert torch.equal(found.logits, found.proposal_logits[found.origins])
        head = network.get_submodule(network.head_layer)
        torch.testing.assert_close(head(found.features)[:, 1:], found.logits)
        assert network.background == 0
        assert (found.scores > 0.05).all() and (found.scores.diff() <= 0).all() and len(found) <= 100
        for label in range(3):
            overlaps = box_iou(*[found.boxes[found.labels == label]] * 2).triu(1)
            assert (overlaps <= 0.5).all(), "suppressed per class"


@torch.no_grad()
def test_the_logits_of_given_boxes():
    network, x = small(), images(3, 90, 160)
    first, second, third = network(x)
    boxes = [first.proposal_boxes, second.proposal_boxes[:0], third.proposal_boxes[:7]]
    logits = network(x, boxes)
    assert [tuple(part.shape) for part in logits] == [(len(part), 3) for part in boxes]
    torch.testing.assert_close(logits[0], first.proposal_logits, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(logits[2], third.proposal_logits[:7], rtol=1e-3, atol=1e-3)
    assert [len(part) for part in network(x, [part[:0] for part in boxes])] == [0, 0, 0]


@torch.no_grad()
def test_masks_of_regions_come_from_their_image_alone():
    network, x = small(), images(3, 90, 160)
    boxes = [found.proposal_boxes[:m] for found, m in zip(network(x), (5, 0, 9), strict=True)]
    with dropping(network, list("abc"), 0, "cpu"):
        first, again = network(x, boxes), network(x, boxes)
    assert not torch.equal(first[0], again[0]), "new masks in each pass"
    with dropping(network, ["c"], 0, "cpu"):
        alone = network(x[2:], boxes[2:])
    torch.testing.assert_close(alone[0], first[2], rtol=1e-3, atol=1e-3)
    with dropping(network, ["a"], 0, "cpu"):
        assert [len(part) for part in network(x[:1], [boxes[1]])] == [0]


@torch.no_grad()
def test_nothing_found():
    network = small()
    network.roi_heads.box_predictor.cls_score.bias[0] = 100
    for found in network(images(2, 90, 160)):
        assert len(found) == 0 and found.regions.shape == (0, 32, 7, 7) and found.features.shape == (0, 128)
        logits, background = found.best()
        assert logits.shape == (1, 3) and logits.isfinite().all() and background.isfinite().all()
        assert len(found.proposal_logits) > 0


@torch.no_grad()
def test_no_proposals_at_all():
    network = small()
    network.rpn.score_thresh = 2.0
    (found,) = network(images(1, 90, 160))
    assert len(found.proposal_boxes) == 0 and found.boxes.shape == (0, 4)
    assert [part.tolist() for part in found.best()] == [[[0.0, 0.0, 0.0]], [0.0]]


@pytest.mark.parametrize("size", [(90, 160), (64, 100), (33, 47)])
def test_anchors_sit_where_the_cells_look(size):
    network, x = small(), images(1, *size)
    levels = list(network.maps(x).values())
    anchors = network.rpn.anchor_generator(ImageList(x, [size]), levels)[0]
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    for level, part, stride in zip(
        levels, centres.split([3 * level[0, 0].numel() for level in levels]), (4, 8, 16, 32, 64), strict=True
    ):
        h, w = level.shape[-2:]
        assert part[-1].tolist() == pytest.approx([(w - 1) * stride, (h - 1) * stride], abs=0.5)


def test_images_without_objects_train():
    losses = small().train().losses(images(2, 64, 96), [EMPTY, EMPTY])
    assert all(value.isfinite() for value in losses.values())
    assert losses["loss_box_reg"] == 0 and losses["loss_rpn_box_reg"] == 0
    sum(losses.values()).backward()


def test_objects_of_no_class_are_neither_objects_nor_background():
    network, x = small().train(), images(1, 64, 96)
    unknown, known = torch.tensor([[10.0, 10, 42, 42]]), torch.tensor([[60.0, 20, 90, 52]])
    target = {"boxes": torch.cat([unknown, known]), "labels": torch.tensor([-1, 2])}
    shifted = network._shifted(target)
    assert shifted["labels"].tolist() == [-1, 3]
    anchors = network.rpn.anchor_generator(ImageList(x, [(64, 96)]), list(network.maps(x).values()))
    (labels,), _ = network.rpn.assign_targets_to_anchors(anchors, [shifted])
    near = box_iou(unknown, anchors[0])[0] >= 0.3
    assert near.any() and (labels[near] == -1).all()
    assert (box_iou(known, anchors[0])[0][labels == 1] >= 0.3).all() and (labels == 1).any()
    proposals = [torch.cat([unknown + 1, unknown - 2, known + 1, torch.tensor([[0.0, 0, 5, 5]])])]
    chosen, _, labels, _ = network.roi_heads.select_training_samples(proposals, [shifted])
    assert sorted(labels[0].tolist()) == [0, 3, 3]
    assert (box_iou(unknown, chosen[0]) < 0.5).all()


def test_wrong_targets_and_images_are_named():
    network, x = small().train(), images(1, 64, 96)
    box = torch.tensor([[1.0, 1, 9, 9]])
    with pytest.raises(ValueError, match="a label is 3, there are 3 classes"):
        network.losses(x, [{"boxes": box, "labels": torch.tensor([3])}])
    with pytest.raises(ValueError, match="a box has no area"):
        network.losses(x, [{"boxes": box[:, [0, 1, 0, 3]], "labels": torch.tensor([0])}])
    with pytest.raises(ValueError, match="at least 32 pixels a side, got 20x96"):
        network(images(1, 20, 96))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"encoder_weights": "x"}, 'encoder_weights must be "imagenet", "coco" or None'),
        ({"norm": "x"}, 'norm "batch" or "frozen"'),
        ({"encoder_weights": "coco", "channels": 1}, "images of 3 channels, got 1"),
        ({"trainable_stages": 6}, "trainable_stages must lie in 0 to 5, got 6"),
    ],
)
def test_options_of_the_real_network(options, message):
    with pytest.raises(ValueError, match=message):
        build("faster-rcnn", 3, **options)


def test_a_frozen_backbone_takes_grey_images():
    with torch.device("meta"):
        network = build("faster-rcnn", 3, channels=1, norm="frozen", trainable_stages=0)
    assert network.backbone.body["conv1"].in_channels == 1
    assert not any(p.requires_grad for p in network.backbone.body["layer4"].parameters())
    assert all(p.requires_grad for p in network.backbone.fpn.parameters())


@torch.no_grad()
def test_weights_on_disk_give_the_same_detections(tmp_path):
    network, x = small(), images(1, 64, 96)
    save_weights(network, tmp_path / "weights.safetensors")
    torch.manual_seed(9)
    again = build("faster-rcnn-small", 3).eval()
    load_weights(again, tmp_path / "weights.safetensors")
    (first,), (second,) = network(x), again(x)
    assert torch.equal(first.boxes, second.boxes) and torch.equal(first.logits, second.logits)
    with pytest.raises(ValueError, match=r"not of this SmallFasterRCNN: .*box_predictor"):
        load_weights(build("faster-rcnn-small", 4), tmp_path / "weights.safetensors")
