"""The latent score of pixels against scikit-learn's neighbours, and what may be drawn from the fit set."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.neighbors import NearestNeighbors

from baselines import LatentNeighbour
from lsood import ModelInfo, OnePass
from lsood.probes.pixel.neighbours import PixelNeighbours
from lsood.probes.pixel.positions import PixelFeatures, position_features

KEYS = ["a", "b", "c"]


def images(n=3, size=(24, 32), seed=0):
    return torch.rand((n, 3, *size), generator=torch.Generator().manual_seed(seed))


def measured(network, probe, x, keys=KEYS, targets=None):
    with OnePass(network, [probe]) as run:
        found = run(x, keys, targets)[probe.name]
        assert run.forwarded == {"shared_pass": len(x)}
    return found


def test_distances_equal_brute_force_in_float64(tiny):
    network, x = tiny(dense=True), images()
    drawn = measured(network, PixelFeatures("relu2", 4, per_image=20), images(seed=1))
    probe = PixelNeighbours.of("relu2", drawn, size=50)
    maps = measured(network, probe, x)
    assert maps.shape == (3, 1, 24, 32) and maps.dtype == torch.float32
    features = network.relu2(network.conv2(network.drop(network.relu1(network.conv1(x))))).double()
    pooled = F.avg_pool2d(features, 4)
    rows = pooled.permute(0, 2, 3, 1).reshape(-1, 12).detach().numpy()
    nearest = NearestNeighbors(n_neighbors=1, metric="cosine", algorithm="brute").fit(
        probe.bank.double().numpy()
    )
    distance = np.log(nearest.kneighbors(rows)[0].reshape(3, 1, 6, 8))
    spread = F.interpolate(torch.from_numpy(distance), size=(24, 32), mode="bilinear")
    np.testing.assert_allclose(maps.double().numpy(), spread.numpy(), atol=0.01)


def test_the_method_measures_these_distances(tiny):
    drawn = measured(tiny(dense=True), PixelFeatures("relu2", 4), images(seed=1))
    model_info = ModelInfo("segmentation", 4, ("relu1", "relu2"), "drop", (1.0, 1.0, 1.0))
    detector = LatentNeighbour().attach(model_info).fit(drawn)
    probe = PixelNeighbours.of("relu2", drawn)
    assert detector.pixel_probe().name == probe.name and torch.equal(detector.bank_, probe.bank)


def test_the_bank_is_a_function_of_the_images_alone(tiny):
    network, probe, x = tiny(dense=True), PixelFeatures("relu1", 4), images()
    whole = measured(network, probe, x)
    torch.testing.assert_close(
        measured(network, probe, x[[2, 0]], ["c", "a"]), whole[[2, 0]], rtol=0, atol=1e-6
    )
    torch.testing.assert_close(whole.norm(dim=2), torch.ones(3, 16))
    bank = PixelNeighbours.of("relu1", whole, size=20)
    assert bank.bank.shape == (20, 8) and bank.name == PixelNeighbours.of("relu1", whole, size=20).name
    assert bank.name != PixelNeighbours.of("relu1", whole, size=21).name


def test_what_is_stored_is_its_own_neighbour(tiny):
    network, x = tiny(dense=True), images(1)
    drawn = measured(network, PixelFeatures("relu2", 4, per_image=48), x, ["a"])
    probe = PixelNeighbours.of("relu2", drawn)
    assert len(probe.bank) == 48
    assert measured(network, probe, x, ["a"]).max() < -12


def test_ignored_positions_are_not_drawn(tiny):
    network, x = tiny(dense=True), images()
    targets = torch.full((3, 24, 32), 255)
    targets[0, :8, :8] = 1
    targets[1] = 3
    drawn = measured(network, PixelFeatures("relu2", 4), x, targets=targets)
    assert drawn.any(2).sum(1).tolist() == [4, 16, 0]
    unit = F.normalize(F.avg_pool2d(network.relu2(network.conv2(network.relu1(network.conv1(x)))), 4), dim=1)
    corner = unit[0, :, :2, :2].flatten(1).T
    assert torch.cdist(drawn[0, :4], corner).amin(1).max() < 1e-3
    assert len(PixelNeighbours.of("relu2", drawn).bank) == 20
    with pytest.raises(ValueError, match="relu2: no features of the fit set"):
        PixelNeighbours.of("relu2", torch.zeros(2, 16, 12))


@pytest.mark.parametrize(
    ("shape", "size", "stride"),
    [((48, 60), (180, 240), 4), ((24, 32), (24, 32), 4), ((12, 15), (180, 240), 16), ((12, 16), (24, 31), 4)],
)
def test_strides_of_padded_and_fine_maps(shape, size, stride):
    maps, found = position_features(torch.rand(1, 5, *shape), *size)
    assert found == stride
    assert maps.shape[-2] * stride >= size[0] and maps.shape[-1] * stride >= size[1]
