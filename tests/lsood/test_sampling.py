"""One-pass samples against full passes: same numbers for the same masks, same distribution, batch mates do
not matter.
"""

import numpy as np
import pytest
import torch
from dropblock import DropBlock2D
from scipy.stats import ks_2samp, kstest
from torch import nn
from torchvision.ops import DropBlock2d

from lsood import Hook, OnePass, sample_latents
from lsood.extraction.masks import image_generator, keep_masks
from lsood.extraction.sampling import sample_latents_by_passes
from lsood.probes.image import LatentEntropy

LAYERS = [
    DropBlock2D(0.4, 5),
    DropBlock2D(0.5, 4),
    DropBlock2d(0.3, 3),
    nn.Dropout(0.3),
    nn.Dropout2d(0.4),
]


def same_distribution(full, ours):
    """Kolmogorov-Smirnov per channel; rounded, because the undropped map is an atom that float32 sums hit
    differently.
    """
    return all(
        ks_2samp(full[:, c].numpy().round(5), ours[:, c].numpy().round(5)).pvalue > 1e-3
        for c in range(full.shape[1])
    )


def features(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) + 0.1


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: f"{type(layer).__module__.split('.')[0]}-{layer}")
def test_same_distribution_as_full_passes(layer):
    """Kolmogorov-Smirnov over 3,000 draws of the layer itself, one image at a time, against one-pass
    samples.
    """
    x = features(1, 3, 10, 12)
    torch.manual_seed(1)
    layer.train()
    full = torch.stack([layer(x).mean(dim=(2, 3))[0] for _ in range(3000)])
    ours = sample_latents(x, layer.eval(), 3000, ["image"])[0]
    assert same_distribution(full, ours)
    assert ours.mean(0).tolist() == pytest.approx(full.mean(0).tolist(), rel=0.05)


def test_a_fully_connected_dropout_layer():
    x, layer = features(1, 5), nn.Dropout(0.25)
    ours = sample_latents(x, layer, 4000, ["a"])[0]
    kept = (ours != 0).float().mean(0)
    assert kept.tolist() == pytest.approx([0.75] * 5, abs=0.03)
    torch.testing.assert_close(ours.max(0).values, x[0] / 0.75)


@pytest.mark.parametrize("layer", LAYERS[:4], ids=str)
@pytest.mark.parametrize("reduction", ["fullmean", "mean", "avgpool", "raw"])
def test_equals_masking_the_features_by_hand(layer, reduction):
    x, keys = features(3, 4, 9, 7), ["a", "b", "c"]
    ours = sample_latents(x, layer, 6, keys, seed=5, reduction=reduction)
    for row, (image, key) in enumerate(zip(x, keys, strict=True)):
        masks = keep_masks(layer, image.shape, 6, image_generator(key, 5, "cpu"))
        dropped = image.double() * masks.double()
        expected = {
            "fullmean": lambda d: d.mean(dim=(2, 3)),
            "mean": lambda d: d.mean(dim=3).flatten(1),
            "avgpool": lambda d: nn.functional.adaptive_avg_pool2d(d, 4).flatten(1),
            "raw": lambda d: d.flatten(1),
        }[reduction](dropped)
        torch.testing.assert_close(ours[row].double(), expected, rtol=1e-5, atol=1e-6)


def test_samples_do_not_depend_on_batch_mates_or_order():
    x, keys, layer = features(5, 4, 8, 8), list("abcde"), DropBlock2D(0.4, 3)
    together = sample_latents(x, layer, 16, keys)
    order = [3, 0, 4]
    torch.testing.assert_close(sample_latents(x[order], layer, 16, [keys[i] for i in order]), together[order])
    assert not torch.equal(together, sample_latents(x, layer, 16, keys, seed=1))


def test_masks_keep_the_mean_of_a_constant_map():
    """Rescaling per sample: a constant map has the same mean under every mask (whole-batch rescaling gives
    0.55 to 1.53).
    """
    ours = sample_latents(torch.ones(4, 2, 9, 9), DropBlock2D(0.5, 4), 32, list("abcd"))
    torch.testing.assert_close(ours, torch.ones_like(ours))


def test_a_map_dropped_entirely_is_drawn_again():
    x, layer = features(20, 3, 4, 4), DropBlock2D(0.4, 5)
    torch.manual_seed(0)
    layer.train()
    passes = torch.cat([layer(x[:1]).mean(dim=(2, 3)) for _ in range(400)])
    assert not passes.isfinite().all(), (
        "the layer itself must divide by zero now and then, or this test shows nothing"
    )
    ours = sample_latents(x, layer, 64, [str(i) for i in range(20)])
    assert ours.isfinite().all()
    finite = passes[passes.isfinite().all(1)]
    assert same_distribution(finite, sample_latents(x[:1], layer, 2000, ["0"])[0])


def test_a_layer_that_always_drops_everything_is_refused():
    with pytest.raises(ValueError, match="drops the whole 4x4 map"):
        sample_latents(features(1, 2, 4, 4), DropBlock2D(1.0, 1), 4, ["a"])


def test_unsupported_layers_and_wrong_keys_are_named():
    with pytest.raises(ValueError, match="Monte-Carlo samples of ReLU"):
        sample_latents(features(1, 2, 4, 4), nn.ReLU(), 4, ["a"])
    with pytest.raises(ValueError, match="2 images but 1 keys"):
        sample_latents(features(2, 2, 4, 4), nn.Dropout(0.5), 4, ["a"])
    with pytest.raises(ValueError, match="odd block sizes"):
        sample_latents(features(1, 2, 8, 8), DropBlock2d(0.3, 4), 4, ["a"])


class Stacked(nn.Module):
    """A random layer upstream of the hooked one."""

    def __init__(self):
        super().__init__()
        self.first, self.conv, self.drop = nn.Dropout2d(0.5), nn.Conv2d(3, 4, 3), DropBlock2D(0.3, 3)

    def forward(self, x):
        return self.drop(self.conv(self.first(x)).relu()).mean(dim=(2, 3))


def test_a_random_layer_upstream_falls_back_to_full_passes():
    torch.manual_seed(0)
    network = Stacked().eval()
    images = features(2, 3, 12, 12)
    with OnePass(network, [LatentEntropy("drop", 8)]) as run:
        alone = run(images[:1], ["a"])
        both = run(images.flip(0), ["b", "a"])
    name = "entropy.drop.fullmean.t8.s0"
    torch.testing.assert_close(alone[name][0], both[name][1])
    assert run.upstream_random
    assert run.forwarded == {"shared_pass": 3, "sampling": 3 * 8}


def test_full_passes_have_the_distribution_of_the_network_with_dropout_on():
    torch.manual_seed(0)
    network, image = Stacked().eval(), features(1, 3, 12, 12)
    ours = sample_latents_by_passes(network, image, "drop", 2000, ["a"])[0]
    network.train()
    with Hook(network.drop) as hook, torch.no_grad():
        full = []
        for _ in range(2000):
            network(image)
            full.append(hook.output.mean(dim=(2, 3))[0])
    assert same_distribution(torch.stack(full), ours)


def test_masks_have_the_layers_drop_share():
    masks = keep_masks(nn.Dropout2d(0.3), (2000, 4, 4), 1, image_generator("a", 0, "cpu"))
    assert (masks == 0).float().mean().item() == pytest.approx(0.3, abs=0.04)
    uniform = torch.rand(5000, generator=image_generator("key", 7, "cpu")).numpy()
    assert kstest(uniform, "uniform").pvalue > 1e-3
    assert np.unique(uniform).size > 4900
