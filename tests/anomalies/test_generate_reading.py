"""One rule for files as they are: bytes after a PNG's end, turned cameras, whatever the depth."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageOps

from anomalies.sets.codec import encode_png, read_map, read_stored
from anomalies.sets.reading import read_image
from lsood.images.reading import read_image as benchmark_reads

BLOCKS = np.random.default_rng(0).integers(0, 256, (6, 9, 3))
PIXELS = np.kron(BLOCKS, np.ones((10, 10, 1))).astype(np.uint8)
GREY = PIXELS[..., 0]


def noted(path, pixels, orientation, **options):
    note = Pillow.Exif()
    note[274] = orientation
    tiff = path.suffix == ".tiff"
    Pillow.fromarray(pixels).save(path, exif=note if tiff else note.tobytes(), **options)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".tiff", ".png", ".webp", ".jpg"])
@pytest.mark.parametrize("pixels", [PIXELS, GREY], ids=["colour", "grey"])
def test_orientation(tmp_path, orientation, suffix, pixels):
    path = noted(
        tmp_path / f"x{suffix}", pixels, orientation, **({"lossless": True} if suffix == ".webp" else {})
    )
    # Pillow turns grey TIFF files twice: the right answer comes from a PNG of the same pixels.
    with Pillow.open(noted(tmp_path / "right.png", pixels, orientation)) as file:
        expected = np.asarray(ImageOps.exif_transpose(file).convert("RGB"))
    found = read_image(path)[0]
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() <= (25 if suffix == ".jpg" else 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("big", [False, True])
def test_orientation_of_a_tiff_of_16_bits(tmp_path, orientation, big):
    path = noted(tmp_path / "x.tiff", GREY.astype(np.uint16) * 257, orientation, big_tiff=big)
    straight = np.asarray(ImageOps.exif_transpose(Pillow.open(noted(tmp_path / "y.png", GREY, orientation))))
    found, notes = read_image(path)
    np.testing.assert_array_equal(found, np.repeat(straight[..., None], 3, axis=2))
    assert notes == ("converted from 16 bits to 8",)


def test_big_endian_tiff(tmp_path):
    big = io.BytesIO()
    Pillow.fromarray(GREY.astype(">u2") * 257).save(big, "TIFF", tiffinfo={274: 6})
    (tmp_path / "x.tif").write_bytes(big.getvalue())
    assert read_image(tmp_path / "x.tif")[0].shape == (90, 60, 3)


def test_bytes_after_the_end_of_a_png_do_not_matter(tmp_path):
    path = tmp_path / "padded.png"
    path.write_bytes(encode_png(PIXELS) + bytes(4096))
    for found in (read_image(path)[0], read_stored(path, 3)):
        np.testing.assert_array_equal(found, PIXELS)
    path.write_bytes(encode_png(GREY) + bytes(4096))
    np.testing.assert_array_equal(read_map(path), GREY)


@pytest.mark.parametrize("read", [read_image, lambda path: read_stored(path, 3), benchmark_reads])
def test_a_cut_png_is_refused_though_it_ends_as_one(tmp_path, read):
    path, whole = tmp_path / "cut.png", encode_png(PIXELS)
    path.write_bytes(whole[:-200])
    with pytest.raises(ValueError, match="truncated"):
        read(path)


def test_a_damaged_png_of_a_set_is_refused(tmp_path):
    path, whole = tmp_path / "cut.png", encode_png(PIXELS)
    path.write_bytes(whole[:-200] + b"IEND" + bytes(8))
    for read in (lambda: read_stored(path, 3), lambda: read_map(path)):
        with pytest.raises(ValueError, match=r"truncated|damaged"):
            read()


def test_a_huge_file_of_a_set_is_refused_before_decoding(tmp_path):
    path = tmp_path / "huge.png"
    cv2.imwrite(str(path), np.zeros((9000, 9000), np.uint8))
    with pytest.raises(ValueError, match="at most 64 megapixels"):
        read_map(path)
