"""Methods that score pixels after a fit: what they learn against float64, identities, saved states; images of
segmentation networks; which methods on features score a detector's objects.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.covariance import EmpiricalCovariance

from baselines import GEN, KNN, SML, MaxLogit, MDSPlusPlus, ViM
from baselines.features.base import PenultimateDetector
from baselines.features.rectified import Rectified
from benchmarks.levels.object import ObjectLevel
from benchmarks.pipeline.left_one_out import left_one_out
from lsood import Activations, Head, ModelInfo, OnePass
from lsood.methods import METHODS, create
from lsood.probes.objects import object_probes
from lsood.probes.pixels import PIXEL_SCORES, PixelMaps, PixelScores

K, C = 4, 12
STD = (0.25, 0.25, 0.25)
KEYS = [str(i) for i in range(6)]
FITTED = (
    "sml",
    "sml@boundary=4",
    "knn@k=3",
    "mds-pp",
    "vim@dimension=4",
    "latent-neighbour",
    "gen@gamma=0.5",
)
ON_FEATURES = sorted(
    name
    for name in METHODS
    if METHODS.entries[name].module.startswith("baselines.")
    and "object" in METHODS[name].levels
    and issubclass(METHODS[name], PenultimateDetector | Rectified)
)


def model_info(**options):
    return ModelInfo("segmentation", K, ("relu1", "relu2"), "drop", STD, mc_samples=2, **options)


def images(seed=0):
    return torch.rand((6, 3, 24, 32), generator=torch.Generator().manual_seed(seed))


def label_maps():
    blocks = torch.randint(0, K, (6, 6, 8), generator=torch.Generator().manual_seed(7))
    blocks[0, :2] = 255
    return blocks.repeat_interleave(4, 1).repeat_interleave(4, 2)


def measured(network, probes, x, targets=None):
    with OnePass(network, probes) as run:
        found = run(x, KEYS, targets)
        assert run.forwarded == {"shared_pass": len(x)}
    return Activations(dict(found), KEYS)


def fitted(network, detector, targets=None):
    detector.attach(model_info())
    probes = detector.pixel_fit_probes()
    train = measured(network, probes, images(1), targets) if probes else Activations({}, KEYS)
    return detector.fit_pixels(train)


def maps(network, detector):
    probe = detector.pixel_probe()
    return measured(network, [probe], images())[probe.name]


def positions(network, seed=1):
    x = images(seed)
    raw = network.relu2(network.conv2(network.relu1(network.conv1(x)))).detach()
    return F.avg_pool2d(raw, 4).double().permute(0, 2, 3, 1)


@pytest.mark.parametrize("name", FITTED)
def test_a_saved_state_gives_the_same_maps(tiny, name):
    network = tiny(dense=True)
    detector = fitted(network, create(name), label_maps())
    again = type(detector).from_state(detector.state(), **detector.get_params()).attach(model_info())
    assert again.pixel_probe().name == detector.pixel_probe().name
    assert torch.equal(maps(network, again), maps(network, detector))
    assert "pixel" in detector.levels


@pytest.mark.parametrize("name", [name for name in METHODS if "pixel" in METHODS[name].levels])
def test_methods_of_the_pixel_level_have_finite_maps_that_differ(tiny, name):
    network = tiny(dense=True)
    found = maps(network, fitted(network, create(f"{name}@dimension=4" if name == "vim" else name)))
    assert found.dtype == torch.float32 and found.shape[2:] == (24, 32) and found.isfinite().all()
    assert found.float().std() > 0


def test_sml_standardises_by_the_pixels_of_its_class(tiny):
    network = tiny(dense=True)
    targets = label_maps()
    detector = fitted(network, SML(), targets)
    best, which = network(images(1)).detach().double().max(1)
    known = targets < K
    counts = torch.bincount(which[known], minlength=K)
    assert (counts == 0).any() and (counts > 1).sum() > 1, "both cases occur"
    for c in range(K):
        own = best[known & (which == c)] if counts[c] > 1 else best[known]
        assert detector.mean_[c].item() == pytest.approx(own.mean().item(), rel=1e-12)
        assert detector.deviation_[c].item() == pytest.approx(own.std().item(), rel=1e-9)
    now, chosen = network(images()).detach().double().max(1)
    expected = -(now - detector.mean_[chosen]) / detector.deviation_[chosen]
    np.testing.assert_allclose(maps(network, detector)[:, 0], expected, rtol=1e-3, atol=2e-3)


def test_sml_of_moments():
    one = torch.tensor([[[3.0, 6.0, 14.0], [1.0, 5.0, 25.0], [0.0, 0.0, 0.0], [2.0, 8.0, 32.0]]]).double()
    detector = SML().fit(one)
    values = torch.tensor([1.0, 2, 3, 5, 4, 4]).double()
    pooled = (values.mean(), values.std())
    expected = torch.tensor([[2.0, 1.0], pooled, pooled, pooled]).double()
    torch.testing.assert_close(torch.stack([detector.mean_, detector.deviation_], 1), expected)
    halves = torch.cat([one / 2, one / 2])
    torch.testing.assert_close(SML().fit(halves).mean_, detector.mean_)
    with pytest.raises(ValueError, match="sml: the maximum logits of the fit set do not vary"):
        SML().fit(one[:, 3:])
    with pytest.raises(ValueError, match="every pixel is ignored"):
        SML().fit(0 * one)
    with pytest.raises(ValueError, match="boundary must be at least 0, got -1"):
        SML(-1)
    with pytest.raises(ValueError, match="sml scores pixels, not images or objects"):
        detector.score(one)
    with pytest.raises(ValueError, match="sml does not apply to classification"):
        SML().attach(ModelInfo("classification", K, (), "", STD))


def test_sml_with_standard_moments_is_max_logit(tiny):
    network, detector = tiny(dense=True), SML().attach(model_info())
    detector.mean_, detector.deviation_ = torch.zeros(K).double(), torch.ones(K).double()
    assert torch.equal(maps(network, detector), maps(network, MaxLogit().attach(model_info())))


def test_the_first_neighbour_is_the_latent_neighbour(tiny):
    network = tiny(dense=True)
    ours, theirs = (fitted(network, create(name), label_maps()) for name in ("knn@k=1", "latent-neighbour"))
    assert ours.pixel_probe().name == theirs.pixel_probe().name and torch.equal(ours.bank_, theirs.bank_)
    third = maps(network, fitted(network, KNN(3), label_maps()))
    assert (third >= maps(network, ours)).all() and (third > maps(network, ours)).any()


def drawn(network):
    """Features and classes of every labelled position: 48 of an image, fewer than are drawn."""
    labels = label_maps()[:, 2::4, 2::4].flatten()
    return positions(network).reshape(-1, C)[labels < K], labels[labels < K]


def test_mds_pp_learns_unit_features_by_true_class(tiny):
    network = tiny(dense=True)
    detector = fitted(network, MDSPlusPlus(), label_maps())
    x, labels = drawn(network)
    x = F.normalize(x).numpy()
    means = np.stack([x[labels == c].mean(0) for c in range(K)])
    peer = EmpiricalCovariance(assume_centered=True).fit(x - means[labels])
    test = F.normalize(positions(network, 0), dim=3).reshape(-1, C).numpy()
    distance = np.stack([peer.mahalanobis(test - mean) for mean in means]).min(0)
    expected = torch.from_numpy(np.log(distance)).reshape(6, 1, 6, 8)
    spread = F.interpolate(expected, size=(24, 32), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(maps(network, detector), spread, rtol=2e-3, atol=5e-3)
    one = fitted(network, MDSPlusPlus())
    assert len(one.means_) == 1, "without label maps all pixels are one class"


def test_vim_learns_residual_and_scale_of_pixels(tiny):
    network = tiny(dense=True)
    targets = label_maps()
    detector = fitted(network, ViM(dimension=4), targets)
    x, _ = drawn(network)
    off = x - x.mean(0)
    vectors = np.linalg.eigh((off.T @ off / len(off)).numpy())[1][:, : C - 4]
    residual = np.linalg.norm(off.numpy() @ vectors, axis=1)
    best = network(images(1)).detach().double().amax(1)[targets < K]
    alpha = best.mean().item() / residual.mean()
    assert detector.alpha_ == pytest.approx(alpha, rel=1e-5)
    of_test = np.linalg.norm((positions(network, 0) - x.mean(0)).numpy() @ vectors, axis=3)
    spread = F.interpolate(
        torch.from_numpy(of_test)[:, None], size=(24, 32), mode="bilinear", align_corners=False
    )
    expected = alpha * spread - network(images()).detach().double().logsumexp(1, keepdim=True)
    np.testing.assert_allclose(maps(network, detector), expected, rtol=2e-3, atol=2e-3)
    detector.alpha_ = 0.0
    energy = PixelMaps(("energy",))
    assert torch.equal(maps(network, detector), measured(network, [energy], images())[energy.name])


@pytest.mark.parametrize("name", ["knn", "mds-pp", "vim@dimension=4", "latent-neighbour", "sml"])
def test_a_fit_set_of_ignored_pixels_has_nothing_to_learn(tiny, name):
    with pytest.raises(ValueError, match="every pixel is ignored"):
        fitted(tiny(dense=True), create(name), torch.full((6, 24, 32), 255))


@pytest.mark.parametrize("name", ["sml", "mds-pp", "vim@dimension=4", "knn@k=3"])
def test_a_frame_can_be_left_out_of_the_fit(tiny, name):
    network = tiny(dense=True)
    detector = create(name).attach(model_info())
    rows = measured(network, detector.pixel_fit_probes(), images(1), label_maps())
    left = left_one_out(detector.fit_pixels(rows), rows, {key: key for key in KEYS})
    without = create(name).attach(model_info()).fit_pixels(rows.select(torch.tensor([0, 1, 3, 4, 5])))
    (score,) = left.pixel_probe().scores
    torch.testing.assert_close(maps(network, left)[2], maps(network, without)[2], rtol=1e-5, atol=1e-5)
    assert score not in detector.pixel_probe().scores


# images of segmentation networks


def test_images_by_gen_are_means_over_pixels(tiny):
    network = tiny(dense=True)
    detector = GEN(0.3, 2).attach(model_info())
    found = detector.score(measured(network, detector.probes(), images()))
    p = network(images()).detach().double().softmax(1).sort(1, descending=True).values[:, :2]
    expected = (p**0.3 * (1 - p) ** 0.3).sum(1).mean((1, 2))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    with pytest.raises(ValueError, match="gen@kept is for object detectors, not for segmentation"):
        GEN(over="kept").attach(model_info())


def test_images_by_vim_are_residual_and_mean_energy(tiny):
    network = tiny(dense=True)
    detector = ViM(dimension=4).attach(model_info())
    train = measured(network, detector.fit_probes(), images(1))
    test = measured(network, detector.probes(), images())
    detector.fit(train)
    x, scores = train["pooled.relu2"].double(), train[PixelScores().name]
    off = x - x.mean(0)
    basis = np.linalg.eigh((off.T @ off / len(off)).numpy())[1][:, : C - 4]
    residual = np.linalg.norm(off.numpy() @ basis, axis=1)
    alpha = -scores[:, PIXEL_SCORES.index("max_logit")].mean().item() / residual.mean()
    own = np.linalg.norm((test["pooled.relu2"].double() - x.mean(0)).numpy() @ basis, axis=1)
    expected = alpha * own + test[PixelScores().name][:, PIXEL_SCORES.index("energy")].numpy()
    np.testing.assert_allclose(detector.score(test), expected, rtol=1e-6)


# objects of a detector


def box_head():
    weight = torch.randn(K, C, generator=torch.Generator().manual_seed(3)).double()
    head = Head(weight, torch.zeros(K).double())
    return ModelInfo(
        "classification", K, ("box",), "region", STD, mc_samples=2, head=head, head_layer="class"
    )


def objects(info, n, seed):
    random = torch.Generator().manual_seed(seed)
    features = torch.rand(n, C, generator=random)
    found = {probe.name: torch.rand(n, C, generator=random) for probe in object_probes(info)}
    labels = torch.randint(0, K, (n,), generator=random)
    found |= {"pooled.box": features, "logits": info.head(features).float(), "labels": labels}
    return Activations(found, [f"image#{i}" for i in range(n)])


@pytest.mark.parametrize("name", ON_FEATURES)
def test_methods_on_features_score_objects(name):
    info = box_head()
    detector = create(f"{name}@dimension=4" if name in ("vim", "residual") else name).attach(info)
    assert ObjectLevel(None, info).unsupported(detector) is None
    detector.fit(objects(info, 80, 1))
    found = detector.score(objects(info, 9, 2))
    assert found.shape == (9,) and found.isfinite().all() and found.std() > 0
    alone = detector.score(objects(info, 9, 2).select(torch.tensor([4])))
    torch.testing.assert_close(alone, found[[4]], rtol=1e-6, atol=1e-9)
