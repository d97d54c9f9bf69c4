"""The same command again over a set with damaged files mends them; started processes see what this one sees."""

import multiprocessing

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from anomalies import Recipe
from anomalies.generate import app
from anomalies.sets import manifest
from anomalies.sets.generation import generate
from anomalies.sets.plan import Plan
from anomalies.sets.source import SourceSpec
from anomalies.verify import verify
from datamodules.imagesets.generated import GeneratedSet


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for number in range(4):
        rows = np.linspace(190, 70, 48)[:, None, None]
        noise = np.random.default_rng(number).integers(-40, 41, (48, 80, 3))
        cv2.imwrite(str(folder / f"{number}.png"), (rows + noise).astype(np.uint8))
    return folder


def contents(out):
    return {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path):
    path.write_bytes(b"")


def zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


def deleted(path):
    path.unlink()


@pytest.mark.parametrize(
    ("format_", "sizes"), [("png", True), ("png", False), ("jpg", False), ("webp", False)]
)
def test_damaged_files_are_made_again(images, tmp_path, format_, sizes):
    plan = Plan(SourceSpec(images=images), Recipe.named("default"), format=format_)
    out = tmp_path / "set"
    records = generate(plan, out).records
    before = contents(out)
    if not sizes:  # as sets were written before sizes were recorded
        text = "".join(manifest.line(r | {"file_bytes": None}) + "\n" for r in records)
        (out / manifest.LINES).write_text(text)
    clean = [record for record in records if record["is_clean_copy"]]
    for damage, record in zip((cut, emptied, zeros, deleted), clean, strict=True):
        damage(out / record["out_path"])
    cut(out / next(record["mask_path"] for record in records if record["mask_path"]))
    assert generate(plan, out).made == 5
    assert {p: c for p, c in contents(out).items() if p.suffix not in (".jsonl", ".parquet")} == {
        p: c for p, c in before.items() if p.suffix not in (".jsonl", ".parquet")
    }
    assert verify(out).problems == []
    assert generate(plan, out).made == 0
    if sizes:
        assert contents(out) == before


def test_another_file_of_the_right_form_is_made_again(images, tmp_path):
    plan = Plan(SourceSpec(images=images), Recipe.named("default"))
    records = generate(plan, tmp_path / "set").records
    other = cv2.imencode(".png", np.zeros((48, 80, 3), np.uint8))[1].tobytes()
    (tmp_path / "set" / records[0]["out_path"]).write_bytes(other)
    assert generate(plan, tmp_path / "set").made == 1


def test_damaged_arrays_are_made_again(images, tmp_path):
    (tmp_path / "fog.yaml").write_text("- kind: fog\n")
    out = tmp_path / "set"
    words = "--severity all --every-kind --layout cifar10-c --difficulty 0".split()
    words += ["--images", str(images), "--recipe", str(tmp_path / "fog.yaml"), "--out", str(out)]
    assert CliRunner().invoke(app, words).exit_code == 0
    before = contents(out)
    cut(out / "fog.npy")
    (out / "clean.npy").unlink()
    assert CliRunner().invoke(app, words).exit_code == 0
    assert contents(out) == before


def _pixels(images, index):
    item = images.read(index)
    return item.key, item.image, item.anomaly


@pytest.mark.parametrize("materialize", ["all", "none"])
def test_started_processes_read_the_same(images, tmp_path, materialize):
    """ "spawn" is what macOS and Windows do; Python 3.14 on Linux pickles what it hands over as well."""
    plan = Plan(SourceSpec(images=images), Recipe.named("default"), materialize=materialize)
    generate(plan, tmp_path / "set")
    found = GeneratedSet("generated:x", tmp_path / "set")
    here = [_pixels(found, index) for index in range(len(found))]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.starmap(_pixels, [(found, index) for index in range(len(found))])
    for one, other in zip(here, there, strict=True):
        assert one[0] == other[0]
        np.testing.assert_array_equal(one[1], other[1])
        np.testing.assert_array_equal(one[2], other[2])
