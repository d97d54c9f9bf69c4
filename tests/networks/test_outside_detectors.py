"""Detectors of the user: torchvision's Faster R-CNN and detectors with queries keep the contract of our own."""

import copy

import pytest
import torch
import transformers
from detection_data import Rectangles, collate
from torch import nn
from torchvision.models.detection import (
    FasterRCNN,
    MaskRCNN,
    fasterrcnn_mobilenet_v3_large_320_fpn,
    retinanet_resnet50_fpn,
)
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import RPNHead

import networks
from lsood import OnePass
from lsood.probes.base import ModelInfo
from lsood.probes.detections import Detections
from lsood.probes.head import Head
from lsood.probes.image import LatentEntropy, Pooled
from lsood.probes.objects import object_probes
from networks.models.detection.proposals import StridedAnchors
from networks.models.detection.pyramids import STRIDES, small_pyramid
from networks.models.detection.regions import region_pooling
from networks.outside.configuration import of_module
from networks.outside.detection.adapt import adapt_detector

K = 3


def ours(seed=0):
    """The thin Faster R-CNN with weights that give many detections of all classes."""
    torch.manual_seed(seed)
    network = networks.build("faster-rcnn-small", K).eval()
    with torch.no_grad():
        network.roi_heads.box_predictor.cls_score.weight.mul_(60)
        network.roi_heads.box_predictor.bbox_pred.weight.mul_(20)
        network.rpn.head.cls_logits.weight.mul_(20)
    return network


def as_torchvision(network, **options):
    """The same network built from torchvision's class, with its weights."""
    anchors = StridedAnchors((8, 16, 32, 64, 128), STRIDES)
    made = FasterRCNN(
        small_pyramid(3),
        rpn_anchor_generator=anchors,
        rpn_head=RPNHead(32, 3),
        box_roi_pool=region_pooling(1),
        box_head=TwoMLPHead(32 * 49, 128),
        box_predictor=FastRCNNPredictor(128, K + 1),
        rpn_pre_nms_top_n_test=200,
        rpn_post_nms_top_n_test=100,
        **options,
    )
    state = {n: v for n, v in network.state_dict().items() if "drop" not in n}
    made.load_state_dict(state)
    return made.eval()


def images(n=2, size=(64, 96), seed=0):
    return torch.randn((n, 3, *size), generator=torch.Generator().manual_seed(seed))


def identity(network):
    """torchvision's network, given images that are normalised and scaled already."""
    network = copy.deepcopy(network)
    network.transform.normalize = lambda image: image
    network.transform.resize = lambda image, target=None: (image, target)
    return network


def same(found, expected):
    assert len(found) == len(expected["scores"]) > 10
    torch.testing.assert_close(found.boxes, expected["boxes"])
    torch.testing.assert_close(found.scores, expected["scores"])
    assert (found.labels + 1).equal(expected["labels"])


@pytest.mark.parametrize("size", [(64, 96), (75, 101)])
def test_boxes_labels_and_scores_are_those_of_torchvision(size):
    network, x = as_torchvision(ours()), images(3, size)
    expected = identity(network)(list(x))
    found = adapt_detector(network, x, K)(x)
    assert {int(label) for one in found for label in one.labels} == {0, 1, 2}
    for one, other in zip(found, expected, strict=True):
        same(one, other)


def test_the_rebuilt_network_gives_what_ours_gives():
    network, x = ours(), images(2)
    found, expected = adapt_detector(as_torchvision(network), x, K)(x), network(x)
    for one, other in zip(found, expected, strict=True):
        for field in ("boxes", "scores", "logits", "background", "features", "regions", "proposal_logits"):
            torch.testing.assert_close(getattr(one, field), getattr(other, field))
        assert one.labels.equal(other.labels)
    boxes = [one.proposal_boxes[:5] for one in expected]
    for one, other in zip(
        adapt_detector(as_torchvision(network), x, K)(x, boxes), network(x, boxes), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_normalisation_and_size_are_stated_and_not_applied_again():
    stated = of_module(as_torchvision(ours(), image_mean=(0.1, 0.2, 0.3), image_std=(1, 2, 3), min_size=300))
    assert (stated.mean, stated.std, stated.image_size) == ((0.1, 0.2, 0.3), (1, 2, 3), (300, 1333))
    network, x = as_torchvision(ours()), images()
    network.transform.normalize = network.transform.resize = None  # not called
    assert len(adapt_detector(network, x, K)(x)) == 2


def test_layers_and_notes_of_torchvision():
    network = adapt_detector(as_torchvision(ours()), images(), K)
    assert network.feature_layers == tuple(f"network.backbone.body.layer{i}" for i in (1, 2, 3, 4))
    assert (network.latent_layer, network.region_layer) == ("drop_block", "region_drop_block")
    assert network.head_layer == "network.roi_heads.box_predictor.cls_score"
    assert "rpn.head.conv" in network.notes[0]
    found = network(images())[0]
    torch.testing.assert_close(Head.of(network)(found.features), found.logits.double(), rtol=1e-4, atol=1e-4)
    assert set(network.state_dict()) == {f"network.{name}" for name in network.network.state_dict()}


def test_latent_samples_are_those_of_our_own_network():
    network, x = ours(), images()
    outside = adapt_detector(as_torchvision(network), x, K)
    with torch.no_grad():
        outside.drop_block.block_size = network.rpn.head.drop_block.block_size
    rows = []
    for one in (network, outside):
        probes = [LatentEntropy(one.latent_layer, 8), Pooled(one.latent_layer)]
        with OnePass(one, probes) as run:
            rows.append(list(run(x, ["a", "b"]).values()))
    for one, other in zip(*rows, strict=True):
        torch.testing.assert_close(one, other)


def test_outputs_choose_classes_and_the_rest_counts_as_background():
    network, x = as_torchvision(ours()), images()
    whole, part = adapt_detector(network, x, K)(x)[0], adapt_detector(network, x, 2, outputs=[2, 0])
    found = part(x)[0]
    torch.testing.assert_close(found.proposal_logits, whole.proposal_logits[:, [2, 0]])
    together = torch.cat([found.proposal_logits, found.proposal_background[:, None]], 1).softmax(1)
    every = torch.cat([whole.proposal_logits, whole.proposal_background[:, None]], 1).softmax(1)
    torch.testing.assert_close(together[:, :2], every[:, [2, 0]])
    assert set(found.labels.tolist()) <= {0, 1}
    torch.testing.assert_close(Head.of(part)(found.features), found.logits.double(), rtol=1e-4, atol=1e-4)


def test_bgr_is_flipped_inside():
    network, x = as_torchvision(ours()), images()
    plain, flipped = adapt_detector(network, x, K), adapt_detector(network, x.flip(1), K, channel_order="bgr")
    torch.testing.assert_close(plain(x)[0].boxes, flipped(x.flip(1))[0].boxes)


def test_a_torchvision_detector_learns():
    data = Rectangles(8)
    batch = collate([data[i] for i in range(8)])
    network = adapt_detector(as_torchvision(ours()), batch["image"], K)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    sums = []
    for _ in range(12):
        losses = network.losses(batch["image"], batch["target"])
        assert set(losses) == {"loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg"}
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
        sums.append(sum(loss.item() for loss in losses.values()))
    assert sums[-1] < 0.7 * sums[0]
    assert not network.network.rpn.training and not network.network.roi_heads.training


def test_mask_rcnn_and_mobilenet_are_taken():
    x = images(1)
    torch.manual_seed(0)
    mobile = fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None, num_classes=K + 1)
    found = adapt_detector(mobile, x, K)
    assert [n.removeprefix("network.backbone.body.") for n in found.feature_layers] == ["3", "6", "12", "16"]
    masks = MaskRCNN(
        small_pyramid(3), K + 1, rpn_anchor_generator=StridedAnchors((8, 16, 32, 64, 128), STRIDES)
    )
    assert isinstance(adapt_detector(masks, x, K)(x)[0], Detections)


def test_what_gives_no_logits_is_refused_in_one_line():
    retina = retinanet_resnet50_fpn(weights=None, weights_backbone=None, num_classes=K)
    with pytest.raises(
        ValueError, match=r"RetinaNet returns no class logits.*--network predictions:FILE"
    ) as error:
        adapt_detector(retina, images(1), K)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"Linear cannot detect objects on a batch .*predictions:FILE"):
        adapt_detector(nn.Linear(2, 2), images(1), K)


def test_another_number_of_classes_and_unknown_layers_are_refused():
    with pytest.raises(ValueError, match="detects 3 classes, the data set has 5: --classes FILE"):
        adapt_detector(as_torchvision(ours()), images(), 5)
    with pytest.raises(ValueError, match="the network has no layer 'nothing'"):
        adapt_detector(as_torchvision(ours()), images(), K, latent_layer="nothing")
    with pytest.raises(ValueError, match=r"--head-layer rpn\.head\.conv: it is no linear layer"):
        adapt_detector(as_torchvision(ours()), images(), K, head_layer="rpn.head.conv")


def test_a_network_that_returns_detections_stays_and_takes_named_layers():
    network, x = ours(), images()
    assert adapt_detector(network, x, K) is network
    adapt_detector(network, x, K, latent_layer="roi_heads.roi_drop_block")
    assert network.latent_layer == "roi_heads.roi_drop_block"
    with pytest.raises(ValueError, match="has to order its classes and channels itself"):
        adapt_detector(network, x, K, channel_order="bgr")


# detectors with queries

SMALL = {
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "num_queries": 12, "num_labels": K,
}  # fmt: skip


def backbone(kind=transformers.ResNetConfig, stages=("stage4",)):
    return kind(
        embedding_size=8,
        hidden_sizes=[8, 12, 16, 24],
        depths=[1] * 4,
        layer_type="basic",
        out_features=list(stages),
    )


def detr(name):
    torch.manual_seed(0)
    three = ("stage2", "stage3", "stage4")
    if name == "detr":
        config = transformers.DetrConfig(backbone_config=backbone(), **SMALL)
        network = transformers.DetrForObjectDetection(config)
    elif name == "conditional":
        config = transformers.ConditionalDetrConfig(backbone_config=backbone(), **SMALL)
        network = transformers.ConditionalDetrForObjectDetection(config)
    elif name == "deformable":
        config = transformers.DeformableDetrConfig(
            backbone_config=backbone(stages=three), num_feature_levels=3, **SMALL
        )
        network = transformers.DeformableDetrForObjectDetection(config)
    elif name == "rt-detr":
        own = {k: v for k, v in SMALL.items() if not k.startswith("encoder") or k != "encoder_layers"}
        config = transformers.RTDetrConfig(
            backbone_config=backbone(transformers.RTDetrResNetConfig, three),
            encoder_in_channels=[12, 16, 24],
            encoder_hidden_dim=32,
            decoder_in_channels=[32] * 3,
            **own,
        )
        network = transformers.RTDetrForObjectDetection(config)
    else:
        config = transformers.YolosConfig(
            hidden_size=32, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, image_size=[64, 96],
            num_detection_tokens=10, num_labels=K,
        )  # fmt: skip
        network = transformers.YolosForObjectDetection(config)
    with torch.no_grad():  # queries that differ
        for module in network.modules():
            if isinstance(module, nn.Linear) and module.out_features in (K, K + 1):
                module.weight.mul_(20)
    return network.eval()


NAMES = ("detr", "conditional", "deformable", "rt-detr", "yolos")
SOFTMAX = ("detr", "yolos")


def post_processed(name, network, x):
    """What the library's own processor makes of the outputs."""
    with torch.no_grad():
        output = network(pixel_values=x)
    kinds = {
        "detr": "DetrImageProcessor", "conditional": "ConditionalDetrImageProcessor",
        "deformable": "DeformableDetrImageProcessor", "rt-detr": "RTDetrImageProcessor", "yolos": "YolosImageProcessor",
    }  # fmt: skip
    processor = getattr(transformers, kinds[name])()
    return processor.post_process_object_detection(output, 0.05, target_sizes=[tuple(x.shape[-2:])] * len(x))


@pytest.mark.parametrize("name", NAMES)
def test_detections_are_those_of_the_library(name):
    network, x = detr(name), images(2)
    found = adapt_detector(network, x, K)(x)
    for one, other in zip(found, post_processed(name, network, x), strict=True):
        order = other["scores"].argsort(descending=True, stable=True)
        corners = other["boxes"][order]
        corners = torch.stack([corners[:, i].clamp(0, (96, 64)[i % 2]) for i in range(4)], 1)
        kept = ((corners[:, 2:] - corners[:, :2]) >= 1e-2).all(1)
        scores, labels = other["scores"][order][kept], other["labels"][order][kept]
        n = len(scores)  # the processor of RT-DETR keeps as many as there are queries
        assert n > 3 and (n == len(one) or name == "rt-detr")
        torch.testing.assert_close(one.scores[:n], scores)
        pairs = (one.boxes[:n], one.labels[:n]), (corners[kept], labels)
        ours, theirs = (torch.cat([boxes, of[:, None]], 1).tolist() for boxes, of in pairs)
        torch.testing.assert_close(
            torch.tensor(sorted(ours)), torch.tensor(sorted(theirs)), atol=1e-3, rtol=1e-3
        )


@pytest.mark.parametrize("name", NAMES)
def test_the_class_layer_gives_the_logits_of_the_features(name):
    network, x = adapt_detector(detr(name), images(2), K), images(2)
    found = network(x)[0]
    assert found.features.shape[1] == 32 and found.regions.shape[1:] == (32, 1, 1)
    torch.testing.assert_close(Head.of(network)(found.features), found.logits.double(), rtol=1e-4, atol=1e-4)
    whole = torch.cat([found.logits, found.background[:, None]], 1)
    if name in SOFTMAX:
        torch.testing.assert_close(whole.softmax(1)[range(len(found)), found.labels], found.scores)
    else:
        assert not found.background.any()
        chosen = found.logits[range(len(found)), found.labels]
        torch.testing.assert_close(chosen.sigmoid(), found.scores)


@pytest.mark.parametrize("name", NAMES)
def test_every_quantity_is_measured(name):
    network, x = adapt_detector(detr(name), images(2), K), images(2)
    info = ModelInfo(
        "classification", K, (network.region_dropout,), network.region_layer, (1.0,) * 3, mc_samples=4
    )
    probes = [
        *map(Pooled, network.feature_layers),
        LatentEntropy(network.latent_layer, 4),
        *object_probes(info),
    ]
    with OnePass(network, probes) as run:
        rows = run(x, ["a", "b"])
        assert len(network.feature_layers) == 4
        assert all(len(value) == 2 and value.isfinite().all() for value in rows.values())
        assert len(run.objects) == len(object_probes(info))


def test_sizes_that_are_no_multiples_are_padded_where_the_network_needs_it():
    network, x = adapt_detector(detr("rt-detr"), images(1, (64, 90)), K), images(1, (64, 90))
    assert "padded to multiples of 32" in network.notes[1]
    assert network(x)[0].boxes[:, 2].max() <= 90
    assert not any("padded" in note for note in adapt_detector(detr("detr"), images(1, (64, 90)), K).notes)


def test_queries_classify_no_given_boxes():
    network = adapt_detector(detr("detr"), images(), K)
    with pytest.raises(ValueError, match="finds boxes by queries and cannot classify given ones"):
        network(images(), [torch.zeros(1, 4)] * 2)


def test_a_network_of_transformers_gives_its_loss():
    data = Rectangles(4)
    batch = collate([data[i] for i in range(1, 4)])
    network = adapt_detector(detr("detr"), batch["image"], K)
    loss = network.losses(batch["image"], batch["target"])["loss"]
    loss.backward()
    assert loss.isfinite() and network.network.class_labels_classifier.weight.grad.abs().sum() > 0


class Plain(nn.Module):
    """Queries as the first DETR returns them, without a configuration."""

    def __init__(self, columns):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 8, 3, 2))
        self.label, self.box = nn.Linear(8, columns), nn.Linear(8, 4)

    def forward(self, x):
        queries = self.body(x).flatten(2).transpose(1, 2)[:, :20]
        return {"pred_logits": self.label(queries), "pred_boxes": self.box(queries).sigmoid()}


@pytest.mark.parametrize(("columns", "softmax"), [(K, False), (K + 1, True)])
def test_networks_without_configuration_are_told_by_their_columns(columns, softmax):
    torch.manual_seed(0)
    network = adapt_detector(Plain(columns), images(), K)
    assert network.softmax is softmax
    assert len(network(images())[0].proposal_logits) == 20
    with pytest.raises(ValueError, match="cannot tell whether the 7 columns"):
        adapt_detector(Plain(7), images(), K)


def test_copies_keep_their_hooks_apart():
    network = adapt_detector(detr("yolos"), images(), K)
    copied = copy.deepcopy(network)
    for one in (network, copied):
        with OnePass(one, [LatentEntropy(one.latent_layer, 4)]) as run:
            assert run(images(), ["a", "b"])
    assert copied.drop_block is not network.drop_block
