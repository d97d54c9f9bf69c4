"""Generated sets that somebody else wrote, changed or damaged: nothing outside is read, nothing false is measured."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from anomalies import Recipe
from anomalies.sets.generation import generate
from anomalies.sets.plan import Plan
from anomalies.sets.source import SourceSpec
from anomalies.sets.stored import StoredSet
from datamodules.imagesets.generated import GeneratedSet

RECIPE = Recipe.named("default")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    (folder / "images").mkdir()
    for number in range(6):
        rows = np.linspace(190, 70, 48)[:, None, None]
        noise = np.random.default_rng(number).integers(-40, 41, (48, 80, 3))
        cv2.imwrite(str(folder / "images" / f"{number}.png"), (rows + noise).astype(np.uint8))
    for materialize in ("all", "none"):
        generate(
            Plan(SourceSpec(images=folder / "images"), RECIPE, materialize=materialize), folder / materialize
        )
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made / "all", tmp_path / "set")


def lines(folder):
    return [json.loads(text) for text in (folder / "manifest.jsonl").read_text().splitlines()]


def change(folder, **values):
    """Change the first record with a mask; returns it."""
    records = lines(folder)
    record = next(r for r in records if r["mask_path"] or (r["kind"] and "mask" in (r["map_hashes"] or {})))
    record |= values
    (folder / "manifest.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return record


@pytest.mark.parametrize("name", ["out_path", "mask_path", "label_path"])
@pytest.mark.parametrize(
    "path",
    ["../secret.png", "/etc/secret.png", "a/../../secret.png", "..\\secret.png", "C:/secret.png", "a\0", ""],
)
def test_paths_stay_inside(folder, name, path):
    cv2.imwrite(str(folder.parent / "secret.png"), np.zeros((48, 80, 3), np.uint8))
    change(folder, **{name: path})
    with pytest.raises(ValueError, match=rf"manifest\.jsonl, line \d+: {name} .* would lie outside the set"):
        GeneratedSet("generated:x", folder)


WRONG = [
    ({"pixel_hash": "0"}, "pixel_hash '0' cannot be"),
    ({"height": -1}, "height -1 cannot be"),
    ({"height": 2**20, "width": 2**20}, "more than 64 megapixels"),
    ({"channels": 4}, "channels 4 cannot be"),
    ({"severity": 9}, "severity 9 cannot be"),
    ({"status": "fine"}, "status 'fine' cannot be"),
    ({"map_hashes": {"mask": 5}}, "map_hashes"),
    ({"map_hashes": {}}, "mask_path has no hash in map_hashes"),
    ({"params": [1]}, r"params \[1\] cannot be"),
    ({"details": None}, "details None cannot be"),
    ({"key": 7}, "key 7 cannot be"),
    ({"target": "cat"}, "target 'cat' cannot be"),
    ({"kind": "gremlin"}, "kind 'gremlin', which the set does not list"),
]


@pytest.mark.parametrize(("values", "message"), WRONG)
def test_a_record_that_cannot_be_is_one_line(folder, values, message):
    change(folder, **values)
    with pytest.raises(ValueError, match=message) as caught:
        GeneratedSet("generated:x", folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["5", "null", "[]", '{"id": "a"}', "[" * 100_000 + "\n5"])
def test_lines_that_are_no_records(folder, text):
    (folder / "manifest.jsonl").write_text(text + "\n" + (folder / "manifest.jsonl").read_text())
    with pytest.raises(ValueError, match="line 1: "):
        GeneratedSet("generated:x", folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("identity", 5),
        ("images", "7"),
        ("training_ids", [1, 2]),
        ("kinds", {"fog": "x"}),
        ("versions", {}),
        ("source", {"ind": 5}),
        ("origin", None),
        ("variants", 3),
    ],
)
def test_a_header_that_cannot_be_is_one_line(folder, name, value):
    header = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(header | {name: value}))
    with pytest.raises(ValueError, match=r"dataset\.json"):
        StoredSet(folder)
    for text in ("[]", "5", "{}", "{"):
        (folder / "dataset.json").write_text(text)
        with pytest.raises(ValueError, match=r"dataset\.json"):
            StoredSet(folder)


@pytest.mark.parametrize("what", ["out_path", "mask_path"])
def test_replaced_files_are_noticed_on_reading(folder, what):
    record = next(r for r in lines(folder) if r["mask_path"])
    path = folder / record[what]
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(path), 1 - np.minimum(pixels, 1))
    found = GeneratedSet("generated:x", folder)
    with pytest.raises(ValueError, match=f"{path.name}: other pixels than the manifest says"):
        found.read(found.keys.index(record["key"]))


def test_params_that_a_kind_does_not_have_are_one_line(made, tmp_path):
    folder = shutil.copytree(made / "none", tmp_path / "set")
    record = change(folder, params={"nothing": 1})
    stored = StoredSet(folder)
    with pytest.raises(ValueError, match=f"{record['id']}: {record['kind']} has no parameter 'nothing'"):
        stored.read(next(r for r in stored.records if r["id"] == record["id"]))


def test_boxes_that_cannot_be_are_one_line(folder):
    for boxes in (5, [[1, 2, 3]], ["abc"], [5], [[1, 2, float("inf"), 4]]):
        details = {"boxes": boxes, "objects": ["cow"]}
        record = change(folder, details=details)
        found = GeneratedSet("generated:x", folder, boxed=True)
        with pytest.raises(ValueError, match=record["id"]):
            found._boxes(record["id"], details)


def test_the_fingerprint_follows_masks(folder):
    before = GeneratedSet("generated:x", folder).fingerprint
    record = next(r for r in lines(folder) if r["mask_path"])
    change(folder, map_hashes=record["map_hashes"] | {"mask": "0" * 32})
    assert GeneratedSet("generated:x", folder).fingerprint != before


def test_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert len(GeneratedSet("generated:~/set", Path("~/set"))) > 0
