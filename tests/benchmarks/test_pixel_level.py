"""Score maps of OoD images alone: `level="pixel"`, both evaluators, inputs that keep their ratio."""

import dataclasses

import cv2
import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from torch import nn

from anomalies import Recipe
from benchmarks import evaluate
from datamodules import CityscapesDataModule, module_of
from datamodules.imagesets.base import NOT_DRAWN
from leaderboards import markdown
from leaderboards.boards import boards
from leaderboards.run_identity import run_id
from lsood import OnePass
from lsood.extraction.pixel_tally import enlarged
from lsood.metrics.pixel.components import components
from lsood.probes.pixel.neighbours import PixelNeighbours
from lsood.probes.pixel.positions import PixelFeatures
from networks import NETWORKS, adapt, build

TRACKS = {"dataset_AnomalyTrack": (72, 128), "dataset_ObstacleTrack": (90, 170)}
OOD = ["road-anomaly-21", "road-obstacle-21"]
OPTIONS = {"methods": ["msp", "max-logit", "latent-neighbour"], "image_size": (32, 64), "naive": False}


class Net(nn.Module):
    """Any size; logits at a quarter of it, enlarged."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 1, 1), nn.ReLU())
        self.head = nn.Conv2d(16, 19, 1)

    def forward(self, x):
        return nn.functional.interpolate(self.head(self.body(x)), x.shape[-2:], mode="bilinear")


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


def street(root, **frames):
    random = np.random.default_rng(0)
    for part, count in frames.items():
        for i in range(count):
            name = f"aachen_{i:06d}_000019"
            image = random.integers(0, 256, (64, 128, 3), dtype=np.uint8)
            write(root / f"cityscapes/leftImg8bit/{part}/aachen/{name}_leftImg8bit.png", image)
            ids = random.integers(7, 12, (64, 128)).astype(np.uint8)
            write(root / f"cityscapes/gtFine/{part}/aachen/{name}_gtFine_labelIds.png", ids)


def tracks(root, masks=True):
    random = np.random.default_rng(1)
    for folder, (height, width) in TRACKS.items():
        for i in range(3):
            image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
            mask = np.zeros((height, width), np.uint8)
            mask[20 + 3 * i : 28 + 3 * i, 10:20], mask[:5] = 1, 255
            image[mask == 1] = 250
            write(root / folder / f"images/f{i}.jpg", image)
            write(root / folder / f"labels_masks/f{i}_labels_semantic.png", mask)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Cityscapes of eight training frames alone, and both tracks."""
    root = tmp_path_factory.mktemp("data")
    street(root, train=8)
    tracks(root)
    return root


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSOOD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def pixels(root):
    return evaluate(Net(), "cityscapes", OOD, data_root=root, level="pixel", **OPTIONS)


def results_of(found):
    return [run.result for run in found.runs]


def cells(results, name):
    return {one.method: next(c for c in one.ood if c.name == name) for one in results_of(results)}


def test_no_test_image_is_needed_and_the_frames_at_hand_are_fitted_on(pixels):
    assert {one.level for one in results_of(pixels)} == {"pixel"} and len(results_of(pixels)) == 3
    for one in results_of(pixels):
        assert (one.ind.n_fit, one.ind.n_val, one.ind.n_test, one.n_fit) == (8, 0, 0, 8)
        assert one.cost.images_forwarded["shared_pass"] == 8 + 3 + 3 and one.threshold is None
        assert all(cell.failure is None for cell in one.ood)
    page = markdown(results_of(pixels))
    assert "3 images with masks, evaluator exact, n_fit 8" in page


def test_the_labels_are_the_masks_and_the_maps_are_enlarged_to_them(pixels, root):
    """n_in and n_out are pixels of the files; AP against the network's logits, enlarged in float64."""
    data = CityscapesDataModule(root, OOD, image_size=(32, 64))
    data.setup()
    network = Net().eval()
    for name, shape in zip(OOD, TRACKS.values(), strict=True):
        scores, labels = [], []
        for batch in data.ood_dataloaders()[name]:
            z = network(batch["image"]).detach().double()
            assert [tuple(mask.shape) for mask in batch["anomaly"]] == [shape] * 3
            large = nn.functional.interpolate(-z.amax(1)[:, None], shape, mode="bilinear")
            scores.append(large[:, 0].numpy())
            labels.append(np.stack([mask.numpy() for mask in batch["anomaly"]]))
        scores, labels = np.concatenate(scores), np.concatenate(labels)
        files = sorted((root / list(TRACKS)[OOD.index(name)] / "labels_masks").glob("*.png"))
        assert (labels == [cv2.imread(str(file), 0) for file in files]).all()
        cell = cells(pixels, name)["max-logit"]
        assert (cell.n_in, cell.n_out) == ((labels == 0).sum(), (labels == 1).sum())
        known = labels != 255
        truth = average_precision_score(labels[known], scores[known])
        assert cell.metrics["ap"].value == pytest.approx(truth, abs=1e-3)
        assert data.ood_sets[name].smallest_components == {OOD[0]: (500, 100), OOD[1]: (50, 10)}[name]


def test_components_have_the_sizes_of_their_track(pixels):
    """The things have 80 pixels: the obstacle track counts them, the anomaly track ignores them."""
    assert "siou" not in cells(pixels, OOD[0])["msp"].metrics
    assert "siou" in cells(pixels, OOD[1])["msp"].metrics
    labels = np.zeros((72, 128), np.uint8)
    labels[20:28, 10:20] = 1
    assert len(components(labels == 1, labels, (500, 100)).siou) == 0
    assert len(components(labels == 1, labels, (50, 10)).siou) == 1


def test_pixels_are_those_of_a_whole_run(root, tmp_path, pixels):
    street(tmp_path, train=8, val=4)
    tracks(tmp_path)
    whole = evaluate(Net(), "cityscapes", OOD, data_root=tmp_path, **OPTIONS)
    alone = evaluate(Net(), "cityscapes", OOD, data_root=tmp_path, level="pixel", **OPTIONS)
    assert {one.level for one in results_of(whole)} == {"image", "pixel"}
    both = {one.method: one for one in results_of(whole) if one.level == "pixel"}
    assert {one.method: one.ood for one in results_of(alone)} == {name: one.ood for name, one in both.items()}
    assert {run_id(one) for one in results_of(alone)} == {run_id(one) for one in both.values()}
    for name in OOD:  # of scores that learn nothing
        assert cells(alone, name)["msp"] == cells(pixels, name)["msp"]


def test_the_evaluators_share_no_board(root, pixels):
    smiyc = evaluate(
        Net(), "cityscapes", OOD, data_root=root, level="pixel", pixel_evaluator="smiyc", **OPTIONS
    )
    assert "evaluator smiyc" in markdown(results_of(smiyc))
    together = [*results_of(pixels), *results_of(smiyc)]
    assert len(boards(together)) == 2 and len({run_id(one) for one in together}) == 2
    again = evaluate(Net(), "cityscapes", OOD, data_root=root, level="pixel", **OPTIONS)
    assert [one.ood for one in results_of(again)] == [one.ood for one in results_of(pixels)], "nor a cache"
    assert results_of(again)[0].cost.images_forwarded.get("shared_pass", 0) == 0
    one, other = (cells(found, OOD[1])["msp"].metrics for found in (pixels, smiyc))
    assert one["auroc"].value == pytest.approx(other["auroc"].value, abs=2e-3) and one != other
    earlier = [
        dataclasses.replace(run, settings={k: v for k, v in run.settings.items() if k != "pixel_evaluator"})
        for run in results_of(pixels)
    ]
    assert len(boards([*results_of(pixels), *earlier])) == 2, "scored at the network's input size"


def test_a_set_without_its_test_part_says_so(root, tmp_path, caplog):
    with pytest.raises(ValueError, match=r"cityscapes has no test images, .*; --level pixel needs none"):
        evaluate(Net(), "cityscapes", OOD, data_root=root, **OPTIONS)
    data = CityscapesDataModule(root)
    data.setup()
    assert "of its 8 training images 8 are fitted on, 0 validate" in caplog.text
    with pytest.raises(ValueError, match="its test images are needed, and there are none"):
        CityscapesDataModule(root, ["cityscapes-anomalies"]).setup()
    with pytest.raises(ValueError, match="no validation images, which training needs"):
        evaluate("deeplabv3plus-small", "cityscapes", OOD, data_root=root, level="pixel", epochs=1, **OPTIONS)
    street(tmp_path, train=30)
    many = CityscapesDataModule(tmp_path)
    many.setup()
    assert {part: len(images) for part, images in many.sets.items()} == {"train": 27, "val": 3, "test": 0}


def test_levels_that_cannot_be_run_are_refused(root, tmp_path):
    for options, message in (
        ({"level": "object"}, "--level object: segmentation has the levels image, pixel"),
        ({"level": "pixles"}, "unknown level 'pixles'; did you mean 'pixel'"),
        ({"level": "pixel", "pixel_evaluator": "smyic"}, "--pixel-evaluator must be one of exact, smiyc"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate(Net(), "cityscapes", OOD, data_root=root, **options, **OPTIONS)
    write(tmp_path / "plain" / "a.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="--level pixel: no anomaly masks in"):
        evaluate(Net(), "cityscapes", [f"folder:{tmp_path}/plain"], data_root=root, level="pixel", **OPTIONS)
    with pytest.raises(ValueError, match="keep_ratio is for segmentation"):
        module_of("mnist")(miniature=True, keep_ratio=True).setup()
    with pytest.raises(ValueError, match="no method of this run scores pixels"):
        evaluate(
            Net(), "cityscapes", OOD, data_root=root, level="pixel", **{**OPTIONS, "methods": ["mahalanobis"]}
        )


def test_anomalies_on_the_fit_frames_are_scored_by_fits_without_them(root):
    """Every frame's map against a bank of the other seven frames, by hand."""
    asked = {"data_root": root, "level": "pixel", "recipe": "objects", **OPTIONS}
    with pytest.raises(ValueError, match=r"--leave-one-out .* needs --level pixel"):
        evaluate(Net(), "cityscapes", OOD, **{**asked, "level": None}, leave_one_out=True)
    found = evaluate(Net(), "cityscapes", ["cityscapes-anomalies", OOD[1]], leave_one_out=True, **asked)
    cell = cells(found, "cityscapes-anomalies")["latent-neighbour"]
    assert cell.failure is None and cell.n_images > 3
    plain = evaluate(Net(), "cityscapes", [OOD[1]], **asked)
    assert cells(found, OOD[1])["latent-neighbour"] == cells(plain, OOD[1])["latent-neighbour"]
    data = CityscapesDataModule(
        root,
        ["cityscapes-anomalies"],
        image_size=(32, 64),
        leave_one_out=True,
        recipe=Recipe.named("objects"),
    )
    data.setup()
    scores, labels = [], []
    network = adapt(Net().eval(), "segmentation", torch.zeros(2, 3, 32, 64), 19)
    layer = network.feature_layers[-1]
    features = PixelFeatures(layer, 19)
    with OnePass(network, [features]) as run:
        drawn = {}
        for batch in data.fit_dataloader():
            rows = run(batch["image"], batch["key"], batch["target"])[features.name]
            drawn |= dict(zip(batch["key"], rows, strict=True))
    for batch in data.ood_dataloaders()["cityscapes-anomalies"]:
        for i, source in enumerate(batch["source"]):
            if batch["kind"][i] == NOT_DRAWN:
                continue
            others = torch.stack([rows for key, rows in drawn.items() if key != source])
            probe = PixelNeighbours.of(layer, others)
            with OnePass(network, [probe]) as run:
                maps = run(batch["image"][i : i + 1], [batch["key"][i]])[probe.name]
            scores.append(enlarged(maps[0, 0], tuple(batch["anomaly"][i].shape)))
            labels.append(batch["anomaly"][i].numpy())
    scores, labels = np.stack(scores), np.stack(labels)
    known = labels != 255
    truth = average_precision_score(labels[known], scores[known].astype(float))
    assert cell.metrics["ap"].value == pytest.approx(truth, abs=1e-6)


def test_inputs_keep_their_ratio(root, pixels):
    data = CityscapesDataModule(root, OOD, image_size=(32, 64), batch_size=4, keep_ratio=True)
    data.setup()
    shapes = {tuple(batch["image"].shape[-2:]) for batch in data.ood_dataloaders()[OOD[1]]}
    assert shapes == {(32, 60)}, "90 x 170"
    batch = next(iter(data.loader(data.sets["train"])))
    assert batch["image"].shape[-2:] == batch["target"].shape[-2:] == (32, 64)
    kept = evaluate(Net(), "cityscapes", OOD, data_root=root, level="pixel", keep_ratio=True, **OPTIONS)
    assert results_of(kept)[0].settings["keep_ratio"] and "keep_ratio" not in results_of(pixels)[0].settings
    assert len(boards([*results_of(pixels), *results_of(kept)])) == 2
    assert cells(kept, OOD[1])["msp"].n_out == cells(pixels, OOD[1])["msp"].n_out
    assert cells(kept, OOD[1])["msp"].metrics != cells(pixels, OOD[1])["msp"].metrics


SEGMENTING = [name for name in NETWORKS if NETWORKS.about(name, "task") == "segmentation"]


@pytest.mark.parametrize("name", SEGMENTING)
def test_our_networks_take_sides_that_are_no_multiples_of_their_stride(name):
    network = build(name, 5).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 57, 91)).shape == (1, 5, 57, 91)
