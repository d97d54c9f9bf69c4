"""Image and label files as people have them: orientation, depth, palettes, bytes behind the end, sizes."""

import io
import json
import logging
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from datamodules.formats.labels import IGNORE, lookup, read_ids, read_label, read_labelled
from datamodules.imagesets.boxed import BoxedSet
from datamodules.imagesets.boxes import boxes_of
from datamodules.imagesets.files import FileSet, Labels
from datamodules.ind.bdd100k import BDD100kDataModule
from datamodules.ind.camvid import CLASS_IDS, CamVidDataModule, label_of
from datamodules.sources import DataSetSource
from lsood.images import reading
from lsood.images.headers import LARGEST, header_of
from lsood.images.reading import image_shape, read_image

ALL_IDS = lookup({i: i for i in range(254)} | {255: 255})


def photo(path, orientation, size=(60, 90), white=(slice(0, 15), slice(0, 20))):
    """Dark, with a white corner of the stored pixels."""
    pixels = np.full((*size, 3), 30, np.uint8)
    pixels[white] = 255
    note = Image.Exif()
    note[274] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"exif": note} if path.suffix == ".tiff" else {"quality": 95, "exif": note.tobytes()}
    Image.fromarray(pixels).save(path, **options)
    return path


def camvid(root, orientation, suffix=".jpg", shape=(60, 90), size=(60, 90)):
    photo(root / "test" / f"0{suffix}", orientation, size)
    label = np.zeros(shape, np.uint8)
    label[:15, :20] = 3
    (root / "testannot").mkdir(exist_ok=True)
    Image.fromarray(label).save(root / "testannot" / "0.png")
    return CamVidDataModule.part(root, "test")


# orientation


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(60, 90), (60, 60)])
def test_label_maps_belong_to_the_stored_pixels(tmp_path, orientation, suffix, size):
    images = camvid(tmp_path, orientation, suffix, size, size)
    item = images.read(0)
    assert item.image.shape[:2] == images.shape(0) == size
    assert item.image[item.target == 3].mean() > 245
    assert item.image[item.target == 0].mean() < 40
    source = DataSetSource(images, "test", None, None).read(0)
    assert np.array_equal(source.image, item.image) and np.array_equal(source.labels, item.target)


def test_a_label_of_the_turned_size_belongs_to_the_turned_image(tmp_path):
    images = camvid(tmp_path, 6, shape=(90, 60))
    item = images.read(0)
    assert item.image.shape[:2] == images.shape(0) == item.target.shape == (90, 60)
    assert np.array_equal(item.image, read_image(images.files[0]))


def test_a_labelled_tiff_with_an_orientation_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"0\.tiff is a TIFF file with orientation 3, and has labels"):
        camvid(tmp_path, 3, ".tiff").read(0)
    assert camvid(tmp_path / "plain", 1, ".tiff").read(0).target.max() == 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_belong_to_the_stored_pixels(tmp_path, orientation):
    box = {"x1": 10, "y1": 5, "x2": 30, "y2": 15}
    photo(tmp_path / "images/100k/val/0.jpg", orientation, white=(slice(5, 15), slice(10, 30)))
    path = tmp_path / "labels/det_20/det_val.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps([{"name": "0.jpg", "labels": [{"category": "car", "box2d": box}]}]))
    images = BDD100kDataModule.part(tmp_path, "val")
    item = images.read(0)
    assert item.target.boxes.tolist() == [[10, 5, 30, 15]]
    assert item.image[5:15, 10:30].mean() > 245 and item.image.shape[:2] == images.shape(0) == (60, 90)


def test_boxes_with_the_turned_size_belong_to_the_turned_image(tmp_path):
    path, found = photo(tmp_path / "0.jpg", 6), boxes_of([("car", (0, 0, 60, 90))], "x")
    images = BoxedSet("x", tmp_path, [path], "official", [found], tmp_path, [(90, 60)])
    assert images.read(0).image.shape[:2] == images.shape(0) == (90, 60)
    assert images.read(0).target.boxes.tolist() == [[0, 0, 60, 90]]
    with pytest.raises(ValueError, match=r"0\.jpg is 90x60, its labels in .* are for 50x50"):
        BoxedSet("x", tmp_path, [path], "official", [found], tmp_path, [(50, 50)]).read(0)


def test_images_without_labels_are_turned_as_before(tmp_path):
    photo(tmp_path / "0.jpg", 6)
    images = FileSet("x", tmp_path, [tmp_path / "0.jpg"], "official")
    assert images.read(0).image.shape[:2] == images.shape(0) == (90, 60)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_tiff_header_tells_the_shape_that_is_read(tmp_path, orientation):
    path = photo(tmp_path / "0.tiff", orientation)
    assert image_shape(path) == read_image(path).shape[:2]


def test_fingerprints_change_where_images_are_read_otherwise_alone(tmp_path):
    """A set whose pixels changed must not find the values cached for it before; all others must."""

    def old(images):
        again = FileSet("camvid", images.root, images.files, "subset", Labels(label_of, CLASS_IDS))
        again._read_anew = list
        return again.fingerprint

    plain, turned = camvid(tmp_path / "a", 1), camvid(tmp_path / "b", 3)
    assert plain.fingerprint == old(plain) == camvid(tmp_path / "c", 1).fingerprint
    assert turned.fingerprint != old(turned)
    already = camvid(tmp_path / "d", 6, shape=(90, 60))
    assert already.fingerprint == old(already)
    Image.fromarray(np.zeros((60, 90), bool)).save(plain.root / "testannot" / "0.png")
    one_bit = CamVidDataModule.part(plain.root, "test")
    assert one_bit.fingerprint != old(one_bit)


# label files


def test_the_indices_of_a_palette_are_the_ids(tmp_path):
    ids = np.zeros((60, 90), np.uint8)
    ids[:30], ids[0, 0] = 7, 255
    image = Image.fromarray(ids).convert("P")
    image.putpalette([value for i in range(256) for value in (i, 255 - i, i)])
    image.save(tmp_path / "l.png")
    like = np.zeros((60, 90, 3), np.uint8)
    found = read_label(tmp_path / "l.png", like, tmp_path / "x.png", lookup({0: 0, 7: 1, 255: IGNORE}))
    assert np.unique(found).tolist() == [0, 1, 255] and (found[1:30] == 1).all()
    small = Image.fromarray(ids % 4).convert("P")
    small.putpalette([9, 9, 9, 0, 0, 0, 5, 5, 5, 1, 1, 1])
    small.save(tmp_path / "s.png", bits=2)
    assert header_of(tmp_path / "s.png").bits == 2
    assert np.array_equal(read_ids(tmp_path / "s.png"), ids % 4)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_files_of_few_bits_hold_small_ids(tmp_path, bits):
    ids = np.arange(2**bits, dtype=np.uint8).repeat(8).reshape(-1, 8)
    rows = b"".join(
        b"\0" + np.packbits(np.unpackbits(row[:, None], axis=1)[:, -bits:]).tobytes() for row in ids
    )
    (tmp_path / "l.png").write_bytes(png(8, len(ids), rows, bits))
    assert np.array_equal(read_ids(tmp_path / "l.png"), ids)


def chunk(name, content):
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png(width, height, rows, bits, colour=0):
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_label_files_of_several_channels_or_16_bits_are_refused(tmp_path):
    for pixels in (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint16)):
        cv2.imwrite(str(tmp_path / "l.png"), pixels)
        with pytest.raises(ValueError, match=r"l\.png must be single-channel 8-bit"):
            read_ids(tmp_path / "l.png")


def test_two_images_cannot_share_a_label(tmp_path):
    camvid(tmp_path, 1, ".jpg")
    with pytest.raises(ValueError, match=r"0\.png belongs to both .*0\.jpg and .*0\.webp; keep one of them"):
        camvid(tmp_path, 1, ".webp")


def test_a_label_is_found_whichever_way_its_accents_are_stored(tmp_path):
    photo(tmp_path / "test" / "cafe\u0301.jpg", 1)
    (tmp_path / "testannot").mkdir()
    Image.fromarray(np.full((60, 90), 4, np.uint8)).save(tmp_path / "testannot" / "caf\u00e9.png")
    images = CamVidDataModule.part(tmp_path, "test")
    assert images.read(0).target.min() == 4


# whole files, sizes, depth, channels


def test_bytes_behind_the_end_of_a_png_do_not_matter(tmp_path):
    path = tmp_path / "x.png"
    Image.fromarray(np.full((48, 64, 3), 7, np.uint8)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(4096))
    assert (read_image(path) == 7).all() and image_shape(path) == (48, 64)
    for cut in (whole[:-6], whole[:40]):
        path.write_bytes(cut)
        for read in (read_image, image_shape):
            with pytest.raises(ValueError, match=r"x\.png is truncated"):
                read(path)


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".bmp"])
def test_too_many_pixels_are_refused_before_decoding(tmp_path, monkeypatch, suffix):
    side = 2**13 + 1
    path = tmp_path / f"x{suffix}"
    if suffix == ".png":
        path.write_bytes(png(30_000, 30_000, bytes(4), 8, 2))
        assert LARGEST < 30_000**2
    else:
        Image.new("1", (side, side)).save(path)
    monkeypatch.setattr(reading.cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    for read in (read_image, image_shape, read_ids):
        with pytest.raises(ValueError, match=r"is \d+x\d+; images may have at most 64 megapixels"):
            read(path)


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".ppm"])
def test_16_bit_files_that_hold_fewer_bits_are_said_once_per_set(tmp_path, caplog, suffix):
    full = np.arange(8 * 9 * 3, dtype=np.uint16).reshape(8, 9, 3) * 300
    with caplog.at_level(logging.WARNING, logger="lsood-bench"):
        for bits, divisor in ((16, 1), (14, 4), (12, 16), (10, 70), (8, 256)):
            folder = tmp_path / f"bits{bits}"
            folder.mkdir()
            for i in range(20):
                # Dark images alone say nothing: the brightest that are looked at count.
                cv2.imwrite(str(folder / f"{i:02d}{suffix}"), full // divisor // (1 if i % 6 == 0 else 9))
            for _ in range(2):
                FileSet(f"set-{suffix}-{bits}", tmp_path, sorted(folder.iterdir()), "official")
    assert "set-{suffix}-16" not in caplog.text and len(caplog.records) == 4
    for bits, times in ((14, 4), (12, 16), (10, 64), (8, 256)):
        assert f"set-{suffix}-{bits}: 16-bit files such as" in caplog.text
        assert f"hold values of {bits} bits: their images come out {times} times too dark" in caplog.text


def test_channels_beside_the_colours_are_refused(tmp_path):
    def tiff(samples, photometric, extra):
        tags = {
            256: 4,
            257: 4,
            258: 8,
            259: 1,
            262: photometric,
            273: 200,
            277: samples,
            278: 4,
            279: 16 * samples,
        }
        tags |= {} if extra is None else {338: extra}
        body = b"".join(struct.pack("<HHII", tag, 3, 1, value) for tag, value in sorted(tags.items()))
        start = b"II*\0" + struct.pack("<IH", 8, len(tags)) + body + bytes(4)
        path = tmp_path / "x.tiff"
        path.write_bytes(start.ljust(200, b"\0") + bytes(16 * samples))
        return path

    for samples, photometric, extra in ((5, 2, 0), (8, 1, 0), (4, 2, 0)):
        path = tiff(samples, photometric, extra)
        with pytest.raises(
            ValueError, match=r"x\.tiff has \d channels beside its colours; images must be grey"
        ):
            read_image(path)
    for samples, photometric, extra in ((3, 2, None), (4, 2, 2), (1, 1, None)):
        assert header_of(tiff(samples, photometric, extra)).further == 0


def test_a_labelled_pair_of_two_sizes_is_refused(tmp_path):
    images = camvid(tmp_path, 1, shape=(50, 90))
    with pytest.raises(ValueError, match=r"0\.png is 90x50, its image .*0\.jpg 90x60"):
        images.read(0)
    with pytest.raises(FileNotFoundError, match=r"0\.jpg has no label: .*none\.png does not exist"):
        read_labelled(images.files[0], tmp_path / "none.png", ALL_IDS)


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".bmp"])
def test_files_of_one_bit_hold_0_and_1(tmp_path, suffix):
    ids = np.zeros((8, 9), bool)
    ids[2:5, 3:] = True
    Image.fromarray(ids).save(tmp_path / f"l{suffix}")
    assert np.array_equal(read_ids(tmp_path / f"l{suffix}"), ids)
    assert header_of(tmp_path / f"l{suffix}").bits == 1


WHOLE = [
    (".jpg", {"quality": 90}), (".jpg", {"progressive": True}), (".jpg", {"exif": True}), (".png", {}), (".webp", {}),
    (".webp", {"lossless": True}), (".bmp", {}), (".ppm", {}), (".tiff", {}), (".tiff", {"compression": "tiff_lzw"}),
    (".tiff", {"big_tiff": True}),
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "options"), WHOLE, ids=str)
def test_a_cut_file_is_found_by_its_structure_and_bytes_after_the_end_do_not_matter(
    tmp_path, suffix, options
):
    pixels = np.kron(np.random.default_rng(0).integers(0, 256, (12, 16, 3)), np.ones((4, 4, 1))).astype(
        np.uint8
    )
    if "exif" in options:  # a thumbnail has an end of its own
        thumbnail = io.BytesIO()
        Image.fromarray(pixels[:8, :8]).save(thumbnail, "JPEG")
        note = Image.Exif()
        note[37500] = thumbnail.getvalue() + b"\xff\xd9"
        options = {"exif": note.tobytes()}
    path = tmp_path / f"x{suffix}"
    Image.fromarray(pixels).save(path, **options)
    whole, shape = path.read_bytes(), (48, 64)
    for behind in (b"", bytes(4096), b"behind\xff\xd8\xff"):
        path.write_bytes(whole + behind)
        assert image_shape(path) == read_image(path).shape[:2] == shape
    last = [] if suffix == ".tiff" else [1, 2]  # a TIFF file may end in notes
    for lost in (*last, len(whole) // 10, len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:-lost])
        for read in (header_of, read_image):
            with pytest.raises(ValueError, match=r"x\.\w+ (is truncated|cannot be read as an image)"):
                read(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_file_whose_rest_was_never_written_is_found(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) // 2))
    with pytest.raises(ValueError, match=r"truncated|damaged"):
        read_image(path)
    if suffix == ".jpg":
        with pytest.raises(ValueError, match=r"is truncated: its end is missing; copy or download it again"):
            header_of(path)


def test_a_jpeg_of_several_scans_with_anything_between_them_is_whole(tmp_path):
    """Segments between two scans may hold the bytes of an end marker."""
    path = tmp_path / "x.jpg"
    Image.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(path, progressive=True)
    data = path.read_bytes()
    second = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    second = data.rindex(b"\xff\xc4", 0, second) if b"\xff\xc4" in data[:second] else second
    comment = b"\xff\xfe\x00\x06ab\xff\xd9"
    with_comment = data[:second] + comment + data[second:]
    path.write_bytes(with_comment + b"behind")
    assert header_of(path).width == 64
    path.write_bytes(with_comment[:-2] + b"behind")
    with pytest.raises(ValueError, match="truncated"):
        header_of(path)
