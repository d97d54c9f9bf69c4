"""Runs with images that cannot be read: these are left out, named, and change nothing else."""

import json
import shutil
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmarks.console import spread
from benchmarks.run import app
from datamodules.imagesets.files import FileSet
from datamodules.imagesets.left_out import Unreadable, leaving_out
from datamodules.imagesets.subset import Subset
from datamodules.loading.loaders import ordered
from datamodules.loading.preprocess import Preprocess
from datamodules.loading.samples import SampleDataset
from datamodules.miniature import write

FREE = ("command", "cost", "created", "run_id")


def noise(path, seed):
    """A PNG file of 1 kB whose pixels do not compress."""
    values = np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(values).save(path)


def damage(path):
    """A PNG file, whatever its name, with zeros amid the pixels: the header is right, decoding fails."""
    with Image.open(path) as image:
        image.save(path, "PNG")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 60] = bytes(60)
    path.write_bytes(content)


@pytest.fixture(scope="module")
def signs(tmp_path_factory):
    """A root with the generated signs, and OoD images of noise."""
    root = tmp_path_factory.mktemp("signs")
    write("gtsrb", root, 0)
    (root / "strange").mkdir()
    for i in range(30):
        noise(root / "strange" / f"{i:02d}.png", i)
    return root


def run(root, out, monkeypatch, *words):
    monkeypatch.setenv("LSOOD_CACHE", str(out / "cache"))
    fixed = [
        "--data-root",
        str(root),
        "--ind",
        "gtsrb",
        "--network",
        "resnet18-small",
        "--epochs",
        "1",
        "--methods",
    ]
    fixed += ["msp", "larem", "--ood", f"folder:{root / 'strange'}", "gtsrb-anomalies", "--device", "cpu"]
    done = CliRunner().invoke(app, spread([*fixed, "--out", str(out / "out"), *words]))
    assert "Usage" not in done.output
    return done, (out / "out/run.log").read_text()


def results(out):
    found = {path.name: json.loads(path.read_text()) for path in sorted((out / "out/results").glob("*.json"))}
    scores = {path.stem: pd.read_parquet(path) for path in sorted((out / "out/results").glob("*.parquet"))}
    return found, scores


def test_the_rest_is_scored_as_if_the_damaged_images_were_not_there(signs, tmp_path, monkeypatch):
    train = sorted((signs / "GTSRB/Final_Training").rglob("*.ppm"))[5]
    test = sorted((signs / "GTSRB/Final_Test").rglob("*.ppm"))[3]
    other = signs / "strange/07.png"
    for name in ("damaged", "without"):  # one place for both, as results name it
        root = tmp_path / "root"
        shutil.copytree(signs, root)
        for path in (train, test, other):
            mine = root / path.relative_to(signs)
            if name == "without":
                mine.unlink()
            else:
                damage(mine)
        done, log = run(root, tmp_path / name, monkeypatch, "--max-bad", ".05")
        assert done.exit_code == 0, done.output
        if name == "damaged":
            # The training image ends the first epoch; the others come after a training that is not repeated.
            assert log.count("training resnet18-small") == 2 and log.count("starting again") == 3
            assert all(f"cannot be read: {root / p.relative_to(signs)}" in log for p in (train, test, other))
        shutil.rmtree(root)
    (damaged, scores), (without, expected) = results(tmp_path / "damaged"), results(tmp_path / "without")
    assert damaged.keys() == without.keys() and scores.keys() == expected.keys() and len(scores) == 3
    for name in scores:
        pd.testing.assert_frame_equal(scores[name], expected[name], check_exact=True)
    for name, one in damaged.items():
        keys = [train.relative_to(signs / "GTSRB").as_posix(), test.relative_to(signs / "GTSRB").as_posix()]
        assert sorted(one["ind"].pop("left_out")) == sorted(keys)
        lists = {cell["name"].partition(":")[0]: cell.pop("left_out") for cell in one["ood"]}
        assert lists == {"folder": ["07.png"], "gtsrb-anomalies": keys[1:]}
        assert one["run_id"] != without[name]["run_id"]
        for other_lists in (without[name]["ind"], *without[name]["ood"]):
            assert other_lists.pop("left_out") == []
        assert {k: v for k, v in one.items() if k not in FREE} == {
            k: v for k, v in without[name].items() if k not in FREE
        }
    board = (tmp_path / "damaged/out/leaderboard.md").read_text()
    page = (tmp_path / "damaged/out/leaderboard.html").read_text()
    for text in (board, page):
        assert "that cannot be read are left out (1)" in text and "07.png" in text and test.name in text


def test_too_many_end_the_run_when_they_are_found(signs, tmp_path, monkeypatch):
    root = tmp_path / "root"
    shutil.copytree(signs, root)
    for i in (3, 4):
        damage(root / f"strange/{i:02d}.png")
    done, log = run(root, tmp_path, monkeypatch, "--max-bad", ".04")
    assert done.exit_code == 1
    assert "error: 2 of 30 images of folder:" in done.output and "--max-bad 0.04 allows 1" in done.output
    assert all(f"strange/0{i}.png" in log for i in (3, 4)) and not (tmp_path / "out/results").exists()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_names_all_damaged_images_of_its_files(signs, tmp_path, workers):
    shutil.copytree(signs / "strange", tmp_path / "strange")
    for i in (3, 20, 29):
        damage(tmp_path / f"strange/{i:02d}.png")
    files = sorted((tmp_path / "strange").iterdir())
    images = Subset(FileSet("strange", tmp_path, files, "subset"), [1, 3, 20])
    loader = ordered(SampleDataset(images, Preprocess((8, 8), (0.5,) * 3, (0.5,) * 3)), 2, workers)
    for block, expected in ((leaving_out(0.5), [files[i] for i in (3, 20, 29)]), (nullcontext(), [])):
        with block, pytest.raises(Unreadable, match=r"03\.png is damaged") as error:
            list(loader)
        assert [path for one in error.value.found for path in one.reasons] == expected


def test_an_error_that_is_not_the_files_is_raised(signs):
    """What drawing or a task raises is no fault of an image; a file that can be read now was not damaged."""
    files = sorted((signs / "strange").iterdir())
    images = FileSet("strange", signs, files, "subset")

    def target_of(item, preprocess):
        raise ValueError("no such class")

    loader = ordered(SampleDataset(images, Preprocess((8, 8), (0.5,) * 3, (0.5,) * 3), target_of), 2, 0)
    with pytest.raises(ValueError, match="no such class") as error:
        list(loader)
    assert not isinstance(error.value, Unreadable)


def test_an_error_of_a_moment_costs_nothing(signs):
    images, moments = FileSet("strange", signs, sorted((signs / "strange").iterdir()), "subset"), []
    real = images.read

    def read(index):
        moments.append(index)
        if len(moments) == 1:
            raise OSError("input/output error")
        return real(index)

    images.read = read
    (batch,) = ordered(SampleDataset(images, Preprocess((8, 8), (0.5,) * 3, (0.5,) * 3)), 30, 0)
    assert batch["key"] == images.keys
