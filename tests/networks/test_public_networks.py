"""Networks that others trained give, from their public files, the accuracy they are known for. Needs the files and
frames below LSOOD_TEST_DATA.
"""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from typer.testing import CliRunner

import networks
from benchmarks.console import spread
from benchmarks.run import app
from datamodules import module_of
from datamodules.ind.camvid import CLASS_IDS
from datamodules.ind.cityscapes import LABEL_IDS
from datamodules.loading.preprocess import Preprocess
from leaderboards.store import load_results

HERE = Path(__file__).parent
WITHIN = 0.003
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DABNET = (73.16 / 255, 82.91 / 255, 72.39 / 255), (1 / 255,) * 3
# As the authors' training code has them: means over the 367 training frames of each frame's mean and standard
# deviation, in 0 to 255, which the frames are standardised with; then they are divided by 255.
CAMVID = (105.001 / 255, 108.516 / 255, 110.236 / 255), (69.867, 72.562, 72.059)


@pytest.fixture(scope="module")
def data():
    root = Path(os.environ.get("LSOOD_TEST_DATA", ""))
    if not os.environ.get("LSOOD_TEST_DATA") or not (root / "weights").is_dir():
        pytest.skip("needs weights/ below LSOOD_TEST_DATA")
    return root


def frankfurt(data):
    """The frame at full size, its labels enlarged from 256x128."""
    name = "val/frankfurt/frankfurt_000000_000294"
    image = cv2.imread(str(data / "samples/cityscapes/leftImg8bit" / f"{name}_leftImg8bit.png"))
    labels = cv2.imread(str(data / "samples/cityscapes_small/gtFine" / f"{name}_gtFine_labelIds.png"), -1)
    return [(image, LABEL_IDS[cv2.resize(labels, (2048, 1024), interpolation=cv2.INTER_NEAREST)])]


def aachen(data, count):
    found = []
    for i in range(count):
        name = f"train/aachen/aachen_{i:06d}_000019"
        folder = data / "samples/cityscapes_half"
        image = cv2.imread(str(folder / "leftImg8bit" / f"{name}_leftImg8bit.png"))
        found.append(
            (image, LABEL_IDS[cv2.imread(str(folder / "gtFine" / f"{name}_gtFine_labelIds.png"), -1)])
        )
    return found


def camvid(data, step):
    files = sorted((data / "camvid/test").iterdir())[::step]
    labels = [data / "camvid/testannot" / f"{file.stem}.png" for file in files]
    return [
        (cv2.imread(str(a)), CLASS_IDS[cv2.imread(str(b), -1)]) for a, b in zip(files, labels, strict=True)
    ]


@torch.inference_mode()
def figures(network, frames, classes, size, mean, std, bgr=False):
    """mIoU over the classes that the labels have, and pixel accuracy; logits enlarged to the labels, void ignored."""
    confusion, preprocess = np.zeros((classes, classes), np.int64), Preprocess(size, mean, std)
    for image, labels in frames:
        images = preprocess.image(image[..., ::-1])[None]
        logits = network(images.flip(1) if bgr else images)[:, :classes]
        found = F.interpolate(logits, labels.shape, mode="bilinear")[0].argmax(0).numpy()
        known = labels < classes
        pairs = labels[known].astype(np.int64) * classes + found[known]
        confusion += np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
    both, there = confusion.diagonal(), confusion.sum(1) > 0
    union = confusion.sum(0) + confusion.sum(1) - both
    return (both[there] / union[there]).mean(), both.sum() / confusion.sum()


def loaded(network, file):
    networks.load_weights(network, file)
    return network.eval()


@pytest.fixture(scope="module")
def espnetv2(data):
    network = networks.open_network(f"{HERE}/espnetv2.py:build", 20, task="segmentation").module
    return loaded(network, data / "weights/espnetv2_s_2.0_city_1024x512.pth")


@pytest.fixture(scope="module")
def dabnet(data):
    return loaded(networks.build("dabnet", 19), data / "weights/dabnet_cityscapes.safetensors")


# Claimed on all 500 validation frames: mIoU .664 (ESPNetv2), .696 (DABNet). The frames of Aachen are training frames,
# here at half size: .568/.946 and .528/.945, told of two of them elsewhere, are of no pair of these.
CITYSCAPES = [
    ("espnetv2", IMAGENET, "frankfurt", 0.717, 0.950),
    ("espnetv2", IMAGENET, 2, 0.585, 0.948),
    ("espnetv2", IMAGENET, 8, 0.623, 0.959),
    ("dabnet", DABNET, "frankfurt", 0.687, 0.947),
    ("dabnet", DABNET, 2, 0.538, 0.944),
    ("dabnet", DABNET, 8, 0.567, 0.955),
]


@pytest.mark.parametrize(("name", "scale", "which", "miou", "accuracy"), CITYSCAPES)
def test_cityscapes(name, scale, which, miou, accuracy, data, request):
    frames = frankfurt(data) if which == "frankfurt" else aachen(data, which)
    found = figures(request.getfixturevalue(name), frames, 19, (512, 1024), *scale)
    assert found == pytest.approx((miou, accuracy), abs=WITHIN)


# Claimed on all 233 test frames: mIoU .556. .5745/.870, told elsewhere of every 24th, is not what they give; the figure
# hangs on the standard deviation that the frames are divided by (.593/.891 with that of all pixels together).
@pytest.mark.parametrize(
    ("step", "miou", "accuracy"), [(24, 0.564, 0.877), pytest.param(1, 0.565, 0.874, marks=pytest.mark.slow)]
)
def test_camvid(step, miou, accuracy, data):
    network = networks.open_network(f"{HERE}/espnet.py:build", 12, task="segmentation").module
    loaded(network, data / "weights/espnet_p_2_q_8_camvid.pth")
    found = figures(network, camvid(data, step), 11, (360, 480), *CAMVID, bgr=True)
    assert found == pytest.approx((miou, accuracy), abs=WITHIN)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file", "accuracy"),
    [("resnet20", "resnet20-12fca82f.th", 0.918), ("resnet56", "resnet56-4bfd9763.th", 0.936)],
)
@torch.inference_mode()
def test_cifar10(name, file, accuracy, data):
    network = loaded(networks.build(name, 10), data / "weights" / file)
    cifar10 = module_of("cifar10")(data, mean=IMAGENET[0], std=IMAGENET[1], batch_size=250)
    cifar10.setup()
    right = [
        (network(batch["image"]).argmax(1) == batch["target"]).sum() for batch in cifar10.test_dataloader()
    ]
    assert len(cifar10.sets["test"]) == 10_000
    assert int(sum(right)) / 10_000 == pytest.approx(accuracy, abs=WITHIN)


@pytest.mark.slow
def test_espnetv2_as_a_user_measures_it(data, tmp_path):
    for kind, suffix in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelIds")):
        folder = tmp_path / "cityscapes" / kind / "val" / "frankfurt"
        folder.mkdir(parents=True)
        (folder.parents[1] / "train").symlink_to(data / "samples/cityscapes_half" / kind / "train")
        part = "cityscapes" if kind == "leftImg8bit" else "cityscapes_small"
        name = f"frankfurt_000000_000294_{suffix}.png"
        image = cv2.imread(str(data / "samples" / part / kind / "val/frankfurt" / name), -1)
        cv2.imwrite(str(folder / name), cv2.resize(image, (2048, 1024), interpolation=cv2.INTER_NEAREST))
    (tmp_path / "road_anomaly21").symlink_to(data / "road_anomaly21")
    (tmp_path / "classes.txt").write_text("\n".join((*module_of("cityscapes").class_names, "background")))
    done = CliRunner().invoke(app, spread([
        "--network", f"{HERE}/espnetv2.py:build", "--checkpoint", f"{data}/weights/espnetv2_s_2.0_city_1024x512.pth",
        "--classes", f"{tmp_path}/classes.txt", "--ind", "cityscapes", "--data-root", f"{tmp_path}", "--limit", "2",
        "--image-size", "512", "1024", "--mean", *map(str, IMAGENET[0]), "--std", *map(str, IMAGENET[1]),
        "--ood", "road-anomaly-21", "--methods", "msp", "max-logit", "knn", "latent-neighbour", "--device", "cpu",
        "--out", f"{tmp_path}/out", "--batch-size", "2",
    ]))  # fmt: skip
    assert done.exit_code == 0, done.output
    results = list(load_results(tmp_path / "out" / "results").values())
    assert {cell.failure for result in results for cell in result.ood} == {None}
    assert results[0].ind.network_metrics["miou"] == pytest.approx(0.717, abs=WITHIN)
    assert "behind its layer bu_dec_l1" in " ".join(results[0].network.notes)


@pytest.mark.parametrize(
    ("file", "parameters"), [("espnetv2.py", 789_242), ("espnet.py", 354_517)], ids=["espnetv2", "espnet"]
)
def test_sizes(file, parameters):
    """Without data: the parameters of the public files, an image of a size that is no multiple of 32."""
    classes = 20 if file == "espnetv2.py" else 12
    network = networks.open_network(f"{HERE}/{file}:build", classes, task="segmentation").module
    assert sum(p.numel() for p in network.parameters()) == parameters
    with torch.inference_mode():
        assert network(torch.randn(1, 3, 72, 120)).shape == (1, classes, 72, 120)
