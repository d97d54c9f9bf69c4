"""Before anything is measured: does a network that the benchmark did not train do its own task on this data?

A wrong normalisation, pixel range, channel order or class order makes every number that follows meaningless, and
nothing else would show it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from benchmarks.pipeline.config import Settings
from benchmarks.under_test.cached import Trained
from datamodules import BenchmarkDataModule, Subset
from datamodules.loading.preprocess import of_channels
from lsood.extraction.counter import ForwardCounter
from lsood.extraction.undisturbed import undisturbed
from lsood.io import log

IMAGES = {"classification": 256, "segmentation": 32}
TRIED = 64
"""Images that every alternative is tried on, more where there are many classes; the one that fits best on all."""
NEAR = 0.1
FEW = {"classification": TRIED, "segmentation": 8}
"""Labelled images from which a cause can be named."""
FITS = 0.5
ORDER = 8
"""Images per class from which another order of the classes can be told from luck."""
SHOWN = 12
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Input:
    """A pre-processing that a network may have been trained with.

    Attributes:
        mean, std: per channel, of RGB images in [0, 1].
        largest: pixel value that the options' numbers refer to, 1 or 255.
        flipped: whether the channels are the other way round than now.
        now: mean and std are those of the run.
    """

    mean: Numbers
    std: Numbers
    largest: int = 1
    flipped: bool = False
    now: bool = False

    def of(self, pixels: Tensor) -> Tensor:
        """(B, C, H, W) pixels in [0, 1] as the network gets them."""
        mean, std = (torch.tensor(v)[:, None, None] for v in (self.mean, self.std))
        images = (pixels - mean) / std
        return images.flip(1) if self.flipped else images

    def options(self, order: str, largest: float = 1) -> str:
        """The options of the command that ask for it; "" for what the run has.

        Args:
            order: "rgb" or "bgr", that of the network's channels now. Numbers are given in the order of its channels.
            largest: pixel value that the run's numbers refer to now.
        """
        order = {"rgb": "bgr", "bgr": "rgb"}[order] if self.flipped else order
        step = -1 if order == "bgr" else 1
        words = []
        if not self.now or self.flipped:
            mean, std = ([v * self.largest for v in numbers[::step]] for numbers in (self.mean, self.std))
            plain = set(mean) == {0.0} and set(std) == {1.0}
            words += [] if plain else ["--mean", *map(_told, mean), "--std", *map(_told, std)]
            words += [f"--input-range {self.largest}"] if plain or {self.largest, largest} != {1} else []
        return " ".join([*words, *([f"--channel-order {order}"] if self.flipped else [])])


def _told(number: float) -> str:
    return f"{number:.4g}"


@dataclass(frozen=True)
class Figure:
    """How well a network does on labelled images.

    Attributes:
        name: "accuracy" or "miou". value: of it. chance: what naming the most frequent class everywhere gives.
        images: how many. part: what they are for, "validation" or "fit".
    """

    name: str
    value: float
    chance: float
    images: int
    part: str = "validation"

    @property
    def near_chance(self) -> bool:
        """Less than a tenth of the way from chance to perfect."""
        return self.value < self.chance + NEAR * (1 - self.chance)

    def clearly_below(self, other: Figure) -> bool:
        """By three standard errors of the difference of two accuracies, by .05 of two mIoUs."""
        mean = (self.value + other.value) / 2
        error = (2 * mean * (1 - mean) / self.images) ** 0.5
        return other.value - self.value > (NEAR / 2 if self.name == "miou" else 3 * error)

    @property
    def warning(self) -> str:
        """What is to be said of a figure near chance."""
        return (
            f"{self.name} {self.value:.3f} on {self.images} {self.part} images is near chance ({self.chance:.3f}): "
            "what follows says nothing about this network"
        )

    @property
    def convincing(self) -> bool:
        """Not near chance, nor by the luck of so few images: by three standard errors, the best of many was taken."""
        if self.name == "miou":
            return not self.near_chance and self.images >= FEW["segmentation"]
        error = (self.value * (1 - self.value) / self.images) ** 0.5
        return self.value - 3 * error > self.chance + NEAR * (1 - self.chance)


def check_network(
    network: nn.Module,
    data: BenchmarkDataModule,
    device: str = "cpu",
    order: str = "rgb",
    largest: float = 1,
) -> tuple[Figure | None, list[str]]:
    """Log the accuracy or mIoU of a network on at most 256 (32 of segmentation) validation images, or fit images where
    none validates; near chance warn, and tell which of the usual causes would explain it; else warn where reversed
    channels would do clearly better.

    Returns:
        The figure, None where no image has a label and for other tasks; and what belongs on every page.

    The network is left in the mode it was in.

    Args:
        order, largest: of the network's channels, and the pixel value that mean and std refer to, as the run has them.
    """
    if data.task not in IMAGES:
        return None, []
    classes = data.num_classes
    with torch.no_grad(), undisturbed([network], device):
        network.to(device)
        batches = list(_labelled(data))
        confusion = _confusion(network, batches, classes, device)
        n = sum(len(images) for images, _ in batches)
        if not confusion.sum():
            log.info("no validation image has a label: the network's accuracy is not checked")
            return None, []
        figure = _figure(data.task, confusion, n)
        if data.tried_on == "train":
            figure = replace(figure, part="fit")
        log.info("%s on %d %s images: %.3f", figure.name, n, figure.part, figure.value)
        if figure.near_chance:
            log.warning(figure.warning)
            for line in _causes(network, data, batches, device, (order, largest)):
                other = data.preprocessed and ("--mean" in line or "--input-range" in line)
                log.warning("%s%s", "images pre-processed otherwise in the loader: " if other else "", line)
            return figure, [figure.warning]
        if len(data.input_shape) != 3 or data.channels != 3:
            return figure, []
        turned = _confusion(
            network, [(images.flip(1), labels) for images, labels in batches], classes, device
        )
        if not figure.clearly_below(better := _figure(data.task, turned, n)):
            return figure, []
        caution = (
            f"{figure.name} is {figure.value:.3f} on {n} {figure.part} images and would be {better.value:.3f} with the "
            "channels reversed: --channel-order may be wrong"
        )
        log.warning(caution)
    return figure, [caution]


def checked(
    trained: Trained, data: BenchmarkDataModule, settings: Settings
) -> tuple[dict[str, int], list[str]]:
    """Check a network that this benchmark did not train, see `check_network`.

    Returns:
        {"sanity_check": images forwarded}, and what belongs on every page.
    """
    if "checkpoint" not in trained.options:
        return {}, []
    counter = ForwardCounter(trained.network, "sanity_check")
    order = "bgr" if getattr(trained.network, "bgr", False) else "rgb"
    try:
        _, cautions = check_network(trained.network, data, settings.device, order, settings.input_range or 1)
    finally:
        counter.close()
    return counter.counts, cautions


def _labelled(data: BenchmarkDataModule) -> Iterator[tuple[Tensor, Tensor]]:
    images = data.sets[data.tried_on]
    most = IMAGES[data.task]
    chosen = np.random.default_rng([0, len(images)]).permutation(len(images))[:most]
    for batch in data.loader(Subset(images, np.sort(chosen).tolist())):
        yield batch["image"], batch["target"]


def _confusion(
    network: nn.Module, batches: Sequence[tuple[Tensor, Tensor]], classes: int, device: str
) -> NDArray[np.int64]:
    """(K, K): true class i, predicted class j; of pixels for segmentation."""
    total = torch.zeros(classes * classes, dtype=torch.int64)
    for images, labels in batches:
        predicted = network(images.to(device)).argmax(1).cpu()
        known = (labels >= 0) & (labels < classes)
        total += torch.bincount(labels[known] * classes + predicted[known], minlength=classes * classes)
    return total.reshape(classes, classes).numpy()


def _figure(task: str, confusion: NDArray[np.int64], images: int) -> Figure:
    rows = confusion.sum(1)
    if task == "classification":
        return Figure("accuracy", _accuracy(confusion), float(rows.max() / rows.sum()), images)
    constant = np.zeros_like(confusion)
    constant[:, rows.argmax()] = rows
    return Figure("miou", _miou(confusion), _miou(constant), images)


def _accuracy(confusion: NDArray[np.int64]) -> float:
    return float(np.trace(confusion) / max(confusion.sum(), 1))


def _miou(confusion: NDArray[np.int64]) -> float:
    overlap = np.diagonal(confusion)
    union = confusion.sum(0) + confusion.sum(1) - overlap
    there = confusion.sum(1) > 0
    return float((overlap / np.maximum(union, 1))[there].mean())


def inputs(data: BenchmarkDataModule, pixels: bool = True) -> list[Input]:
    """The usual normalisations, ranges and channel orders; the first is what the network gets now.

    Args:
        pixels: the images are known before normalisation; else only their channels can be exchanged.
    """
    ones, channels = Input(tuple(data.mean), tuple(data.std), now=True), data.channels
    found = [ones]
    if pixels:
        own = (of_channels(type(data).mean, channels), of_channels(type(data).std, channels))
        half = ((0.5,) * channels, (0.5,) * channels)
        usual = [own, IMAGENET, half] if channels == 3 else [own, half]
        zero, unit, byte = ((value,) * channels for value in (0.0, 1.0, 1 / 255))
        found += [Input(mean, std) for mean, std in dict.fromkeys(usual)]
        found += [Input(zero, unit), Input(zero, byte, 255)]
        found += [Input(mean, byte, 255) for mean, _ in usual if channels == 3]
    return found + ([replace(one, flipped=True) for one in found] if channels == 3 else [])


def _causes(
    network: nn.Module,
    data: BenchmarkDataModule,
    batches: Sequence[tuple[Tensor, Tensor]],
    device: str,
    stated: tuple[str, float],
) -> list[str]:
    """What would explain a figure near chance; one line that nothing does; nothing is tried on vectors."""
    if len(data.input_shape) != 3:
        return []
    mean, std = (torch.tensor(v)[:, None, None] for v in (data.mean, data.std))
    pixels = [(images * std + mean, labels) for images, labels in batches]
    known = all(float(p.min()) >= -0.01 and float(p.max()) <= 1.01 for p, _ in pixels)

    def seen(one: Input, images: Sequence[tuple[Tensor, Tensor]]) -> tuple[Figure, Figure, list[int], Input]:
        """As it is, and in the best order of classes."""
        given = [(one.of(p), labels) for p, labels in images]
        confusion = _confusion(network, given, data.num_classes, device)
        n = sum(len(p) for p, _ in images)
        return _figure(data.task, confusion, n), *_reordered(data.task, confusion, n), one

    few = pixels[: -(-max(TRIED, 4 * data.num_classes) // max(len(pixels[0][0]), 1))]
    tried = [seen(one, few) for one in inputs(data, known)]
    best = max(tried, key=lambda each: each[0].value)
    ordered = max(tried, key=lambda each: each[1].value)
    _, figure, places, one = seen(ordered[3], pixels)
    enough = data.task == "segmentation" or figure.images >= ORDER * data.num_classes
    if figure.value >= FITS and ordered[1].value > best[0].value + NEAR and figure.convincing and enough:
        names = [data.class_names[k] for k in places]
        shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
        also = f"{one.options(*stated)} and ".removeprefix(" and ")
        return [
            f"with {also}another order of classes it would be {figure.value:.3f}: --classes FILE, one name per "
            f"output: {shown}"
        ]
    figure, _, _, one = seen(best[3], pixels)
    if figure.convincing:
        return [f"with {one.options(*stated)} it would be {figure.value:.3f}"]
    if figure.images < FEW[data.task]:
        return [
            f"{figure.images} labelled images are too few to tell which of the usual causes would explain it"
        ]
    return [
        "none of the usual causes (normalisation, pixel range, channel order, class order) explains it: the weights "
        "may be random or those of another data set"
    ]


def _reordered(task: str, confusion: NDArray[np.int64], images: int) -> tuple[Figure, list[int]]:
    """The figure if every output were the class it coincides with most often, and these classes."""
    _, output = linear_sum_assignment(confusion, maximize=True)
    return _figure(task, confusion[:, output], images), [int(k) for k in np.argsort(output)]
