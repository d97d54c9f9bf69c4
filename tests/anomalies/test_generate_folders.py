"""Folders as people have them: links, hidden files, odd names, outputs among inputs or onto each other."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from anomalies.generate import app
from anomalies.preview import app as preview_app
from anomalies.sets.claim import check_names
from anomalies.sets.manifest import read_lines
from anomalies.sets.plan import Plan
from anomalies.sets.source import SourceSpec, default_recipe
from anomalies.sets.stored import StoredSet
from anomalies.verify import app as verify_app


def write(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = np.linspace(190, 70, 40)[:, None, None]
    noise = np.random.default_rng(seed).integers(-40, 41, (40, 64, 3))
    path.write_bytes(cv2.imencode(".png", (rows + noise).astype(np.uint8))[1].tobytes())


def run(*arguments, command=app):
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    return result.exit_code, " ".join(result.output.split())


def make(images, out, *more):
    return run("--images", images, "--out", out, "--recipe", "sensor", "--difficulty", "0", *more)


def keys(out):
    return sorted({record["key"] for record in read_lines(out / "manifest.jsonl")})


def test_linked_folders_are_followed_once(tmp_path):
    write(tmp_path / "frames/day.png", 1)
    write(tmp_path / "disk/night/dark.png", 2)
    (tmp_path / "frames/night").symlink_to(tmp_path / "disk/night")
    (tmp_path / "frames/again").symlink_to(tmp_path / "disk/night")
    (tmp_path / "disk/night/loop").symlink_to(tmp_path / "frames")
    assert make(tmp_path / "frames", tmp_path / "set")[0] == 0
    assert keys(tmp_path / "set") == ["again/dark.png", "day.png"]
    code, said = make(tmp_path / "frames", tmp_path / "disk/night/set")
    assert code == 2
    assert "would be taken for clean ones" in said


def test_a_link_inside_the_folder_adds_nothing(tmp_path):
    write(tmp_path / "frames/drive/0.png", 1)
    (tmp_path / "frames/aaa").symlink_to("drive")
    assert make(tmp_path / "frames", tmp_path / "set")[0] == 0
    assert keys(tmp_path / "set") == ["drive/0.png"]


def test_links_to_nothing_are_said(tmp_path, caplog):
    write(tmp_path / "frames/0.png")
    (tmp_path / "frames/1.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "frames/night").symlink_to(tmp_path / "unmounted")
    code, said = make(tmp_path / "frames", tmp_path / "set")
    assert code == 1
    assert "1.png does not exist" in said
    assert caplog.text.count("1 links lead to nothing; images there, if any, are missing, e.g. night") == 1


def test_what_an_operating_system_leaves_is_no_image(tmp_path):
    write(tmp_path / "frames/0.png")
    (tmp_path / "frames/._0.png").write_bytes(b"\0\5\x16\7" + bytes(120))
    write(tmp_path / "frames/.thumbnails/0.png")
    write(tmp_path / "frames/__MACOSX/0.png")
    assert make(tmp_path / "frames", tmp_path / "set")[0] == 0
    assert keys(tmp_path / "set") == ["0.png"]


def test_names_that_are_not_utf8(tmp_path):
    write(tmp_path / "frames/0.png", 1)
    write(tmp_path / "frames/1.png", 2)
    try:
        (tmp_path / "frames/0.png").rename(tmp_path / "frames" / os.fsdecode(b"caf\xe9.png"))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (tmp_path / "frames" / os.fsdecode(b"bad\xe9.png")).write_text("no image")
    code, said = make(tmp_path / "frames", tmp_path / "set")
    assert code == 1
    assert said.count("bad\\xe9.png cannot be read as an image") == 1
    assert "4 images made" in said
    records = {r["id"]: r for r in read_lines(tmp_path / "set/manifest.jsonl")}
    assert (tmp_path / "set" / records["anomalous/caf\\xe9.png"]["out_path"]).is_file()
    assert "4 images" in run(tmp_path / "set", command=verify_app)[1]
    assert make(tmp_path / "frames", tmp_path / "bare", "--materialize", "none")[0] == 1
    stored = StoredSet(tmp_path / "bare")
    assert [stored.read(record).image.shape for record in stored.records] == [(40, 64, 3)] * 4


CLASHES = [
    ("smiyc", ("front/left_0001.png", "front_left/0001.png", "rear/0001.png")),
    ("fishyscapes", ("front/left_0001.png", "front_left/0001.png", "rear/0001.png")),
    ("official", ("a.png", "a_png.png", "a.jpg")),
    ("official", ("x.png", "gtAnomaly/x_gtAnomaly_mask.png")),
    ("smiyc", ("a.b/0.png", "a_b/0.png")),
]


@pytest.mark.parametrize(("layout", "names"), CLASHES)
def test_images_that_would_share_a_file_are_refused_before_anything_is_written(tmp_path, layout, names):
    for seed, name in enumerate(names):
        write(tmp_path / "frames" / name, seed)
    code, said = make(tmp_path / "frames", tmp_path / "set", "--layout", layout)
    assert code == 2
    assert "would share the file" in said
    assert all(repr(name) in said for name in names[:2])
    assert not (tmp_path / "set").exists()
    assert make(tmp_path / "frames", tmp_path / "bare", "--layout", layout, "--materialize", "none")[0] == 0


class Labelled:
    """A source of which two images have one label file."""

    keys = ("a.jpg", "a.png")

    def label_key(self, index):
        return "labels/a.png"


def test_images_that_share_a_label_file_are_refused(tmp_path):
    plan = Plan(SourceSpec("camvid"), default_recipe("camvid"))
    with pytest.raises(ValueError, match=r"'a\.jpg' and 'a\.png' would share the file clean/labels/a\.png"):
        check_names(plan, Labelled())


def test_data_sets_tell_their_label_files():
    for limit in (None, 2):
        source = SourceSpec("cityscapes", limit=limit).open()
        assert source.label_key(1) == source.read(1).label_key is not None


def test_output_among_the_images_is_refused(tmp_path):
    write(tmp_path / "frames/drive/0.png")
    for out in ("frames/set", "frames/drive/deep/set"):
        code, said = make(tmp_path / "frames", tmp_path / out)
        assert code == 2
        assert "lies in --images" in said
        assert not (tmp_path / out).exists()


def test_images_that_came_later_are_named_as_the_reason(tmp_path):
    write(tmp_path / "frames/0.png")
    assert make(tmp_path / "frames", tmp_path / "set")[0] == 0
    write(tmp_path / "frames/1.png")
    code, said = make(tmp_path / "frames", tmp_path / "set")
    assert code == 2
    assert "holds a set of other images (1, now 2;" in said


def test_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "frames/0.png")
    (tmp_path / "own.yaml").write_text("- kind: gaussian_noise\n")
    assert run("--images=~/frames", "--out=~/set", "--recipe=~/own.yaml", "--difficulty=0")[0] == 0
    assert json.loads((tmp_path / "set/dataset.json").read_text())["images"] == 1
    assert run("~/set", "--images=~/frames", command=verify_app)[0] == 0
    assert run("--image=~/frames/0.png", "--out=~/sheet.png", "--kind=fog", command=preview_app)[0] == 0
    assert (tmp_path / "sheet.png").is_file()
    assert not Path("~").exists()


def test_a_preview_never_replaces_the_image(tmp_path):
    write(tmp_path / "0.png")
    before = (tmp_path / "0.png").read_bytes()
    code, said = run("--image", tmp_path / "0.png", "--out", tmp_path / "0.png", command=preview_app)
    assert code == 2
    assert "is the image itself" in said
    assert (tmp_path / "0.png").read_bytes() == before
