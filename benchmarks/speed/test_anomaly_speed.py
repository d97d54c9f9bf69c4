"""Anomalies at 1024x2048 beside decoding and encoding, beside other generators, and whole sets; see README.md.

    uv run pytest benchmarks/speed/test_anomaly_speed.py --benchmark-json benchmarks/speed/results/NAME.json

Milliseconds of CPU time on one thread, so that a busy machine tells nearly what a quiet one does. Every round calls
the other way first, then ours; ``extra_info`` keeps the medians of both and their ratio. Nothing asserts a time.
``LSOOD_TEST_DATA`` may name a folder with a full-size Cityscapes frame; without it, it is a generated street.
"""

import io
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import process_time

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from anomalies import ANOMALIES, Recipe, Scene, generator
from anomalies.sets.codec import encode_png, read_map
from anomalies.sets.generation import generate
from anomalies.sets.plan import Plan
from anomalies.sets.reading import read_image
from anomalies.sets.source import SourceSpec
from anomalies.toolkit.fields import fbm
from datamodules.ind.cityscapes import CLASSES, LABEL_IDS
from datamodules.miniature.street.scene import render
from lsood.io import write_bytes

pytestmark = pytest.mark.benchmark(timer=process_time)

SIZE, SEVERITY, KEYS = (1024, 2048), 3, 6
CITY = "val/frankfurt/frankfurt"
OTHER_CODE = {"imagenet-c", "albumentations"}
KINDS = [kind for kind, anomaly in ANOMALIES.items() if anomaly.family not in OTHER_CODE]
CORRUPTIONS = {
    "fog": "fog",
    "snow": "snow",
    "frost": "frost",
    "defocus": "defocus_blur",
    "motion_blur": "motion_blur",
    "zoom_blur": "zoom_blur",
    "gaussian_blur": "gaussian_blur",
    "gaussian_noise": "gaussian_noise",
    "shot_noise": "shot_noise",
    "jpeg": "jpeg_compression",
    "contrast_loss": "contrast",
    "downscale": "pixelate",
    "elastic": "elastic_transform",
}
TRANSFORMS = {
    "fog": ("RandomFog", {"fog_coef_range": (0.3, 0.3)}),
    "rain": ("RandomRain", {}),
    "snow": ("RandomSnow", {}),
    "sun_flare": ("RandomSunFlare", {}),
    "cast_shadow": ("RandomShadow", {}),
    "defocus": ("Defocus", {"radius": (5, 5)}),
    "motion_blur": ("MotionBlur", {"blur_limit": (21, 21)}),
    "zoom_blur": ("ZoomBlur", {}),
    "gaussian_blur": ("GaussianBlur", {"sigma_limit": (4, 4)}),
    "gaussian_noise": ("GaussNoise", {}),
    "shot_noise": ("ShotNoise", {}),
    "iso_noise": ("ISONoise", {}),
    "jpeg": ("ImageCompression", {}),
    "downscale": ("Downscale", {}),
    "elastic": ("ElasticTransform", {}),
    "radial_distortion": ("OpticalDistortion", {}),
    "mud": ("Spatter", {"mode": "mud"}),
}


@dataclass(frozen=True)
class Frame:
    """An image with its label ids, and where it is from."""

    image: np.ndarray
    ids: np.ndarray
    origin: str

    @property
    def scene(self):
        return Scene(LABEL_IDS[self.ids], tuple(CLASSES))


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


def street():
    """A generated street, enlarged, with the grain that makes its file as large as a Cityscapes frame's."""
    random = np.random.default_rng(3)
    small = render(random, (256, 512))
    image = cv2.resize(small.image, SIZE[::-1], interpolation=cv2.INTER_CUBIC).astype(np.float32)
    grain = sum(fbm(random, SIZE, cell, 1) for cell in (1, 2, 4)) + 0.4 * random.standard_normal((3, *SIZE))
    image += np.float32(1.0) * grain.transpose(1, 2, 0)
    ids = np.where(small.labels < 40, small.labels, small.labels - 33)
    ids = cv2.resize(ids, SIZE[::-1], interpolation=cv2.INTER_NEAREST)
    return Frame(np.rint(image).clip(0, 255).astype(np.uint8), ids, "miniature, enlarged")


@pytest.fixture(scope="module")
def frame():
    root = os.environ.get("LSOOD_TEST_DATA")
    found = sorted(Path(root).rglob("cityscapes/leftImg8bit/**/*_leftImg8bit.png")) if root else []
    labels = sorted(Path(root).rglob("cityscapes*/gtFine/**/*_gtFine_labelIds.png")) if root else []
    if not found or not labels:
        return street()
    ids = cv2.resize(read_map(labels[0]), SIZE[::-1], interpolation=cv2.INTER_NEAREST)
    return Frame(read_image(found[0])[0], ids, found[0].name)


def compare(benchmark, frame, ours, other, rounds, images=1, other_ms=None):
    """Benchmark ``ours``; before every round, call ``other``. ``other_ms`` keeps its times where it takes them
    itself.
    """
    times = [] if other_ms is None else other_ms

    def call_other():
        start = process_time()
        other()
        if other_ms is None:
            times.append(1e3 * (process_time() - start))

    other()
    benchmark.pedantic(ours, setup=call_other, rounds=rounds, warmup_rounds=1)
    theirs, mine = median(times[-rounds:]) / images, 1e3 * benchmark.stats["median"] / images
    benchmark.extra_info.update(
        frame=frame.origin,
        load=os.getloadavg()[0],
        threads=1,
        other_ms=theirs,
        ours_ms=mine,
        other_over_ours=theirs / mine,
    )


def decoded(data):
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def ours_of(kind, frame, scene):
    """Renders with another key each time: what is drawn differs, and so does what it costs."""
    keys = iter(range(10**9))
    return lambda: ANOMALIES[kind](SEVERITY).render(
        frame.image, generator(0, kind, str(next(keys) % KEYS)), scene
    )


def test_png_beside_pillow(benchmark, frame):
    """Decoding and encoding one frame: Pillow with its defaults, ours."""

    def pillow():
        buffer = io.BytesIO()
        Pillow.open(io.BytesIO(data)).convert("RGB").save(buffer, "PNG")

    data = encode_png(frame.image)
    compare(benchmark, frame, lambda: encode_png(decoded(data)), pillow, rounds=5)
    benchmark.extra_info["megabytes"] = len(data) / 1e6


@pytest.mark.parametrize("labelled", [False, True], ids=["plain", "labelled"])
@pytest.mark.parametrize("kind", KINDS)
def test_kind_beside_decoding_and_encoding(benchmark, frame, kind, labelled):
    data = encode_png(frame.image)
    scene = frame.scene if labelled else Scene()
    compare(benchmark, frame, ours_of(kind, frame, scene), lambda: encode_png(decoded(data)), rounds=KEYS)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_kind_beside_imagecorruptions(benchmark, frame, kind):
    theirs = pytest.importorskip("imagecorruptions", reason="imagecorruptions is not installed")
    name = CORRUPTIONS[kind]
    try:
        theirs.corrupt(frame.image, severity=SEVERITY, corruption_name=name)
    except (AttributeError, TypeError, ValueError) as error:
        pytest.skip(f"imagecorruptions' {name} does not run here: {error}")
    compare(
        benchmark,
        frame,
        ours_of(kind, frame, Scene()),
        lambda: theirs.corrupt(frame.image, severity=SEVERITY, corruption_name=name),
        rounds=3,
    )


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_kind_beside_albumentations(benchmark, frame, kind):
    theirs = pytest.importorskip("albumentations", reason="albumentations is not installed")
    name, parameters = TRANSFORMS[kind]
    transform = getattr(theirs, name)(p=1.0, **parameters)
    compare(benchmark, frame, ours_of(kind, frame, Scene()), lambda: transform(image=frame.image), rounds=5)
    benchmark.extra_info["albumentations"] = theirs.__version__


def test_whole_set_beside_decoding_and_encoding_its_files(benchmark, frame, tmp_path):
    """Recipe driving, clean copies, masks, labels, manifest, beside the same files read, encoded and written
    and nothing else.
    """
    sources = 66
    for folder, name, content in (
        ("leftImg8bit", "leftImg8bit", frame.image),
        ("gtFine", "gtFine_labelIds", frame.ids),
    ):
        paths = [
            tmp_path / f"data/cityscapes/{folder}/{part}_{i:06}_{name}.png"
            for part, count in ((CITY, sources), (CITY.replace("val", "train"), 10))
            for i in range(count)
        ]
        write_bytes(paths[0], encode_png(content))
        for path in paths[1:]:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(paths[0], path)
    plan = Plan(SourceSpec("cityscapes", data_root=tmp_path / "data"), Recipe.named("driving"))
    out, ceilings = tmp_path / "set", []

    def ours():
        shutil.rmtree(out, ignore_errors=True)
        return generate(plan, out)

    def ceiling():
        spent = 0.0
        for record in outcome.records:
            if record["is_clean_copy"]:
                spent += timed(_decode, plan.source.data_root / "cityscapes", record)
            for name in ("out", "mask", "kind", "alpha", "instances", "soiling", "label"):
                path = record[f"{name}_path"]
                if path is not None:
                    array = read_image(out / path)[0] if name == "out" else read_map(out / path)
                    spent += timed(_encode, tmp_path / "again.png", array)
        ceilings.append(1e3 * spent)

    generate(replace(plan, source=replace(plan.source, limit=2)), tmp_path / "warm")
    outcome = ours()
    assert outcome.complete
    made = sum(record["status"] == "ok" for record in outcome.records) - sources
    compare(benchmark, frame, ours, ceiling, rounds=3, images=made, other_ms=ceilings)
    per_image = benchmark.extra_info["ours_ms"]
    benchmark.extra_info.update(
        anomalous_images=made,
        anomalous_images_per_second=1e3 / per_image,
        images_per_second=1e3 / per_image * (made + sources) / made,
        share_of_ceiling=benchmark.extra_info["other_over_ours"],
    )


def timed(call, *arguments):
    start = process_time()
    call(*arguments)
    return process_time() - start


def _decode(root, record):
    image = root / record["source_path"]
    label = str(image).replace("leftImg8bit", "gtFine").replace("gtFine.png", "gtFine_labelIds.png")
    decoded(np.fromfile(image, np.uint8))
    read_map(Path(label))


def _encode(path, array):
    write_bytes(path, encode_png(array))
