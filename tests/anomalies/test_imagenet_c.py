"""ImageNet-C: against the published package, where it is installed, and against formulas and counts."""

import importlib
import sys
import types

import numpy as np
import pytest

from anomalies import ANOMALIES, Recipe, generator
from anomalies.kinds.imagenet_c._filters import boxes, moved, poisson_quantiles, shuffled
from anomalies.kinds.imagenet_c.imagenet_c_fog import plasma

NAMES = [kind.removeprefix("imagenet_c_") for kind in ANOMALIES if kind.startswith("imagenet_c_")]
EXACT = (
    "defocus_blur",
    "brightness",
    "contrast",
    "pixelate",
    "jpeg_compression",
    "gaussian_blur",
    "saturate",
)


def image(shape=(96, 128, 3), seed=0):
    """Blocks of colour, a gradient and some noise, with black, white and grey in it."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 256, (shape[0] // 8, shape[1] // 8, shape[2])).repeat(8, axis=0).repeat(8, axis=1)
    drawn = np.clip(cells + rng.normal(0, 12, shape) + np.linspace(-30, 30, shape[1])[:, None], 0, 255)
    drawn[:16, :16], drawn[:16, 16:32], drawn[16:32, :16] = 0, 255, 128
    return drawn.astype(np.uint8)


def corrupted(name, severity, clean, key="a", **parameters):
    anomaly = ANOMALIES[f"imagenet_c_{name}"](severity, **parameters)
    return anomaly.render(clean, generator(0, name, key)).image


@pytest.fixture(scope="module")
def published():
    """The package, with what newer versions of its dependencies no longer have put back."""
    filters = pytest.importorskip("skimage.filters", reason="needs the package scikit-image")
    if importlib.util.find_spec("imagecorruptions") is None:
        pytest.skip("needs the package imagecorruptions")
    resources = types.SimpleNamespace(resource_filename=lambda *parts: "/".join(parts))
    ndimage = importlib.import_module("scipy.ndimage")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pkg_resources", resources)
        patch.setitem(sys.modules, "scipy.ndimage.interpolation", ndimage)
        package = importlib.import_module("imagecorruptions.corruptions")

    def gaussian(x, sigma, multichannel=False, **more):
        return filters.gaussian(x, sigma=sigma, channel_axis=-1 if multichannel else None, **more)

    package.gaussian = gaussian
    return package


def reference(package, name, severity, clean):
    from PIL import Image

    return np.uint8(getattr(package, name)(Image.fromarray(clean), severity))


def difference(one, other):
    return np.abs(one.astype(int) - other)


@pytest.mark.parametrize("severity", range(1, 6))
@pytest.mark.parametrize("name", EXACT)
def test_deterministic_corruptions_are_the_published_ones(published, name, severity):
    """At most one level apart, mostly none: float32 and integers here, float64 there."""
    clean = image()
    expected = reference(published, name, severity, clean)
    drawn = corrupted(name, severity, clean, constants="imagenet")
    found = difference(drawn, expected)
    assert found.max() <= 1, found.max()
    assert (found > 0).mean() < 0.1, (found > 0).mean()


@pytest.mark.parametrize("severity", range(1, 6))
def test_zoom_blur_is_the_published_one(published, severity):
    """OpenCV interpolates at 1/32 pixels: half a level on average, more at edges."""
    found = difference(
        corrupted("zoom_blur", severity, image(), constants="imagenet"),
        reference(published, "zoom_blur", severity, image()),
    )
    assert found.mean() < 1
    assert found.max() <= 12


@pytest.mark.parametrize("angle", [-45, -20, 0, 13, 45])
@pytest.mark.parametrize(("radius", "sigma"), [(10, 3), (15, 12), (20, 15)])
def test_motion_kernel_is_the_published_one(published, radius, sigma, angle):
    clean = image()
    expected = published._motion_blur(clean, radius=radius, sigma=sigma, angle=angle)
    assert np.abs(moved(clean, radius, sigma, angle) - expected).max() < 0.01


@pytest.mark.parametrize("severity", range(1, 6))
@pytest.mark.parametrize(
    "name",
    [
        "gaussian_noise",
        "shot_noise",
        "impulse_noise",
        "speckle_noise",
        "fog",
        "snow",
        "spatter",
        "elastic_transform",
    ],
)
def test_random_corruptions_are_as_strong_as_the_published_ones(published, monkeypatch, name, severity):
    """Other random numbers, the same distribution: mean and deviation of the change agree."""
    clean, numbers = image((256, 256, 3)), np.random.RandomState(0)
    monkeypatch.setattr(np.random, "normal", numbers.normal)
    monkeypatch.setattr(np.random, "poisson", numbers.poisson)
    monkeypatch.setattr(np.random, "uniform", numbers.uniform)
    if not hasattr(np, "float_"):
        monkeypatch.setattr(np, "float_", np.float64, raising=False)
    theirs = [reference(published, name, severity, clean).astype(int) - clean for _ in range(4)]
    ours = [corrupted(name, severity, clean, key, constants="imagenet").astype(int) - clean for key in "abcd"]
    slack = {"fog": 12, "snow": 1.5, "spatter": 3, "elastic_transform": 3}.get(name, 0.5)
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=slack)
    assert np.std(ours) == pytest.approx(np.std(theirs), abs=slack)


FIFTEEN = (
    "gaussian_noise shot_noise impulse_noise defocus_blur glass_blur motion_blur zoom_blur snow frost fog "
    "brightness contrast elastic_transform pixelate jpeg_compression"
).split()


def test_all_nineteen_are_there():
    assert sorted(NAMES) == sorted([*FIFTEEN, "gaussian_blur", "saturate", "spatter", "speckle_noise"])


def test_recipe_has_the_fifteen_of_the_benchmark():
    recipe = Recipe.named("imagenet-c")
    assert [entry.kind.removeprefix("imagenet_c_") for entry in recipe.entries] == FIFTEEN
    assert recipe.render(image((32, 32, 3)), "a").image.shape == (32, 32, 3)


@pytest.mark.parametrize(("severity", "sigma"), enumerate((0.08, 0.12, 0.18, 0.26, 0.38), 1))
def test_gaussian_noise_has_the_constant_as_deviation(severity, sigma):
    """Measured on the half of the noise that grey 128 does not cut off."""
    clean = np.full((200, 200, 3), 128, np.uint8)
    noise = corrupted("gaussian_noise", severity, clean).astype(float) + 0.5 - 128
    within = np.mean(np.abs(noise) <= sigma * 255 * 0.5)
    assert within == pytest.approx(0.3829, abs=0.012)


@pytest.mark.parametrize("name", NAMES)
def test_small_images_get_the_constants_of_cifar(name):
    clean = image((32, 32, 3))
    cifar = corrupted(name, 5, clean, constants="cifar")
    np.testing.assert_array_equal(corrupted(name, 5, clean), cifar)
    assert not np.array_equal(corrupted(name, 5, clean, constants="imagenet"), cifar)
    large = image((64, 64, 3))
    np.testing.assert_array_equal(corrupted(name, 5, large), corrupted(name, 5, large, constants="imagenet"))


# Severity 1 to 5 of the authors' make_cifar_c.py; elastic_transform there in pixels of 32, here as shares.
PUBLISHED_FOR_CIFAR = {
    "gaussian_noise": (0.04, 0.06, 0.08, 0.09, 0.10),
    "shot_noise": (500, 250, 100, 75, 50),
    "impulse_noise": (0.01, 0.02, 0.03, 0.05, 0.07),
    "defocus_blur": ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    "glass_blur": ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    "motion_blur": ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    "zoom_blur": tuple((end, 0.01) for end in (1.06, 1.11, 1.16, 1.21, 1.26)),
    "snow": (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    "frost": ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    "fog": ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
    "elastic_transform": ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),
    "jpeg_compression": (80, 65, 58, 50, 40),
}  # fmt: skip


def test_the_constants_of_cifar_are_the_published_ones():
    assert list(PUBLISHED_FOR_CIFAR) == FIFTEEN
    for name, constants in PUBLISHED_FOR_CIFAR.items():
        assert constants == ANOMALIES[f"imagenet_c_{name}"].CIFAR, name


@pytest.mark.parametrize("name", NAMES)
def test_every_severity_differs_from_the_others(name):
    clean = image()
    drawn = {corrupted(name, severity, clean).tobytes() for severity in range(1, 6)}
    assert len(drawn | {clean.tobytes()}) == 6


def test_shuffling_follows_the_loop():
    """The published loop, pixel by pixel, with the same steps."""

    class Steps:
        def __init__(self, content):
            self.content = content

        def bytes(self, count):
            return self.content[:count]

    for delta in (1, 2, 4):
        clean = image((24, 32, 3), delta)
        content = np.random.default_rng(delta).bytes(2 * 24 * 32)
        h, w = clean.shape[:2]
        steps = np.frombuffer(content[: 2 * (h - 2 * delta) * (w - 2 * delta)], np.uint8).astype(int)
        down, right = (steps.reshape(2, h - 2 * delta, w - 2 * delta) * 2 * delta >> 8) - delta
        expected = clean.copy()
        for y in range(h - delta, delta, -1):
            for x in range(w - delta, delta, -1):
                dy, dx = down[y - delta - 1, x - delta - 1], right[y - delta - 1, x - delta - 1]
                expected[y, x] = expected[y + dy, x + dx]
        np.testing.assert_array_equal(shuffled(clean, Steps(content), delta), expected)


def test_poisson_quantiles_have_its_mean_and_variance():
    values = poisson_quantiles(60).reshape(256, 4096)[128].astype(float) * 60 / 255
    photons = 128 / 255 * 60
    assert values.mean() == pytest.approx(photons, rel=0.01)
    assert values.var() == pytest.approx(photons, rel=0.03)


def test_boxes_partition_the_image():
    clean = image((40, 56, 3))
    np.testing.assert_array_equal(boxes(clean, (40, 56)), clean)
    halves = clean.reshape(20, 2, 28, 2, 3).mean(axis=(1, 3))
    assert difference(boxes(clean, (20, 28)), halves.round()).max() <= 1


def test_plasma_is_periodic_and_rougher_with_less_decay():
    rough, smooth = (plasma(np.random.default_rng(0), 100, decay) for decay in (1.4, 3))
    for field in (rough, smooth):
        assert field.shape == (128, 128)
        assert (field.min(), field.max()) == (0, 1)
        assert np.abs(field[0] - field[-1]).mean() < 2 * np.abs(field[0] - field[1]).mean() + 0.02
    assert np.abs(np.diff(rough)).mean() > 2 * np.abs(np.diff(smooth)).mean()


def test_fog_keeps_the_images_maximum():
    clean = image() // 2
    for severity in range(1, 6):
        assert corrupted("fog", severity, clean).max() <= clean.max()


def test_bad_constants():
    with pytest.raises(
        ValueError, match="imagenet_c_fog: constants must be one of auto, imagenet, cifar, got 'tiny'"
    ):
        ANOMALIES["imagenet_c_fog"](3, constants="tiny")
