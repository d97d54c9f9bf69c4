"""Fingerprints follow contents: also of large sets, wherever they lie, and with the index of what was read."""

import os
import shutil

import pytest

from datamodules.formats.folders import MASK_IDS
from datamodules.imagesets import contents, files
from datamodules.imagesets.contents import digests, reading_everything
from datamodules.imagesets.files import FileSet, Labels
from lsood.images.listing import image_files
from lsood.io import sha256


@pytest.fixture(autouse=True)
def settings(monkeypatch, tmp_path):
    """Sets are large, files settled at once, and the cache is empty."""
    monkeypatch.setattr(files, "SMALL", 100)
    monkeypatch.setattr(contents, "FRESH", -1)
    monkeypatch.setenv("LSOOD_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def reads(monkeypatch):
    """Names of the files that were read."""
    found = []
    monkeypatch.setattr(contents, "sha256", lambda path: found.append(path.name) or sha256(path))
    return found


def make(folder, n=3):
    for part, value in (("images", 7), ("labels", 1)):
        (folder / part).mkdir(parents=True)
        for i in range(n):
            (folder / part / f"{i}.png").write_bytes(bytes([value + i]) * 100)
    return folder


def opened(folder, name="set"):
    labels = Labels(lambda path: folder / "labels" / path.name, MASK_IDS, anomaly=True)
    return FileSet(name, folder, image_files(folder / "images"), "subset", labels)


def replace(path, byte, how):
    """Other content of the same size, in the ways people replace files."""
    old, other = path.stat(), path.with_name("other")
    other.write_bytes(bytes([byte]) * 100)
    os.utime(other, ns=(old.st_atime_ns, old.st_mtime_ns))
    if how == "in place":
        path.write_bytes(other.read_bytes())
        other.unlink()
    elif how == "in place, time kept":
        shutil.copy2(other, path)
        other.unlink()
    else:
        other.replace(path)


@pytest.mark.parametrize("part", ["images", "labels"])
@pytest.mark.parametrize("how", ["in place", "in place, time kept", "renamed, time kept"])
def test_replaced_files_of_equal_size_change_the_fingerprint(tmp_path, part, how):
    """Above 256 MiB only names and sizes counted."""
    folder = make(tmp_path / "a")
    before = opened(folder).fingerprint
    assert opened(folder).fingerprint == before
    replace(folder / part / "1.png", 99, how)
    assert opened(folder).fingerprint != before
    replace(folder / part / "1.png", 8 if part == "images" else 2, how)
    assert opened(folder).fingerprint == before


@pytest.mark.parametrize("small", [100, 10**6])
def test_the_fingerprint_is_the_same_wherever_the_data_lie(tmp_path, monkeypatch, small):
    monkeypatch.setattr(files, "SMALL", small)
    first, second = make(tmp_path / "a"), make(tmp_path / "b" / "c")
    found = {opened(folder, f"folder:{folder}").fingerprint for folder in (first, second)}
    assert len(found) == 1
    monkeypatch.setenv("LSOOD_CACHE", str(tmp_path / "other"))
    assert opened(first, "folder:x").fingerprint in found
    assert opened(first, "set").fingerprint not in found
    (second / "labels" / "0.png").unlink()
    assert opened(second, "folder:x").fingerprint not in found


def test_fingerprints_of_small_sets_are_those_of_earlier_versions(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "SMALL", 256 * 2**20)
    assert opened(make(tmp_path / "a")).fingerprint == PINNED


PINNED = "dbbe54ad64e944f650ba2bf1850be6d2742928da7e0587a1637a94a2dcfb205d"


def test_unchanged_files_are_read_once(tmp_path, reads):
    folder = make(tmp_path / "a")
    before = opened(folder).fingerprint
    assert sorted(reads) == sorted(2 * ["0.png", "1.png", "2.png"])
    reads.clear()
    assert opened(folder).fingerprint == before and not reads
    (folder / "labels" / "2.png").write_bytes(b"y" * 100)
    assert opened(folder).fingerprint != before and reads == ["2.png"]


def test_verify_data_reads_all(tmp_path, reads):
    folder = make(tmp_path / "a")
    before = opened(folder).fingerprint
    reads.clear()
    with reading_everything():
        assert opened(folder).fingerprint == before and len(reads) == 6
    with reading_everything(False):
        assert opened(folder).fingerprint == before and len(reads) == 6


def test_a_wrong_entry_is_mended_by_verify_data(tmp_path, monkeypatch):
    """As after damage of a disk, which changes no time stamp."""
    folder = make(tmp_path / "a")
    paths = image_files(folder / "images")
    true = digests(folder, paths)
    with monkeypatch.context() as patch:
        patch.setattr(contents, "sha256", lambda path: "0" * 64)
        with reading_everything():
            digests(folder, paths)
    assert digests(folder, paths) == ["0" * 64] * 3
    with reading_everything():
        assert digests(folder, paths) == true
    assert digests(folder, paths) == true


def test_a_file_that_was_just_changed_is_not_remembered(tmp_path, monkeypatch, reads):
    """It may change again within the same time stamp."""
    monkeypatch.setattr(contents, "FRESH", 60 * 10**9)
    folder = make(tmp_path / "a")
    paths = image_files(folder)
    digests(folder, paths)
    digests(folder, paths)
    assert len(reads) == 12


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 3}'])
def test_a_damaged_index_is_made_anew(tmp_path, reads, text):
    folder = make(tmp_path / "a")
    before = digests(folder, image_files(folder))
    (index,) = (tmp_path / "cache" / "contents").iterdir()
    index.write_text(text)
    reads.clear()
    assert digests(folder, image_files(folder)) == before and len(reads) == 6
    assert digests(folder, image_files(folder)) == before and len(reads) == 6


def test_a_flipped_entry_of_the_index_is_noticed(tmp_path, caplog):
    folder = make(tmp_path / "a")
    before = digests(folder, image_files(folder))
    (index,) = (tmp_path / "cache" / "contents").iterdir()
    index.write_text(index.read_text().replace(before[0], before[1], 1))
    assert digests(folder, image_files(folder)) == before
    assert "is damaged and is made anew" in caplog.text


def test_an_interruption_keeps_what_was_read(tmp_path, monkeypatch, reads):
    folder = make(tmp_path / "a")

    def cut(path):
        if len(reads) == 4:
            raise KeyboardInterrupt
        reads.append(path.name)
        return sha256(path)

    with monkeypatch.context() as patch:
        patch.setattr(contents, "sha256", cut)
        with pytest.raises(KeyboardInterrupt):
            digests(folder, image_files(folder))
    digests(folder, image_files(folder))
    assert len(reads) == 6


def test_names_that_are_not_utf8(tmp_path):
    folder = make(tmp_path / "a")
    (folder / "images" / os.fsdecode(b"caf\xe9.png")).write_bytes(b"1")
    found = FileSet("set", folder, sorted((folder / "images").iterdir()), "subset")
    assert found.fingerprint == FileSet("set", folder, found.files, "subset").fingerprint
    assert len(found.fingerprint) == 64


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LSOOD_CACHE", str(tmp_path / "file"))
    folder = make(tmp_path / "a")
    paths = image_files(folder)
    assert digests(folder, paths) == [sha256(path) for path in paths]
    assert "cannot be written" in caplog.text
