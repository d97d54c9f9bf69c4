"""Miniatures on disk: whole or not there, and made anew where they are damaged."""

import json
import multiprocessing
import os
import random
import shutil
import sys
import time

import pytest

from datamodules import locate
from datamodules.miniature import MARKER, write
from lsood.io import temporary

SIZES = {"images": 6}


def textures(root, seed=0, **options):
    return write("textures", root, seed, SIZES, **options)


def contents(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def test_a_whole_miniature_is_left_as_it_is(tmp_path, caplog):
    folder = textures(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    (folder / ".DS_Store").write_bytes(b"1")
    assert textures(tmp_path) == folder
    assert all(path.stat().st_mtime_ns == time for path, time in before.items() if path != folder)
    assert not caplog.records and [p.name for p in tmp_path.iterdir()] == [folder.name]


@pytest.mark.parametrize("damage", ["cut", "removed", "added", "marker"])
def test_damage_heals_and_is_said(tmp_path, caplog, damage):
    folder = textures(tmp_path)
    before = contents(folder)
    path = next(p for p in folder.rglob("*") if p.is_file() and p.name != MARKER)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    elif damage == "removed":
        path.unlink()
    elif damage == "added":
        path.with_name("further" + path.suffix).write_bytes(path.read_bytes())
    else:
        (folder / MARKER).write_text("{")
    textures(tmp_path)
    assert contents(folder) == before
    assert damage == "marker" or f"the miniature in {folder} is damaged and is written anew" in caplog.text


def test_a_folder_without_marker_does_not_stop_later_runs(tmp_path, monkeypatch, caplog):
    """As an interrupted removal of an older miniature left it: every later run ended with an error."""
    monkeypatch.setenv("LSOOD_CACHE", str(tmp_path))
    folder = tmp_path / "miniature" / "dtd"
    (folder / "images").mkdir(parents=True)
    assert locate.miniature("textures") == folder.parent
    assert (folder / MARKER).is_file() and "was no whole miniature; it lies in dtd." in caplog.text
    assert len([p for p in folder.parent.iterdir() if p.name.endswith(".no-miniature")]) == 1


def test_what_is_no_miniature_in_other_folders_stays(tmp_path):
    (tmp_path / "dtd").mkdir()
    (tmp_path / "dtd" / "mine.png").write_bytes(b"1")
    with pytest.raises(ValueError, match="holds something that is no miniature; it was left as it is"):
        textures(tmp_path)
    assert contents(tmp_path) == {"dtd/mine.png": b"1"}


def test_a_miniature_of_an_earlier_version_is_read(tmp_path):
    marker = textures(tmp_path) / MARKER
    content = json.loads(marker.read_text())
    del content["files"]
    marker.write_text(json.dumps(content))
    textures(tmp_path)
    assert json.loads(marker.read_text()) == content


def test_leftovers_of_killed_processes_go(tmp_path):
    """Also where the miniature itself is whole: the old folder that a new one has replaced stayed for good."""
    for number in range(2):
        name = temporary(tmp_path / f"dtd.{number}").name.replace(f"-{os.getpid()}.", "-4194305.")
        (tmp_path / name / "images").mkdir(parents=True)
        textures(tmp_path)
        assert [p.name for p in tmp_path.iterdir()] == ["dtd"]


def test_an_interrupted_removal_leaves_no_half(tmp_path, monkeypatch):
    """The old miniature is moved away in one step before it is removed."""
    textures(tmp_path, seed=1)
    expected = contents(textures(tmp_path / "other"))

    def cut(path, **_):
        if path.is_dir():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", cut)
        with pytest.raises(KeyboardInterrupt):
            textures(tmp_path)
    assert contents(textures(tmp_path)) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_twenty_kills_at_random_moments(tmp_path):
    """Two processes write other miniatures into one folder again and again, and are killed."""
    expected = {seed: contents(textures(tmp_path / f"{seed}", seed)) for seed in (0, 1)}

    def forever():
        while True:
            for seed in (0, 1):
                textures(tmp_path / "root", seed)

    moments = random.Random(0)
    for kill in range(20):
        process = multiprocessing.get_context("fork").Process(target=forever)
        process.start()
        time.sleep(moments.uniform(0.01, 0.12))
        process.kill()
        process.join()
        seed = kill % 2
        if (tmp_path / "root" / "dtd").exists():
            found = contents(tmp_path / "root" / "dtd")
            assert found in expected.values()
        assert contents(textures(tmp_path / "root", seed)) == expected[seed]
