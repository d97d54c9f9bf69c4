"""What image libraries print on file descriptor 2 becomes a line with the file's name, or part of an error."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from datamodules.imagesets.files import FileSet
from datamodules.loading.loaders import ordered
from datamodules.loading.preprocess import Preprocess
from datamodules.loading.samples import SampleDataset
from lsood.images.headers import header_of
from lsood.images.messages import captured
from lsood.images.reading import read_image

PICTURE = Image.fromarray(np.random.default_rng(0).integers(90, 160, (64, 96, 3), dtype=np.uint8))


def encoded(kind, **options):
    content = io.BytesIO()
    PICTURE.save(content, kind, **options)
    return content.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def changed(content, at, new):
    return content[:at] + new + content[at + len(new) :]


JPEG, PNG, LZW = encoded("JPEG", quality=90), encoded("PNG"), encoded("TIFF", compression="tiff_lzw")
SAID = {
    "profile.png": (encoded("PNG", icc_profile=bytes(200)), "libpng warning: iCCP"),
    "time.png": (
        PNG[:33] + chunk(b"tIME", b"\xff" * 7) + PNG[33:],
        "libpng warning: Ignoring invalid time value",
    ),
    "huffman.jpg": (changed(JPEG, len(JPEG) // 2, b"\xff\x00" * 20), "Corrupt JPEG data"),
    "bytes.jpg": (JPEG[:-2] + b"further" * 5 + JPEG[-2:], "Corrupt JPEG data"),
    "codes.tif": (changed(LZW, len(LZW) // 2, b"\xff" * 50), "TIFF_Error Using code not yet in table"),
    "exif.jpg": (encoded("JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff"), "Corrupt EXIF data"),
}
REFUSED = {
    "header.png": PNG[:33] + chunk(b"IDAT", zlib.compress(bytes(50))) + chunk(b"IEND", b""),
    "half.tif": encoded("TIFF")[:9000],
    "half.gif": encoded("GIF")[:2000],
    "half.jp2": encoded("JPEG2000")[:1500],
    "none.png": b"",
}


@pytest.mark.parametrize("name", SAID)
def test_a_message_is_a_log_line_with_the_file(tmp_path, capfd, caplog, name):
    content, message = SAID[name]
    for path in (tmp_path / name, tmp_path / f"second {name}"):
        path.write_bytes(content)
        assert read_image(path).shape == (64, 96, 3)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"{tmp_path / name}: ") and message in line, "said once for the folder"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", REFUSED)
def test_an_error_says_it_alone(tmp_path, capfd, caplog, name):
    path = tmp_path / name
    path.write_bytes(REFUSED[name])
    with pytest.raises(ValueError, match=f"{name} (cannot be read as an image|is truncated)"):
        read_image(path)
    assert capfd.readouterr().err == "" and not caplog.records


def test_the_header_alone(tmp_path, caplog, recwarn):
    (tmp_path / "exif.jpg").write_bytes(SAID["exif.jpg"][0])
    assert header_of(tmp_path / "exif.jpg").orientation == 1
    assert not recwarn and "exif.jpg: Corrupt EXIF data" in caplog.text


def test_loader_processes(tmp_path, capfd):
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(SAID["profile.png"][0])
    images = FileSet("x", tmp_path, sorted(tmp_path.iterdir()), "own")
    preprocess = Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3, 3)
    assert len(list(ordered(SampleDataset(images, preprocess, lambda *_: -1), 2, 1))) == 2
    lines = capfd.readouterr().err.splitlines()
    assert all(f"{tmp_path}{os.sep}" in line for line in lines if "libpng" in line)


def test_other_lines_are_passed_on(capfd):
    with captured() as lines:
        os.write(
            2,
            b"half of a progress bar\nlibpng warning: something\n[ERROR:0@1.2] global a.cpp:3 f: why\n\nthe rest",
        )
    assert lines == ["libpng warning: something", "f: why"]
    assert capfd.readouterr().err == "half of a progress bar\nthe rest"


def test_more_than_a_pipe_holds_and_errors_inside(capfd):
    with pytest.raises(KeyError), captured() as lines:
        for _ in range(5000):
            try:
                os.write(2, b"libpng warning: something\n")
            except BlockingIOError:
                break
        raise KeyError
    assert set(lines[:-1]) == {"libpng warning: something"} and len(lines) > 100
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_without_a_descriptor(monkeypatch):
    monkeypatch.setattr("lsood.images.messages.POSIX", False)
    with captured() as lines:
        pass
    assert lines == []
