"""Layers that a pass calls once per level of a feature pyramid: hooks and one-pass samples of the proposal head."""

import pytest
import torch
from dropblock import DropBlock2D
from scipy.stats import ks_2samp
from torch import nn

from lsood import Hook, sample_latents
from lsood.extraction.masks import image_generator, keep_masks
from lsood.extraction.sampling import sample_latents_by_passes
from networks import build
from networks.models.detection.proposals import SafeDropBlock


class Pyramid(nn.Module):
    """Calls ``drop`` on maps of three sizes."""

    def __init__(self):
        super().__init__()
        self.conv, self.drop = nn.Conv2d(3, 4, 3, padding=1), DropBlock2D(0.4, 3)

    def forward(self, x):
        return [self.drop(self.conv(x[..., ::step, ::step]).relu()) for step in (1, 2, 3)]


def pyramid(n=2):
    torch.manual_seed(0)
    return Pyramid().eval(), torch.rand(n, 3, 24, 30)


def test_hook_keeps_every_call_of_the_last_pass():
    network, x = pyramid()
    with Hook(network.drop, network) as every, Hook(network.drop) as last:
        network(x)
        maps = network(x[:1])
        assert [tuple(level.shape) for level in every.inputs] == [
            (1, 4, 24, 30),
            (1, 4, 12, 15),
            (1, 4, 8, 10),
        ]
        assert all(torch.equal(a, b) for a, b in zip(every.outputs, maps, strict=True))
        assert len(last.outputs) == 1 and torch.equal(last.output, maps[-1])
        assert torch.equal(every.output, last.output) and every.input is every.inputs[-1]
    network(x)
    assert len(every.outputs) == 3 and len(every.inputs[0]) == 1, "closed"
    assert not network._forward_pre_hooks and not network.drop._forward_hooks


def test_levels_are_reduced_one_by_one_with_masks_of_one_generator():
    network, x = pyramid()
    with Hook(network.drop, network) as hook:
        network(x)
    ours = sample_latents(hook.inputs, network.drop, 5, ["a", "b"], seed=2)
    assert ours.shape == (2, 5, 12)
    for row, key in enumerate("ab"):
        generator = image_generator(key, 2, "cpu")
        for i, level in enumerate(hook.inputs):
            masks = keep_masks(network.drop, level.shape[1:], 5, generator)
            expected = (level[row] * masks).mean(dim=(2, 3))
            torch.testing.assert_close(ours[row, :, 4 * i : 4 * i + 4], expected)
    alone = sample_latents([level[1:] for level in hook.inputs], network.drop, 5, ["b"], seed=2)
    torch.testing.assert_close(alone[0], ours[1])
    with pytest.raises(ValueError, match="1 images but 2 keys"):
        sample_latents([hook.inputs[0], hook.inputs[1][:1]], network.drop, 5, ["a", "b"])


def test_one_level_is_sampled_as_a_plain_map():
    layer, x = DropBlock2D(0.4, 3), torch.rand(2, 3, 8, 8)
    assert torch.equal(sample_latents([x], layer, 4, ["a", "b"]), sample_latents(x, layer, 4, ["a", "b"]))


def test_same_masks_as_drop_block_itself(monkeypatch):
    """The layer in training mode, drawing from the image's generator, level after level."""
    network, x = pyramid(1)
    with Hook(network.drop, network) as hook:
        network(x)
    ours = sample_latents(hook.inputs, network.drop, 1, ["a"])[0, 0]
    generator, rand = image_generator("a", 0, "cpu"), torch.rand
    monkeypatch.setattr(torch, "rand", lambda *shape: rand(*shape, generator=generator))
    network.drop.train()
    means = [network.drop(level).mean(dim=(2, 3))[0] for level in hook.inputs]
    torch.testing.assert_close(ours, torch.cat(means))


def test_full_passes_sample_every_level():
    network, x = pyramid()
    samples = sample_latents_by_passes(network, x, "drop", 6, ["a", "b"])
    assert samples.shape == (2, 6, 12)
    alone = sample_latents_by_passes(network, x[1:], "drop", 6, ["b"])
    torch.testing.assert_close(alone[0], samples[1])


@torch.no_grad()
def test_the_proposal_head_has_the_distribution_of_full_passes():
    """Kolmogorov-Smirnov per level and channel: one pass of Faster R-CNN and 300 masks, beside 300 passes of it with
    its DropBlock active. Levels that a pass drops whole have no value there (and are drawn again in ours).
    """
    torch.manual_seed(0)
    network = build("faster-rcnn-small", 3).eval()
    image = torch.randn(1, 3, 64, 96)
    layer, draws = network.get_submodule(network.latent_layer), 300
    with Hook(layer, network) as hook:
        network(image)
        ours = sample_latents(hook.inputs, layer, draws, ["image"])[0].split(32, dim=1)
        layer.train()
        passes = []
        for _ in range(draws):
            network(image)
            passes.append([level.mean(dim=(2, 3))[0] for level in hook.outputs])
    assert len(ours) == 5 and sum(level.shape[1] for level in ours) == 160
    for level, mine in enumerate(ours):
        full = torch.stack([means[level] for means in passes])
        full = full[full.abs().sum(1) > 0]
        for channel in range(0, 32, 9):
            found = ks_2samp(full[:, channel].numpy().round(5), mine[:, channel].numpy().round(5))
            assert found.pvalue > 1e-4, (level, channel)


def test_safe_drop_block_is_drop_block_without_its_division_by_zero():
    x = torch.rand(3, 2, 9, 12)
    plain, safe = DropBlock2D(0.4, 4).train(), SafeDropBlock(0.4, 4).train()
    torch.manual_seed(1)
    expected = plain(x)
    torch.manual_seed(1)
    torch.testing.assert_close(safe(x), expected)
    assert torch.equal(safe.eval()(x), x) and torch.equal(SafeDropBlock(0.0, 4).train()(x), x)
    certain = SafeDropBlock(1.0, 1).train()
    assert torch.equal(certain(x), torch.zeros_like(x)) and len(certain(x[:0])) == 0
