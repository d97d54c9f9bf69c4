"""Files that cannot be read are found by their headers, all at once, before a network is trained."""

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from datamodules.formats.labels import lookup
from datamodules.imagesets.check import check_files
from datamodules.imagesets.files import FileSet, Labels
from datamodules.imagesets.subset import Subset


@pytest.fixture
def frames(tmp_path):
    """Six frames with label maps: one cut, one without a label, one whose label has another size, one label cut."""
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for i in range(6):
        Image.fromarray(np.full((12, 16, 3), i, np.uint8)).save(tmp_path / f"images/{i}.png")
        shape = (9, 16) if i == 3 else (12, 16)
        Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / f"labels/{i}.png")
    for name in ("images/1.png", "labels/4.png"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:40])
    (tmp_path / "labels/2.png").unlink()
    files = sorted((tmp_path / "images").iterdir())
    labels = Labels(lambda image: tmp_path / "labels" / image.name, lookup({0: 0}))
    return FileSet("frames", tmp_path, files, "subset", labels)


def test_every_fault_is_named_once(frames):
    with pytest.raises(ValueError, match="4 files cannot be used") as error:
        check_files([frames, frames])
    _, *lines = str(error.value).splitlines()
    assert [line.count(f"/{i}.png") > 0 for i, line in zip((1, 2, 3, 4), lines, strict=True)] == [True] * 4
    assert (
        "truncated" in lines[0]
        and "has no label" in lines[1]
        and "is 16x9" in lines[2]
        and "truncated" in lines[3]
    )


def test_only_what_is_used_is_looked_at(frames):
    check_files([Subset(frames, [0, 5])])
    with pytest.raises(ValueError, match=r"2\.png has no label"):
        check_files([Subset(frames, [0, 2])])


def test_what_passes_can_be_read(frames):
    for index in range(len(frames)):
        if frames.fault(index) is None:
            frames.read(index)
        else:
            with pytest.raises((ValueError, FileNotFoundError)):
                frames.read(index)


def test_a_run_ends_before_training(tmp_path):
    from benchmarks.run import app

    (tmp_path / "mine").mkdir()
    for i in range(4):
        Image.fromarray(np.full((28, 28, 3), i, np.uint8)).save(tmp_path / f"mine/{i}.png")
    for i in (1, 3):
        (tmp_path / f"mine/{i}.png").write_bytes((tmp_path / f"mine/{i}.png").read_bytes()[:40])
    words = ["--ind", "fashion-mnist", "--miniature", "--ood", f"folder:{tmp_path / 'mine'}", "--epochs", "1"]
    done = CliRunner().invoke(app, [*words, "--methods", "msp", "--out", str(tmp_path / "out")])
    assert done.exit_code != 0
    assert "2 files cannot be used" in done.output and "1.png" in done.output and "3.png" in done.output
    assert "training" not in done.output and not (tmp_path / "out/results").exists()
