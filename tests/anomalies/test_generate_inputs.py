"""What people feed the generator: damaged and odd images, wrong options, folders of other things."""

import json
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner

from anomalies.generate import app, parse_shard
from anomalies.sets.codec import read_stored
from anomalies.sets.manifest import read_lines
from anomalies.sets.outputs import boxes_of


def frame(shape=(40, 64, 3), seed=0):
    rows = np.linspace(190, 70, shape[0])[:, None, None]
    return (rows + np.random.default_rng(seed).integers(-40, 41, shape)).astype(np.uint8)


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, " ".join(result.output.split())


def png_header(path, width, height):
    """A PNG file that says it is large and holds nothing."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + end)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "good.png"), frame())
    return folder


def test_bad_images_are_listed_and_the_rest_is_made(folder, tmp_path):
    (folder / "text.png").write_text("no image")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:-200])
    cv2.imwrite(str(folder / "one.png"), frame((1, 1, 3)))
    png_header(folder / "huge.png", 60_000, 60_000)
    Pillow.fromarray(np.dstack([frame(), np.full((40, 64), 9, np.uint8)])).save(folder / "rgba.png")
    Pillow.fromarray(frame()).convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    Pillow.fromarray(frame()).convert("P").save(folder / "palette.png")
    cv2.imwrite(str(folder / "sixteen.png"), frame((40, 64, 1)).astype(np.uint16) * 257)
    cv2.imwrite(str(folder / "grey.png"), frame((40, 64, 1)))
    cv2.imwrite(str(folder / "deep.png"), frame()[..., ::-1].astype(np.uint16) * 257)
    flipped = bytearray((folder / "good.png").read_bytes())
    flipped[len(flipped) // 2] ^= 1
    (folder / "flipped.png").write_bytes(flipped)
    code, said = run("--images", folder, "--out", tmp_path / "set", "--difficulty", "0")
    assert code == 1
    assert "14 images made, 0 were there, 12 not made; complete" in said
    records = {r["id"]: r for r in read_lines(tmp_path / "set" / "manifest.jsonl")}
    assert len(records) == 2 * 13
    reasons = {
        "text.png": "cannot be read as an image",
        "empty.jpg": "cannot be read as an image",
        "cut.png": "truncated",
        "flipped.png": "is damaged: wrong checksum of its IDAT chunk",
        "one.png": "is 1x1; images must be at least 16x16 pixels",
        "huge.png": "is 60000x60000; images may have at most 64 megapixels",
    }
    for name, reason in reasons.items():
        for variant in ("clean", "anomalous"):
            record = records[f"{variant}/{name}"]
            assert record["status"] == "failed"
            assert reason in record["error"]
            assert name in record["error"]
            assert "\n" not in record["error"]
        assert said.count(name) == 1
    assert "failed: text.png cannot be read" in said and str(folder) not in said
    notes = {"rgba.png": "RGBA", "cmyk.jpg": "CMYK", "palette.png": " P "}
    notes |= dict.fromkeys(("sixteen.png", "deep.png"), "16 bits")
    for name, note in notes.items():
        record = records[f"anomalous/{name}"]
        assert record["status"] == "ok"
        assert note in record["notes"][0]
        stored = read_stored(tmp_path / "set" / records[f"clean/{name}"]["out_path"], 3)
        expected = frame((40, 64, 1) if name == "sixteen.png" else (40, 64, 3)).astype(float)
        tolerance = {"cmyk.jpg": 8, "palette.png": 20}.get(name, 0)
        assert np.abs(stored - expected).mean() <= tolerance, name
    text = (tmp_path / "set" / "README.md").read_text()
    assert "- failed: " in text


def test_grown_up_images_are_made_where_failed_ones_are_mended(folder, tmp_path):
    (folder / "later.png").write_text("not yet")
    assert run("--images", folder, "--out", tmp_path / "set", "--difficulty", "0")[0] == 1
    cv2.imwrite(str(folder / "later.png"), frame(seed=5))
    code, said = run("--images", folder, "--out", tmp_path / "set", "--difficulty", "0")
    assert code == 0
    assert "2 images made, 2 were there, 0 not made" in said


WRONG = [
    (["--recipe", "{tmp}/unknown.yaml"], "unknown kind 'gremlin'; kinds: "),
    (["--recipe", "{tmp}/seven.yaml"], "mud: severity must be an integer from 1 to 5, got 7"),
    (["--recipe", "{tmp}/broken.yaml"], "not valid YAML"),
    (["--recipe", "{tmp}/nowhere.yaml"], "no recipe file"),
    (["--recipe", "drivin"], "unknown recipe 'drivin'; recipes: controls, default"),
    (["--severity", "7"], "--severity must be 1 to 5, mixed or all, got '7'"),
    (["--format", "gif"], "unknown format 'gif'; formats: png, jpg, webp"),
    (["--materialize", "some"], "--materialize must be one of all, masks, none, got 'some'"),
    (["--layout", "kitti"], "unknown layout 'kitti'; layouts: official, smiyc, fishyscapes, cifar10-c"),
    (["--layout", "cifar10-c"], "add --severity all --every-kind"),
    (["--shard", "4/3"], "--shard must be i/n with i from 1 to n, such as 2/3, got '4/3'"),
    (["--workers", "0"], "--workers must be at least 1, got 0"),
    (["--seed", "-1"], "--seed must be at least 0, got -1"),
    (["--limit", "0"], "--limit must be at least 1, got 0"),
    (["--engine", "slurm"], "--engine must be one of local, ray, got 'slurm'"),
    (["--ind", "cityscapes"], "name either a data set (--ind NAME) or a folder of images (--images DIR)"),
    (["--difficulty", "-1"], "--difficulty must be at least 0, got -1"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=[" ".join(options) for options, _ in WRONG])
def test_wrong_options_are_one_line(folder, tmp_path, options, message):
    (tmp_path / "unknown.yaml").write_text("- kind: gremlin\n")
    (tmp_path / "seven.yaml").write_text("- kind: mud\n  severity: 7\n")
    (tmp_path / "broken.yaml").write_text("- kind: [mud\n")
    words = [word.replace("{tmp}", str(tmp_path)) for word in options]
    code, said = run("--images", folder, "--out", tmp_path / "set", *words)
    assert code == 2
    assert message in said
    assert not (tmp_path / "set").exists()


def test_folders_without_images(tmp_path):
    (tmp_path / "empty").mkdir()
    code, said = run("--images", tmp_path / "empty", "--out", tmp_path / "set")
    assert code == 2
    assert "holds no images" in said
    code, said = run("--images", tmp_path / "nowhere", "--out", tmp_path / "set")
    assert code == 2
    assert "no such folder" in said


def test_output_folder_that_holds_something_else(folder, tmp_path):
    code, said = run("--images", folder, "--out", folder)
    assert code == 2
    assert "is not empty and holds no generated set: choose another --out" in said
    (tmp_path / "file").write_text("")
    assert "choose another --out" in run("--images", folder, "--out", tmp_path / "file")[1]
    assert run("--images", folder, "--out", tmp_path / "set", "--difficulty", "0")[0] == 0
    code, said = run("--images", folder, "--out", tmp_path / "set", "--seed", "5")
    assert code == 2
    assert "holds another set, with seed 0 instead of 5" in said
    (tmp_path / "set" / "dataset.json").write_text("{")
    assert "dataset.json is damaged" in run("--images", folder, "--out", tmp_path / "set")[1]


def test_unknown_data_set_and_its_neighbour(tmp_path):
    code, said = run("--ind", "cityscape", "--out", tmp_path / "set")
    assert code == 2
    assert "did you mean 'cityscapes'?" in said


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/2"])
def test_shards(text):
    assert parse_shard("2/3") == (2, 3)
    with pytest.raises(ValueError, match="must be i/n"):
        parse_shard(text)


def test_an_image_on_which_nothing_shows_is_skipped(tmp_path):
    """Haze of the brightness of a white image cannot be seen: said so, rather than a mask of nothing."""
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "white.png"), np.full((40, 64, 3), 255, np.uint8))
    cv2.imwrite(str(tmp_path / "images" / "good.png"), frame())
    (tmp_path / "flare.yaml").write_text("- kind: sun_flare\n")
    code, said = run(
        "--images", tmp_path / "images", "--recipe", tmp_path / "flare.yaml", "--out", tmp_path / "set",
        "--difficulty", "0",
    )  # fmt: skip
    records = {r["id"]: r for r in read_lines(tmp_path / "set" / "manifest.jsonl")}
    assert code == 0
    assert records["anomalous/good.png"]["status"] == "ok"
    assert records["anomalous/white.png"]["status"] == "skipped"
    assert "sun_flare changed nothing" in records["anomalous/white.png"]["error"]
    assert "skipped: white.png: no anomaly can be drawn" in said


def test_names_that_differ_in_their_suffix_stay_apart(tmp_path):
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), frame(seed=1))
    cv2.imwrite(str(tmp_path / "images" / "a.bmp"), frame(seed=2))
    for layout in ("official", "smiyc", "fishyscapes"):
        out = tmp_path / layout
        assert (
            run("--images", tmp_path / "images", "--layout", layout, "--out", out, "--difficulty", "0")[0]
            == 0
        )
        paths = [r["out_path"] for r in read_lines(out / "manifest.jsonl")]
        assert len(set(paths)) == 4
        assert json.loads((out / "dataset.json").read_text())["images"] == 2


def test_boxes_of_objects():
    instances = np.zeros((40, 60), np.uint16)
    instances[5:9, 10:20] = 1
    instances[30:, 50:] = 700
    assert boxes_of(instances) == {"instances": 2, "bboxes": [[10, 5, 10, 4], [50, 30, 10, 10]]}
    assert boxes_of(None) == boxes_of(np.zeros((4, 4), np.uint16)) == {"instances": 0, "bboxes": []}


def test_names_are_harmless_in_the_readme(folder, tmp_path):
    """Of files that cannot be read, which stand in its list; the path of their folder does not."""
    for name in ("<b>x.png", "a|b`c`.png", "[x](javascript:y).png"):
        (folder / name).write_text("no image")
    out = tmp_path / "<i>set"
    code, _ = run("--images", folder, "--out", out, "--difficulty", "0")
    assert code == 1
    text = (out / "README.md").read_text()
    part = text[text.index("## Skipped and failed images") : text.index("## Assets")]
    assert (
        "failed: &lt;b>x.png cannot be read" in part and "a\\|b\\`c\\`.png" in part and "[x]\\(java" in part
    )
    assert text.startswith("# &lt;i>set") and "<b>" not in text and "<i>" not in text
    assert str(folder) not in text and str(folder) not in (out / "manifest.jsonl").read_text()
    assert str(folder) in (out / "dataset.json").read_text(), "where the images lie, once"
