"""Pixel scores with parameters or a fit: float64 formulas, the authors' boundary steps in scipy, identities, and that
an image's map does not depend on its batch mates.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage

from lsood import OnePass
from lsood.probes.base import ForwardOutputs
from lsood.probes.logit_scores import generalised_entropy
from lsood.probes.pixel.boundary import smoothed, suppressed
from lsood.probes.pixel.gaussian import PixelGaussians
from lsood.probes.pixel.generalised_entropy import GENMaps, GENMeans, pixel_generalised_entropy
from lsood.probes.pixel.neighbours import PixelNeighbours
from lsood.probes.pixel.positions import PixelClasses, PixelFeatures
from lsood.probes.pixel.standardised import MaxLogitMoments, StandardisedMaps
from lsood.probes.pixel.virtual_logit import PixelVirtualLogit
from lsood.probes.pixels import PixelMaps

KEYS = ["a", "b", "c"]
ONE = torch.ones(4, dtype=torch.float64)


def images(n=3, size=(24, 32), seed=0):
    return torch.rand((n, 3, *size), generator=torch.Generator().manual_seed(seed))


def measured(network, probe, x, keys=KEYS, targets=None):
    with OnePass(network, [probe]) as run:
        found = run(x, keys, targets)[probe.name]
        assert run.forwarded == {"shared_pass": len(x)}
    return found


def of_logits(probe, z, targets=None):
    return probe(ForwardOutputs(None, z, z, KEYS[: len(z)], targets, {}, {}), None)


def random(*shape, seed=0, scale=1.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def probes():
    maps = random(3, 12, 12, seed=3).double()
    return [
        PixelMaps(("max_logit",)),
        GENMaps(),
        GENMaps(0.5, 2),
        StandardisedMaps(ONE, 2 * ONE),
        StandardisedMaps(ONE, 2 * ONE, 4),
        PixelNeighbours("relu2", F.normalize(random(30, 12), dim=1), 5),
        PixelGaussians("relu2", maps[0], maps[1][:4]),
        PixelVirtualLogit("relu2", maps[2][0], maps[1][:, :5], 0.7),
    ]


@pytest.mark.parametrize("probe", probes(), ids=lambda p: p.name)
def test_maps_do_not_depend_on_batch_mates(tiny, probe):
    network, x = tiny(dense=True), images()
    whole = measured(network, probe, x)
    assert whole.dtype == torch.float32 and whole.shape == (3, 1, 24, 32) and whole.isfinite().all()
    alone = torch.cat([measured(network, probe, x[[i]], [KEYS[i]]) for i in (2, 0)])
    torch.testing.assert_close(alone, whole[[2, 0]], rtol=2e-3, atol=2e-3)
    assert probe.scores == (probe.name,) or isinstance(probe, PixelMaps)


def test_names_tell_all_parameters():
    assert len({probe.name for probe in probes()}) == len(probes())


@pytest.mark.parametrize("largest", [100, 4, 3, 1])
def test_generalised_entropy_of_pixels_is_that_of_vectors(largest):
    z = random(2, 4, 5, 6, scale=8)
    found = pixel_generalised_entropy(z, 0.3, largest)
    vectors = z.permute(0, 2, 3, 1).reshape(-1, 4).double()
    expected = generalised_entropy(vectors, 0.3, largest).reshape(2, 5, 6)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-6)
    p = vectors.softmax(1).sort(1, descending=True).values[:, :largest]
    torch.testing.assert_close(
        (p**0.3 * (1 - p) ** 0.3).sum(1).reshape(2, 5, 6), expected, rtol=1e-6, atol=1e-6
    )
    torch.testing.assert_close(
        of_logits(GENMeans(0.3, largest), z)[:, 0], expected.mean((1, 2)), rtol=1e-4, atol=0
    )
    torch.testing.assert_close(
        of_logits(GENMaps(0.3, largest), z)[:, 0].double(), expected, rtol=2e-3, atol=1e-3
    )


def test_the_entropy_of_sure_pixels_is_not_tied():
    z = torch.zeros(1, 3, 1, 3)
    z[0, 0, 0] = torch.tensor([30.0, 40.0, 60.0])
    maps = of_logits(GENMaps(), z)[0, 0, 0]
    assert maps[0] > maps[1] > maps[2] > 0


def test_moments_are_those_of_the_labelled_pixels(tiny):
    network, x = tiny(dense=True), images()
    targets = torch.randint(0, 4, (3, 24, 32), generator=torch.Generator().manual_seed(1))
    targets[0, :9] = 255
    targets[1] = -1
    found = measured(network, MaxLogitMoments(4), x, targets=targets)
    z = network(x).detach()
    for i in range(3):
        best, which = z[i].max(0)
        for k in range(4):
            own = best[(which == k) & (targets[i] >= 0) & (targets[i] < 4)].double()
            expected = torch.stack([torch.tensor(float(len(own))).double(), own.sum(), own.square().sum()])
            torch.testing.assert_close(found[i, k], expected, rtol=1e-12, atol=1e-12)
    assert not found[1].any()
    alone = measured(network, MaxLogitMoments(4), x[[2]], ["c"], targets[[2]])
    torch.testing.assert_close(alone[0], found[2], rtol=1e-6, atol=1e-6)
    everything = measured(network, MaxLogitMoments(4), x)
    assert everything[:, :, 0].sum().item() == 3 * 24 * 32


def test_standardised_maps_equal_the_formula_and_with_standard_moments_max_logit():
    z = random(2, 4, 12, 16, scale=5)
    mean, deviation = torch.tensor([1.0, 2, 3, 4]).double(), torch.tensor([1.0, 0.5, 2, 3]).double()
    best, which = z.double().max(1)
    expected = -(best - mean[which]) / deviation[which]
    found = of_logits(StandardisedMaps(mean, deviation), z)
    torch.testing.assert_close(found[:, 0].double(), expected, rtol=1e-3, atol=1e-3)
    plain = of_logits(StandardisedMaps(0 * ONE, ONE), z)
    assert torch.equal(plain, of_logits(PixelMaps(("max_logit",)), z))


def scipy_boundaries(classes):
    largest = ndimage.grey_dilation(
        classes, footprint=ndimage.generate_binary_structure(2, 1), mode="constant", cval=-1e9
    )
    padded = np.pad(classes, 1, constant_values=1e9)
    return largest != ndimage.minimum_filter(padded, size=3)[1:-1, 1:-1]


def scipy_suppressed(scores, classes, width):
    """Jung et al., network/deepv3.py: boundary_width = boundary_iteration = width."""
    cross = ndimage.generate_binary_structure(2, 1)
    boundary, out = scipy_boundaries(classes), scores
    for step in range(width):
        radius = 0 if step == width - 1 else width - step - 1
        wide = ndimage.binary_dilation(boundary, cross, iterations=radius) if radius else boundary
        inside = np.pad((~wide).astype(float), 1, mode="edge")
        values = np.pad(out * ~wide, 1, mode="edge")
        before = out
        out = before.copy()
        for r, c in zip(*np.nonzero(wide), strict=True):
            count = inside[r : r + 3, c : c + 3].sum()
            if count:
                out[r, c] = values[r : r + 3, c : c + 3].sum() / count
    return out


@pytest.mark.parametrize("width", [1, 2, 4])
def test_boundaries_are_suppressed_as_by_the_authors(width):
    z = F.interpolate(random(2, 4, 5, 6, seed=2), size=(30, 40), mode="bilinear")
    scores, classes = random(2, 1, 30, 40, seed=5), z.argmax(1, keepdim=True)
    found = suppressed(scores, classes, width)
    for i in range(2):
        expected = scipy_suppressed(scores[i, 0].double().numpy(), classes[i, 0].numpy().astype(float), width)
        np.testing.assert_allclose(found[i, 0].numpy(), expected, atol=1e-5)
        far = ~ndimage.binary_dilation(
            scipy_boundaries(classes[i, 0].numpy().astype(float)), iterations=max(width - 1, 1)
        )
        assert far.any() and torch.equal(
            found[i, 0][torch.from_numpy(far)], scores[i, 0][torch.from_numpy(far)]
        )


def test_one_class_has_no_boundary():
    scores = random(1, 1, 20, 20)
    assert torch.equal(suppressed(scores, torch.zeros(1, 1, 20, 20), 4), scores)


def test_smoothing_is_the_dilated_gaussian():
    scores = random(2, 1, 20, 50)
    offsets = np.arange(7) - 3
    kernel = np.exp(-(offsets[:, None] ** 2 + offsets**2) / 2)
    wide = np.zeros((37, 37))
    wide[::6, ::6] = kernel / kernel.sum()
    found = smoothed(scores)
    for i in range(2):
        expected = ndimage.correlate(scores[i, 0].double().numpy(), wide, mode="nearest")
        np.testing.assert_allclose(found[i, 0].numpy(), expected, atol=1e-6)
    torch.testing.assert_close(smoothed(torch.full((1, 1, 9, 9), 3.0)), torch.full((1, 1, 9, 9), 3.0))


def pooled(network, x):
    return F.avg_pool2d(network.relu2(network.conv2(network.relu1(network.conv1(x)))), 4).detach()


def at_pixels(values):
    return F.interpolate(values[:, None], size=(24, 32), mode="bilinear", align_corners=False)


def test_the_kth_neighbour_and_the_first(tiny):
    network, x = tiny(dense=True), images()
    bank = PixelNeighbours.of("relu2", measured(network, PixelFeatures("relu2", 4), images(seed=1)), 40).bank
    unit = F.normalize(pooled(network, x).double(), dim=1)
    similar = torch.einsum("bchw,mc->bhwm", unit, bank.double()).sort(dim=3, descending=True).values
    for k in (1, 7, 40, 99):
        expected = at_pixels((1 - similar[..., min(k, 40) - 1]).log())
        found = measured(network, PixelNeighbours("relu2", bank, k), x)
        torch.testing.assert_close(found.double(), expected, rtol=0, atol=0.02)
    assert PixelNeighbours("relu2", bank).name == PixelNeighbours("relu2", bank, 1).name


def test_gaussians_equal_the_inverse_covariance(tiny):
    network, x = tiny(dense=True), images()
    means, root = random(3, 12).double() / 3, random(12, 12, seed=4).double()
    precision = root @ root.T
    unit = F.normalize(pooled(network, x).double(), dim=1).permute(0, 2, 3, 1)
    off = unit[..., None, :] - means
    distance = torch.einsum("bhwkc,cd,bhwkd->bhwk", off, precision, off).amin(3)
    found = measured(network, PixelGaussians("relu2", root, means @ root), x)
    torch.testing.assert_close(found.double(), at_pixels(distance.log()), rtol=2e-3, atol=2e-3)


def test_the_virtual_logit_is_residual_and_energy(tiny):
    network, x = tiny(dense=True), images()
    origin, basis = random(12).double(), random(12, 5, seed=2).double()
    raw = pooled(network, x).double().permute(0, 2, 3, 1)
    residual = at_pixels(((raw - origin) @ basis).norm(dim=3))
    energy = -network(x).double().logsumexp(1, keepdim=True).detach()
    found = measured(network, PixelVirtualLogit("relu2", origin, basis, 1.5), x)
    torch.testing.assert_close(found.double(), 1.5 * residual + energy, rtol=2e-3, atol=2e-3)
    without = measured(network, PixelVirtualLogit("relu2", origin, basis, 0.0), x)
    assert torch.equal(without, measured(network, PixelMaps(("energy",)), x))


def test_classes_are_those_of_the_drawn_positions(tiny):
    network, x = tiny(dense=True), images()
    targets = torch.randint(0, 4, (3, 6, 8)).repeat_interleave(4, 1).repeat_interleave(4, 2)
    targets[0, 8:] = 255
    raw = measured(network, PixelFeatures("relu2", 4, 20, unit=False), x, targets=targets)
    unit = measured(network, PixelFeatures("relu2", 4, 20), x, targets=targets)
    classes = measured(network, PixelClasses("relu2", 4, 20), x, targets=targets)
    torch.testing.assert_close(F.normalize(raw, dim=2), unit)
    assert classes.dtype == torch.int64 and (classes >= 0).sum(1).tolist() == [16, 20, 20]
    assert torch.equal(classes >= 0, raw.any(2))
    features = pooled(network, x)
    for i in range(3):
        for feature, label in zip(raw[i], classes[i], strict=True):
            if label >= 0:
                place = (features[i] - feature[:, None, None]).norm(dim=0).flatten().argmin()
                assert targets[i, ::4, ::4].flatten()[place] == label
    assert (measured(network, PixelClasses("relu2", 4, 20), x) == -1).all()
