"""``cifar10-c-generated``: every corruption at every severity on test images, the same whoever reads them."""

from collections import Counter

import numpy as np
import pytest

import datamodules.miniature as miniature
from anomalies import ANOMALIES, generator
from benchmarks.pipeline.calibration import with_calibration_share
from datamodules import CIFAR10DataModule, CIFAR100DataModule
from datamodules.ood.corrupted import COUNT
from leaderboards.analysis.dependence import on_test_images

NAME = "cifar10-c-generated"
KINDS = [kind for kind in ANOMALIES if kind.startswith("imagenet_c_")]


@pytest.fixture(scope="module", autouse=True)
def small_miniatures():
    before = dict(miniature.MINIATURES)
    for name in ("cifar10", "cifar100"):
        entry = before[name]
        miniature.MINIATURES[name] = miniature.Miniature(entry.folder, entry.write, {"train": 60, "test": 30})
    yield
    miniature.MINIATURES.update(before)


def opened(kind=CIFAR10DataModule, **options):
    data = kind(miniature=True, ood=(NAME,), **options)
    data.setup()
    return data, data.ood_sets[NAME]


def test_fifteen_kinds_at_five_severities_of_every_image():
    data, images = opened(limit=4)
    assert COUNT == 2000 and len(images) == 4 * 75 == len(set(images.keys))
    assert images.name == NAME and images.synthetic == "anomalies" and images.origin == "miniature"
    assert set(images.sources) == set(data.sets["test"].keys)
    items = [images.read(i) for i in range(len(images))]
    drawn = Counter((item.kind, item.severity) for item in items)
    assert set(drawn.values()) == {4}
    assert len(drawn) == 75 and {kind for kind, _ in drawn} <= set(KINDS)
    assert all(
        item.image.shape == (32, 32, 3) and item.key == key
        for item, key in zip(items, images.keys, strict=True)
    )
    clean = {item.key: item for item in map(data.sets["test"].read, range(4))}
    for item in items:
        assert item.target == clean[item.source].target and (item.image != clean[item.source].image).any()


def test_the_pixels_are_those_of_the_kind_with_the_constants_of_cifar():
    data, images = opened(limit=2)
    item = images.read(images.keys.index(f"{images.sources[0]}#imagenet_c_contrast/5"))
    clean = data.sets["test"].read(0).image
    expected = ANOMALIES["imagenet_c_contrast"](5, constants="cifar").render(clean, generator(0, "x", "y"))
    np.testing.assert_array_equal(item.image, expected.image)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_pixels_in_any_order_and_with_any_number_of_workers(workers):
    _, images = opened(limit=2)
    data, again = opened(limit=2, num_workers=workers, batch_size=32)
    assert again.fingerprint == images.fingerprint
    loader = next(iter(data.ood_dataloaders().values()))
    loaded = {key: image for batch in loader for key, image in zip(batch["key"], batch["image"], strict=True)}
    assert list(loaded) == images.keys
    mean, std = (np.float32(v)[:, None, None] for v in (data.mean, data.std))
    for place in reversed(range(len(images))):
        pixels = (images.read(place).image.transpose(2, 0, 1) / np.float32(255) - mean) / std
        np.testing.assert_allclose(loaded[images.keys[place]], pixels, atol=1e-6)


def test_at_most_two_thousand_images_or_the_limit_by_seed(monkeypatch):
    monkeypatch.setattr("datamodules.ood.corrupted.COUNT", 10)
    (data, whole), (_, limited), (_, other) = opened(), opened(limit=6), opened(seed=1)
    assert len(data.sets["test"]) == 30
    assert (len(whole), len(limited)) == (750, 450)
    assert set(whole.sources) <= set(data.sets["test"].keys) and whole.sources != other.sources


def test_it_is_drawn_on_scored_images_alone():
    data, _ = opened(limit=20)
    shared = with_calibration_share(data, 0.5)
    assert set(shared.ood_sets[NAME].sources) == set(shared.sets["test"].keys)
    assert not set(shared.ood_sets[NAME].sources) & set(shared.sets["val"].keys)


def test_for_another_network_the_test_images_of_cifar10_are_taken():
    own, images = opened()
    other, found = opened(CIFAR100DataModule)
    assert set(found.sources) == set(own.sets["test"].keys) and other.name == "cifar100"
    assert found.fingerprint == images.fingerprint


def test_it_is_a_shift_and_paired_with_the_test_images():
    module = CIFAR10DataModule
    assert module.shift == (NAME,) and NAME not in (*module.near, *module.far)
    assert on_test_images("cifar10", NAME) and not on_test_images("cifar100", NAME)
