"""One folder with everything that people's folders hold, given to every command: all see the same images."""

import io
import os
import struct
import unicodedata
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from anomalies.generate import app as generate
from anomalies.preview import app as preview
from anomalies.sets.manifest import read_lines
from anomalies.sets.source import SourceSpec
from anomalies.sets.stored import StoredSet
from anomalies.verify import app as verify
from datamodules import OOD_SETS, FashionMNISTDataModule, outliers_for
from datamodules.ind.camvid import CamVidDataModule
from leaderboards.store import load_results
from lsood.text import one_line

PIXELS = np.kron(np.random.default_rng(0).integers(0, 256, (6, 8, 3)), np.ones((4, 4, 1))).astype(np.uint8)
STORED, TURNED = (24, 32), (32, 24)
NFC, NFD = (unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD"))
LATIN = b"caf\xe9.png"
GOOD = {
    "plain.png": STORED, "UPPER.JPG": STORED, "exif.jpg": TURNED, "padded.png": STORED, "behind.jpg": STORED,
    "deep.png": STORED, "palette.png": STORED, "rgba.png": STORED, "cmyk.jpg": STORED, "bit.bmp": STORED,
    "~user.png": STORED, "a b#[1]%.png": STORED, "link.png": STORED, NFC: STORED, f"mac{NFD}": STORED,
    "caf\\xe9.png": STORED, "turned.tiff": TURNED, "deeply_turned.tiff": TURNED,
    "deeper/plain.png": STORED, "night/dark.png": STORED,
}  # fmt: skip
BAD = {
    "cut.png": "truncated", "half.jpg": "truncated", "text.png": "cannot be read as an image",
    "empty.jpg": "cannot be read as an image", "gone.png": "does not exist",
    "huge.png": "images may have at most 64 megapixels", "channels.tiff": "2 channels beside its colours",
}  # fmt: skip
TURNED_TIFF = ("turned.tiff", "deeply_turned.tiff")


def encoded(form, pixels=PIXELS, orientation=None, **options):
    buffer, note = io.BytesIO(), Image.Exif()
    if orientation is not None:
        note[274] = orientation
        options["exif"] = note if form == "TIFF" else note.tobytes()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, form, **options)
    return buffer.getvalue()


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def build(folder, bad=True):
    """The folder; what no command may take for an image is in it too."""
    image, grey = Image.fromarray(PIXELS), np.ascontiguousarray(PIXELS[..., 0])
    png, jpg = encoded("PNG"), encoded("JPEG", quality=95)
    deep = cv2.imencode(".png", PIXELS.astype(np.uint16) * 257)[1].tobytes()
    rgba = np.dstack([PIXELS, np.full(STORED, 9, np.uint8)])
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    tags = {256: 4, 257: 4, 258: 8, 259: 1, 262: 2, 273: 200, 277: 5, 278: 4, 279: 80, 338: 0}
    body = b"".join(struct.pack("<HHII", tag, 3, 1, value) for tag, value in tags.items())
    contents = {
        "plain.png": png, "UPPER.JPG": jpg, "exif.jpg": encoded("JPEG", orientation=6, quality=95),
        "padded.png": png + bytes(4096), "behind.jpg": jpg + b"behind", "deep.png": deep,
        "palette.png": encoded("PNG", image.convert("P")), "rgba.png": encoded("PNG", rgba),
        "cmyk.jpg": encoded("JPEG", image.convert("CMYK"), quality=95), "bit.bmp": encoded("BMP", grey > 127),
        "~user.png": png, "a b#[1]%.png": png, NFC: png, f"mac{NFD}": png, LATIN: png,
        "turned.tiff": encoded("TIFF", orientation=6), "deeper/plain.png": png,
        "deeply_turned.tiff": encoded("TIFF", grey.astype(np.uint16) * 257, orientation=6),
        ".hidden.png": png, "._plain.png": b"\0\5\x16\7" + bytes(120), ".thumbnails/0.png": png,
        "__MACOSX/._plain.png": b"\0\5\x16\7", "__MACOSX/0.png": png, "@eaDir/0.png": png,
        "notes.txt": b"x", "phone.heic": b"x", "Thumbs.db": b"x",
    }  # fmt: skip
    if bad:
        contents |= {
            "cut.png": png[:-20], "half.jpg": jpg[: len(jpg) // 2], "text.png": b"no image", "empty.jpg": b"",
            "huge.png": b"\x89PNG\r\n\x1a\n" + head + chunk(b"IEND", b""),
            "channels.tiff": (b"II*\0" + struct.pack("<IH", 8, len(tags)) + body + bytes(4)).ljust(280, b"\0"),
        }  # fmt: skip
    for name, content in contents.items():
        path = folder / (name if isinstance(name, str) else os.fsdecode(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    elsewhere = folder.parent / f"{folder.name} elsewhere"
    (elsewhere / "night").mkdir(parents=True)
    (elsewhere / "night" / "dark.png").write_bytes(png)
    (folder / "link.png").symlink_to(elsewhere / "night" / "dark.png")
    for name in ("night", "night again"):
        (folder / name).symlink_to(elsewhere / "night")
    (elsewhere / "night" / "back").symlink_to(folder)
    if bad:
        (folder / "gone.png").symlink_to(elsewhere / "gone.png")
    return folder


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    try:
        return build(tmp_path_factory.mktemp("hostile") / "frames")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")


def run(command, *words):
    done = CliRunner().invoke(command, [str(word) for word in words])
    return done.exit_code, " ".join(done.output.split())


def same_images(keys, read, expected=GOOD, bad=BAD):
    """Every key is there, and its pixels or the reason why it has none are the expected ones."""
    assert sorted(keys) == sorted([*expected, *bad])
    for index, key in enumerate(keys):
        if key in bad:
            with pytest.raises((ValueError, OSError), match=bad[key]) as error:
                read(index)
            assert key in one_line(error.value)
        else:
            assert read(index).image.shape == (*expected[key], 3), key


def test_every_reader_sees_the_same_images(hostile):
    source = SourceSpec(images=hostile).open()
    same_images(source.keys, source.read)
    data = FashionMNISTDataModule(ood=[f"folder:{hostile}"])
    data.setup()
    outliers = outliers_for("cifar10", None, name=f"folder:{hostile}")
    for images in (*data.ood_sets.values(), outliers, OOD_SETS["textures"].load(hostile)):
        same_images(images.keys, images.read)
        assert images.keys == source.keys
        for index, key in enumerate(images.keys):
            fault = images.fault(index)
            if key in BAD:
                assert BAD[key] in fault
            else:
                assert fault is None and images.shape(index) == GOOD[key]
                assert np.array_equal(images.read(index).image, source.read(index).image)
        assert len(images.fingerprint) == 64


def test_in_distribution_frames_are_the_same_files_as_they_are_stored(hostile, tmp_path):
    """Labels belong to stored pixels; of a turned TIFF file nobody knows."""
    (tmp_path / "test").symlink_to(hostile)
    (tmp_path / "testannot").mkdir()
    flat = {f"test/{key}": STORED for key in GOOD if "/" not in key and key not in TURNED_TIFF}
    bad = {f"test/{key}": reason for key, reason in BAD.items()}
    bad |= {f"test/{key}": "is a TIFF file with orientation 6, and has labels" for key in TURNED_TIFF}
    images = CamVidDataModule.part(tmp_path, "test")
    label = np.zeros(STORED, np.uint8)
    label[:, :8] = 3
    for path in images.files:
        Image.fromarray(label).save(tmp_path / "testannot" / f"{path.stem}.png")
    same_images(images.keys, images.read, flat, bad)
    for index, key in enumerate(images.keys):
        assert (
            (bad[key] in images.fault(index))
            if key in bad
            else np.array_equal(images.read(index).target, label)
        )


def test_generate_and_verify_list_the_same_images(hostile, tmp_path):
    for out, more in (("set", ()), ("bare", ("--materialize", "none"))):
        code, said = run(
            generate,
            "--images",
            hostile,
            "--out",
            tmp_path / out,
            "--recipe",
            "sensor",
            "--difficulty",
            0,
            *more,
        )
        assert code == 1 and f"{2 * len(GOOD)} images made, 0 were there, {2 * len(BAD)} not made" in said
        records = read_lines(tmp_path / out / "manifest.jsonl")
        assert {r["key"] for r in records if r["status"] == "ok"} == set(GOOD)
        for record in records:
            if record["status"] != "ok":
                assert BAD[record["key"]] in record["error"] and record["key"] in record["error"]
        code, said = run(verify, tmp_path / out, "--images", hostile)
        assert code == 0 and f"{2 * len(GOOD)} images and" in said
    stored = StoredSet(tmp_path / "bare")
    for record in stored.records:
        assert stored.read(record).image.shape == (*GOOD[record["key"]], 3)


def test_preview_reads_and_refuses_the_same_images(hostile, tmp_path):
    for key in [*GOOD, *BAD]:
        path = hostile / (os.fsdecode(LATIN) if "\\xe9" in key else key)
        code, said = run(
            preview, "--image", path, "--out", tmp_path / "sheet.png", "--kind", "gaussian_noise"
        )
        assert (code, "sheet.png: 1 kinds" in said) == ((2, False) if key in BAD else (0, True)), key
        if key in BAD:
            assert BAD[key] in said and key in said


def test_a_run_lists_the_same_images_and_uses_the_rest(tmp_path, caplog, monkeypatch):
    """As OoD set and as outliers, with a method that reads images by their statistics."""
    from benchmarks.run import app

    monkeypatch.setattr("benchmarks.run.to_terminal", lambda: None)
    try:
        frames, outliers = build(tmp_path / "all"), build(tmp_path / "outliers", bad=False)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    words = ["--ind", "fashion-mnist", "--miniature", "--limit", 60, "--epochs", 1, "--out", tmp_path / "out"]
    words += ["--methods", "msp", "--methods", "outlier-exposure", "--outliers", f"folder:{outliers}"]
    words += ["--ood", f"folder:{frames}"]
    code, said = run(app, *words)
    assert (
        code == 1
        and f"{len(BAD)} of {len(BAD) + len(GOOD)} images" in said
        and not (tmp_path / "out/results").exists()
    )
    for key, reason in BAD.items():
        assert any(key in one and reason in one for one in caplog.text.splitlines())
    code, said = run(app, *words, "--max-bad", 0.5)
    assert code == 0, said
    results = list(load_results(tmp_path / "out" / "results").values())
    assert {result.method for result in results} == {"msp", "outlier-exposure", "naive"}
    assert all(result.ood[0].n_out == len(GOOD) and not result.ood[0].failure for result in results)
