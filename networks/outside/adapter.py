"""A network of the user as the pipeline needs it, by one traced pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lsood.io import log
from lsood.text import reason
from networks.outside.detection.adapt import adapt_detector
from networks.outside.finder import Finder
from networks.outside.head import close
from networks.outside.logits import traced_logits
from networks.outside.wrapper import OWN, OutsideNetwork

TRACED = 2
"""Images of the traced pass."""


def adapt(
    module: nn.Module,
    task: str,
    images: Tensor,
    num_classes: int,
    *,
    outputs: Sequence[int] | None = None,
    channel_order: str | None = None,
    latent_layer: str | None = None,
    feature_layers: Sequence[str] = (),
    head_layer: str | None = None,
) -> nn.Module:
    """Find the layers of a network and wrap it, see `OutsideNetwork`.

    What the user names comes first, then what the network names itself (attributes ``feature_layers``,
    ``latent_layer``, ``head_layer``), then what is found: `stages.stages` are the features, `head.producer` the head,
    the logits those of `logits.traced_logits`, and the latent layer is the last dropout or DropBlock with p above 0
    that gets vectors or maps; where there is none, a DropBlock2D is placed behind the deepest feature map. An output
    that is random, or depends on the batch, is a warning and a note.

    Args:
        module: of the user, in evaluation mode; hooks are put on its layers.
        task: "classification", "segmentation" or "detection".
        images: (B, C, H, W) float32, RGB, as the pipeline pre-processes them; the first `TRACED` are used.
        num_classes: K of the data; 0: not known, all outputs are classes.
        outputs: which of the network's outputs these are, in their order; None: all of them, in the data's order.
        channel_order: "bgr": the network's input is flipped.
        latent_layer, feature_layers, head_layer: names of the module's layers; None, (): found.

    Raises:
        ValueError: an unknown layer (the nearest names are told), one that is not called once or has no features; a
            network that fails, returns no logits, or another number of them than K; one line.
    """
    if task == "detection":
        return adapt_detector(
            module,
            images,
            num_classes,
            outputs=outputs,
            channel_order=channel_order,
            latent_layer=latent_layer,
            feature_layers=feature_layers,
            head_layer=head_layer,
        )
    module.eval()
    images = images[:TRACED].float().cpu()
    found = OutsideNetwork(module, task, outputs, channel_order == "bgr")
    trace = traced_logits(
        module,
        images.flip(1) if found.bgr else images,
        task,
        None if outputs else num_classes or None,
        max(outputs, default=-1) + 1 if outputs else 0,
        head_layer and head_layer.removeprefix(OWN),
    )
    found.padded, found.num_outputs, found.place = trace.padded, trace.logits.shape[1], trace.place
    if outputs is None and num_classes and found.num_outputs != num_classes:
        raise ValueError(
            f"network {type(module).__name__} has {found.num_outputs} outputs, the data set has {num_classes} classes: "
            "--classes FILE names the classes of the outputs"
        )
    with torch.no_grad():
        Finder(found, trace, latent_layer, feature_layers, head_layer).find()
        if note := _unsteady(found, images):
            found.description.notes.append(note)
            log.warning(note)
    return found


def _unsteady(network: OutsideNetwork, images: Tensor) -> str:
    """Why an image's logits are not the image's own; "" where they are."""
    logits = network(images)
    if not close(network(images), logits):
        return (
            "the network's output is random in evaluation mode (two passes of the same images differ): the numbers "
            "depend on the draw."
        )
    try:
        alone = torch.cat([network(image[None]) for image in images])
    except Exception as error:
        log.info("the network does not take a single image (%s)", reason(error))
        return ""
    if close(alone, logits):
        return ""
    return (
        "an image's output depends on the other images of its batch (alone it is another one): the numbers depend on "
        "the batches."
    )
