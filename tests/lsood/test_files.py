"""Files that are written whole, with checksums beside them: what every moment of an interruption leaves."""

import os

import pytest

from lsood import io
from lsood.io import checksum_file, sha256, whole, write_atomic, write_bytes, write_checked


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
