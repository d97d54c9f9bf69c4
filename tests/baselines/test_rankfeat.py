"""RankFeat: exact SVD and pytorch-ood 0.4, the rest of the network run by hand, one by one and in mixed batches."""

import pytest
import torch
from pytorch_ood import detector as peer
from torch import nn

from baselines import RankFeat
from baselines.layers.rankfeat import without_rank_one
from lsood import Activations, ModelInfo, OnePass
from lsood.probes.image import Logits, standard_probes
from networks import build

MODEL_INFO = ModelInfo("classification", 4, ("relu1", "relu2"), "drop", (1.0, 1.0, 1.0))


def images(n, seed=0):
    return torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def measured(network, model_info, x, keys=None):
    detector = RankFeat().attach(model_info)
    keys = list(map(str, range(len(x)))) if keys is None else keys
    with OnePass(network, detector.probes()) as run:
        found = Activations(run(x, keys), keys)
        return detector.score(found), run.forwarded


def by_svd(maps):
    u, s, v = torch.linalg.svd(maps.flatten(2), full_matrices=False)
    return (maps.flatten(2) - s[:, :1, None] * u[:, :, :1] @ v[:, :1]).reshape(maps.shape)


@pytest.mark.parametrize("shape", [(5, 12, 3, 4), (5, 12, 5, 7), (5, 1, 4, 4), (5, 8, 1, 1)])
def test_gram_equals_svd(shape):
    maps = torch.rand(shape, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(without_rank_one(maps), by_svd(maps), rtol=1e-9, atol=1e-9)
    single = without_rank_one(maps.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), by_svd(maps), rtol=0, atol=3e-6)


def test_a_map_of_rank_one_becomes_zero_and_zeros_stay():
    outer = torch.rand(2, 6, 1) @ torch.rand(2, 1, 20)
    assert without_rank_one(outer.reshape(2, 6, 4, 5)).abs().max() < 1e-6
    assert without_rank_one(torch.zeros(2, 6, 4, 5)).abs().max() == 0


def test_equals_the_rest_of_the_network_on_both_maps(tiny):
    network, x = tiny(), images(6)
    with torch.no_grad():
        first = network.relu1(network.conv1(x))
        second = network.relu2(network.conv2(first))

        def rest(maps):
            return network.head(maps).mean(dim=(2, 3))

        logits = (rest(network.relu2(network.conv2(by_svd(first)))) + rest(by_svd(second))) / 2
    score, forwarded = measured(tiny(), MODEL_INFO, x)
    torch.testing.assert_close(score.float(), -logits.logsumexp(1), rtol=1e-4, atol=1e-5)
    assert forwarded == {"shared_pass": 6, "sampling": 12}
    theirs = peer.RankFeat(nn.Identity(), rest).predict_feature_maps(second)
    alone, _ = measured(tiny(), ModelInfo("classification", 4, ("relu2",), "drop", (1.0,) * 3), x)
    torch.testing.assert_close(alone.float(), theirs, rtol=1e-4, atol=1e-5)


def test_one_by_one_equals_a_mixed_batch(tiny):
    network, x = tiny(), torch.cat([images(5), 5 * images(5, 1)])
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    alone = torch.cat([measured(network, MODEL_INFO, image[None])[0] for image in x])
    torch.testing.assert_close(measured(network, MODEL_INFO, x[order])[0], alone[order], rtol=1e-5, atol=1e-5)


def test_it_leaves_the_other_probes_alone_and_no_hook_behind(tiny):
    network, x, keys = tiny(), images(4), list("abcd")
    with OnePass(network, standard_probes(MODEL_INFO)) as run:
        before = run(x, keys)
    with OnePass(network, [*RankFeat().attach(MODEL_INFO).probes(), *standard_probes(MODEL_INFO)]) as run:
        after = run(x, keys)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not any(module._forward_hooks for module in network.modules())


def test_segmentation_is_the_mean_over_pixels(tiny):
    network, x = tiny(dense=True), images(3)
    model_info = ModelInfo("segmentation", 4, ("relu2",), "drop", (1.0,) * 3)
    with torch.no_grad():
        maps = network.relu2(network.conv2(network.relu1(network.conv1(x))))
        expected = -network.head(by_svd(maps)).logsumexp(1).mean(dim=(1, 2))
    torch.testing.assert_close(measured(network, model_info, x)[0].float(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "maps"), [("lenet", 1), ("resnet18-small", 2)])
def test_real_networks_use_the_layers_that_are_maps(name, maps):
    torch.manual_seed(0)
    network = build(name, 5, 3, **({"image_size": (16, 16)} if name == "lenet" else {}))
    model_info = ModelInfo(
        "classification", 5, tuple(network.feature_layers), network.latent_layer, (1.0,) * 3
    )
    score, forwarded = measured(network, model_info, images(2))
    assert score.isfinite().all()
    assert forwarded["sampling"] == 2 * maps


def test_what_cannot_work_is_named(tiny):
    flat = nn.Sequential(nn.Flatten(), nn.Linear(768, 8), nn.ReLU(), nn.Linear(8, 4))
    with pytest.raises(
        ValueError, match=r"rankfeat needs feature maps \(B, C, H, W\), none of 1, 2 gives any"
    ):
        measured(flat, ModelInfo("classification", 4, ("1", "2"), "2", (1.0,) * 3), images(1))
    x = images(2)
    x[1, 0, 0, 0] = torch.nan
    detector = RankFeat().attach(MODEL_INFO)
    with (
        OnePass(tiny(), detector.probes()) as run,
        pytest.raises(ValueError, match=r"not finite .* image 'b'"),
    ):
        run(x, ["a", "b"])
    assert RankFeat().score(torch.zeros(1, 2)).item() == pytest.approx(-0.693147, abs=1e-6)
    assert Logits().name == "logits"
