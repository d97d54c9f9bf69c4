"""Files that cannot be read are found by their headers, all at once, before a network is trained."""

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from datamodules.formats.labels import lookup
from datamodules.imagesets.boxed import BoxedSet
from datamodules.imagesets.boxes import boxes_of
from datamodules.imagesets.check import check_files
from datamodules.imagesets.files import FileSet, Labels
from datamodules.imagesets.left_out import Faults, LeftOut, leaving_out
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


def test_every_fault_is_told_before_the_run_ends(frames, caplog):
    with pytest.raises(ValueError, match=r"4 of 6 images of frames cannot be read, --max-bad 0.5 allows 3"):
        check_files([frames, Subset(frames, [0, 2])], LeftOut(0.5))
    lines = [r.getMessage() for r in caplog.records]
    assert [line.count(f"/{i}.png") > 0 for i, line in zip((1, 2, 3, 4), lines, strict=True)] == [True] * 4
    assert (
        "truncated" in lines[0]
        and "has no label" in lines[1]
        and "is 16x9" in lines[2]
        and "truncated" in lines[3]
    )


def test_a_set_is_made_again_without_them(frames, caplog):
    with leaving_out(0.7) as left_out:
        assert check_files([Subset(frames, [0, 5])], left_out)
        again = FileSet("frames", frames.root, frames.files, "official", frames.labels)
        assert again.keys == ["images/0.png", "images/5.png"] and again.origin == "subset"
        assert Subset(again, [0]).left_out == [f"images/{i}.png" for i in range(1, 5)]
        assert not check_files([again], left_out)
    assert "4 of 6 images are left out" in caplog.text
    assert (
        again.fingerprint == FileSet("frames", frames.root, again.files, "subset", frames.labels).fingerprint
    )
    assert len(FileSet("frames", frames.root, frames.files, "official", frames.labels)) == 6


def test_the_share_is_that_of_a_set_and_of_all_times(tmp_path):
    left_out = LeftOut(0.25)
    with pytest.raises(ValueError, match="3 of 8 images of small cannot be read"):
        left_out.add([
            Faults("large", 99, 0, {tmp_path / "a": "a is cut"}),
            Faults("small", 7, 1, {tmp_path / "b": "b is cut", tmp_path / "c": "c is cut"}),
        ])  # fmt: skip


def test_contents_of_label_maps_are_looked_at(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for i in range(3):
        Image.fromarray(np.full((12, 16, 3), i, np.uint8)).save(tmp_path / f"images/{i}.png")
        Image.fromarray(np.full((12, 16), 7 * (i == 1), np.uint8)).save(tmp_path / f"labels/{i}.png")
    labels = Labels(lambda image: tmp_path / "labels" / image.name, lookup({0: 0}))
    images = FileSet("frames", tmp_path, sorted((tmp_path / "images").iterdir()), "subset", labels)
    left_out = LeftOut(0.5)
    assert check_files([images], left_out)
    ((path, reason),) = left_out.reasons.items()
    assert path == tmp_path / "images/1.png" and "labels/1.png holds id 7" in reason


def test_boxes_of_other_images_stay_with_them(tmp_path):
    """The lists beside the files (boxes, stated sizes) lose the same places as the files."""
    for i in range(4):
        Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / f"{i}.png")
    files = sorted(tmp_path.iterdir())
    given = [boxes_of([("dog", (0, 0, i + 1, 5))], "x") for i in range(3)] + [ValueError("3.xml is cut")]
    sizes = [(20, 30), (99, 99), (20, 30), None]
    with leaving_out(0.6) as left_out:
        assert check_files([BoxedSet("b", tmp_path, files, "official", given, tmp_path, sizes)], left_out)
        images = BoxedSet("b", tmp_path, files, "official", given, tmp_path, sizes)
    assert images.keys == ["0.png", "2.png"] and images.left_out == ["1.png", "3.png"]
    assert [images.read(i).target.boxes.tolist() for i in range(2)] == [[[0, 0, 1, 5]], [[0, 0, 3, 5]]]


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
    assert "2 of 4 images of" in done.output and "1.png" in done.output and "3.png" in done.output
    assert "training" not in done.output and not (tmp_path / "out/results").exists()
