"""Files that are written whole, with checksums beside them: what every moment of an interruption leaves."""

import os
import subprocess
import sys
import time

import pytest

from lsood import io
from lsood.io import (
    checksum_file,
    remove_leftovers,
    sha256,
    temporary,
    whole,
    write_atomic,
    write_bytes,
    write_checked,
    write_folder,
)
from lsood.text import short_names


def test_the_content_is_on_the_disk_before_its_name(tmp_path, monkeypatch):
    events = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: events.append(os.fstat(handle).st_ino) or fsync(handle))
    path = write_atomic(tmp_path / "a", lambda part: part.write_text("x") and events.append("written"))
    assert events == ["written", path.stat().st_ino]


def test_a_checksum_notices_damage(tmp_path):
    path = write_checked(tmp_path / "a", lambda part: part.write_bytes(b"content"))
    assert whole(path) is True and checksum_file(path).read_text() == sha256(path) + "\n"
    path.write_bytes(b"contemt")
    assert whole(path) is False
    checksum_file(path).unlink()
    assert whole(path) is None


@pytest.mark.parametrize("cut", range(1, 6))
def test_an_interruption_at_any_rename_leaves_a_whole_file(tmp_path, monkeypatch, cut):
    """The process dies at the n-th rename from now on, twice in a row."""
    path = write_checked(tmp_path / "a", lambda part: part.write_bytes(b"first"))
    replace, left = io.Path.replace, [0]

    def dying(self, target):
        left[0] -= 1
        if left[0] <= 0:
            raise KeyboardInterrupt
        return replace(self, target)

    for content in (b"second", b"third"):
        left[0] = cut
        monkeypatch.setattr(io.Path, "replace", dying)
        if cut <= 3:
            with pytest.raises(KeyboardInterrupt):
                write_checked(path, lambda part, content=content: part.write_bytes(content))
        else:
            write_checked(path, lambda part, content=content: part.write_bytes(content))
        monkeypatch.setattr(io.Path, "replace", replace)
        assert whole(path) is True
    write_checked(path, lambda part: part.write_bytes(b"fourth"))
    assert whole(path) is True and path.read_bytes() == b"fourth"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "a.sha256"]


def test_bytes_with_a_name_that_is_not_utf8(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.bin")
    write_bytes(path, b"1")
    write_checked(path, lambda part: part.write_bytes(b"2"))
    assert whole(path) is True


def left_by(path, process, machine=None):
    """A temporary file as a process left it."""
    part = temporary(path)
    own = part.name.split(".")[-2]
    left = part.with_name(part.name.replace(own, f"{machine or own.split('-')[0]}-{process}"))
    left.write_bytes(b"half")
    return left


def ended():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_killed_processes_left_goes_with_the_next_write(tmp_path):
    left = left_by(tmp_path / "other", ended())
    write_bytes(tmp_path / "a", b"1")
    assert [p.name for p in tmp_path.iterdir()] == ["a"], left


def test_what_may_still_be_written_stays(tmp_path):
    kept = {left_by(tmp_path / "a", os.getppid()), left_by(tmp_path / "a", ended(), "0123abcd")}
    for name in (".a.part", ".movie.123.part", "a.0123abcd-1.part"):
        (tmp_path / name).touch()
        kept.add(tmp_path / name)
    old = left_by(tmp_path / "b", ended(), "0123abcd")
    os.utime(old, (time.time() - 90_000,) * 2)
    remove_leftovers(tmp_path)
    assert set(tmp_path.iterdir()) == kept
    remove_leftovers(tmp_path / "missing")


def test_a_folder_appears_whole_and_replaces_another_one(tmp_path, monkeypatch):
    flushed = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(os.fstat(handle).st_ino) or fsync(handle))
    folder = tmp_path / "new" / "folder"
    for content in (b"1", b"2"):
        write_folder(
            folder, lambda part, content=content: (part / "file").write_bytes(content), lambda: False
        )
        assert (folder / "file").read_bytes() == content
        assert (folder / "file").stat().st_ino == flushed[-1]
    with pytest.raises(KeyError):
        write_folder(folder, lambda part: {}[(part / "file").write_bytes(b"3")], lambda: False)
    write_folder(folder, lambda part: (part / "file").write_bytes(b"4"), lambda: True)
    assert (folder / "file").read_bytes() == b"2"
    assert list(folder.parent.iterdir()) == [folder] and list(folder.iterdir()) == [folder / "file"]


def test_names_of_paths_are_short_and_stay_distinct(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for names, short in (
        (["svhn", "reference/cityscapes", "torchvision.models:resnet18"], None),
        (["folder:/data/odd/", "generated:/data/odd"], ["folder:odd", "generated:odd"]),
        (
            ["folder:/a/x/odd", "folder:/b/x/odd", "folder:/odd"],
            ["folder:a/x/odd", "folder:b/x/odd", "folder:/odd"],
        ),
        (["folder:odd", f"folder:{tmp_path}/odd"], ["folder:odd", "folder:odd"]),
        (["folder:.", "folder:/", "folder:~/odd"], [f"folder:{tmp_path.name}", "folder:/", "folder:odd"]),
        (["/a/mine.py:Mine@k=3", "/b/mine.py:Mine@k=3"], ["a/mine.py:Mine@k=3", "b/mine.py:Mine@k=3"]),
        (["/a/mine.py:Mine", "/b/mine.py:Other"], ["mine.py:Mine", "mine.py:Other"]),
    ):
        assert list(short_names(names).values()) == (short or names)
