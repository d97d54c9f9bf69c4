"""Generated sets: the same pixels however they are made, whole files whatever happens, exact maps."""

import errno
import json
import os
import re
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from anomalies import Recipe
from anomalies.generate import app
from anomalies.sets import engine, manifest
from anomalies.sets.codec import read_map, read_stored
from anomalies.sets.generation import generate
from anomalies.sets.manifest import pixel_hash
from anomalies.sets.plan import Plan
from anomalies.sets.source import SourceSpec
from anomalies.sets.stored import StoredSet
from anomalies.sets.summary.report import finish
from anomalies.verify import app as verify_app
from anomalies.verify import verify
from lsood.io import TEMPORARY, temporary

COUNT = 7
RECIPE = Recipe.named("default")


def frame(number, shape=(48, 80, 3)):
    rng = np.random.default_rng(number)
    rows = np.linspace(190, 70, shape[0])[:, None, None]
    return (rows + rng.integers(-40, 41, shape)).astype(np.uint8)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for number in range(COUNT):
        (folder / f"drive{number % 2}").mkdir(exist_ok=True)
        cv2.imwrite(str(folder / f"drive{number % 2}" / f"{number:04d}.png"), frame(number))
    return folder


@pytest.fixture(scope="module")
def plan(images):
    return Plan(SourceSpec(images=images), RECIPE, seed=3)


@pytest.fixture(scope="module")
def made(plan, tmp_path_factory):
    """(folder, records) of the set made in one go by one process."""
    out = tmp_path_factory.mktemp("made") / "set"
    return out, generate(plan, out).records


def pixels(out):
    """{file: hash of its bytes' pixels} of everything but the manifest."""
    return {
        path.relative_to(out).as_posix(): pixel_hash(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        for path in out.rglob("*.png")
    }


def hashes(records):
    return {record["id"]: (record["pixel_hash"], record["map_hashes"]) for record in records}


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, " ".join(result.output.split())


def test_files_are_what_the_recipe_draws(made, plan, images):
    out, records = made
    assert len(records) == 2 * COUNT
    for record in records:
        clean = read_stored(images / record["key"], 3)
        stored = read_stored(out / record["out_path"], 3)
        if record["is_clean_copy"]:
            np.testing.assert_array_equal(stored, clean)
            continue
        drawn = RECIPE.render(clean, record["key"], 3)
        np.testing.assert_array_equal(stored, drawn.image)
        assert (record["kind"], record["severity"]) == (drawn.kind, drawn.severity)
        assert record["mean_abs_diff"] == pytest.approx(np.abs(stored.astype(float) - clean).mean())
        if drawn.mask is None:
            assert record["mask"] == "global"
            assert record["mask_path"] is None
            continue
        mask = read_map(out / record["mask_path"])
        np.testing.assert_array_equal(mask, drawn.mask)
        assert record["area_frac"] == pytest.approx((mask == 1).mean())
        kinds = read_map(out / record["kind_path"])
        index = json.loads((out / "dataset.json").read_text())["kinds"][record["kind"]]
        np.testing.assert_array_equal(kinds, np.where(mask == 1, index, 0))
        alpha = read_map(out / record["alpha_path"])
        assert np.abs(alpha / 255 - drawn.rendered.alpha).max() <= 0.5 / 255 + 1e-6


def test_four_workers(made, plan, tmp_path):
    out, records = made
    other = generate(plan, tmp_path / "set", workers=4)
    assert other.records == records
    assert pixels(tmp_path / "set") == pixels(out)


def test_shards_into_one_folder(made, plan, tmp_path):
    out, records = made
    for i in (2, 3, 1):
        outcome = generate(plan, tmp_path / "set", shard=(i, 3))
        assert outcome.complete == (i == 1)
    assert outcome.records == records
    assert pixels(tmp_path / "set") == pixels(out)
    assert pq.read_table(tmp_path / "set" / "manifest.parquet").num_rows == len(records)


def test_resume_makes_only_what_is_missing(made, plan, tmp_path):
    out, records = made
    target = tmp_path / "set"
    generate(plan, target, shard=(1, 2))
    gone = next(record for record in manifest.known(target).values() if record["kind"])
    (target / gone["out_path"]).unlink()
    outcome = generate(plan, target)
    assert outcome.made == 2 * (COUNT // 2) + 1
    assert outcome.there == 2 * ((COUNT + 1) // 2) - 1
    assert outcome.records == records
    assert pixels(target) == pixels(out)
    again = generate(plan, target)
    assert (again.made, again.there) == (0, 2 * COUNT)


def test_a_command_killed_before_its_first_file_is_whole_continues(made, plan, tmp_path):
    """Its temporary file made the folder look like one that holds something else."""
    (tmp_path / "set").mkdir()
    temporary(tmp_path / "set" / manifest.HEADER).write_text("{")
    assert generate(plan, tmp_path / "set").records == made[1]
    assert not list((tmp_path / "set").rglob(TEMPORARY))


def test_a_disk_that_takes_a_part_of_a_record_gets_the_rest(made, tmp_path):
    """A second record was joined to the first half of one, and no later command could read the part."""

    class Slow:
        def __init__(self, file):
            self.file, self.close = file, file.close

        def write(self, content):
            return self.file.write(content[:50])

    parts = manifest.Parts(tmp_path, "1of1")
    parts._file = Slow(parts._file)
    for record in made[1]:
        parts.add([record])
    parts.close()
    assert sorted(manifest.known(tmp_path).values(), key=lambda r: r["id"]) == made[1]


def test_rendered_on_read(made, plan, tmp_path):
    out, records = made
    virtual = replace(plan, materialize="none")
    outcome = generate(virtual, tmp_path / "set")
    assert hashes(outcome.records) == hashes(records)
    assert not list((tmp_path / "set").rglob("*.png"))
    stored, read = StoredSet(tmp_path / "set"), StoredSet(out)
    for record, other in zip(stored.records, read.records, strict=True):
        drawn, file = stored.read(record), read.read(other)
        np.testing.assert_array_equal(drawn.image, file.image)
        assert set(drawn.maps) == set(file.maps)
        for name, values in file.maps.items():
            np.testing.assert_array_equal(drawn.maps[name], values)
            assert drawn.maps[name].dtype == values.dtype
    masks = generate(replace(plan, materialize="masks"), tmp_path / "masks")
    assert hashes(masks.records) == hashes(records)
    assert verify(tmp_path / "masks").problems == []
    assert {r["out_path"] for r in masks.records} == {None}
    assert any(r["mask_path"] for r in masks.records)


def test_rendered_on_read_notices_another_source(plan, images, tmp_path):
    copy = tmp_path / "copy"
    for path in images.rglob("*.png"):
        (copy / path.relative_to(images)).parent.mkdir(parents=True, exist_ok=True)
        (copy / path.relative_to(images)).write_bytes(path.read_bytes())
    generate(replace(plan, materialize="none"), tmp_path / "set")
    assert verify(tmp_path / "set", images=copy).problems == []
    cv2.imwrite(str(copy / "drive0" / "0000.png"), frame(99))
    problems = verify(tmp_path / "set", images=copy).problems
    assert len(problems) == 2
    assert all("drive0/0000.png: the clean image is not the one" in line for line in problems)
    (copy / "drive1" / "0001.png").unlink()
    assert any("name its source" in line for line in verify(tmp_path / "set", images=copy).problems)


@pytest.mark.parametrize("format_", ["jpg", "webp"])
def test_lossy_sets_are_hashed_as_decoded(plan, tmp_path, format_):
    outcome = generate(replace(plan, format=format_), tmp_path)
    for record in outcome.records:
        assert record["out_path"].endswith(format_)
        assert pixel_hash(read_stored(tmp_path / record["out_path"], 3)) == record["pixel_hash"]
        assert record["is_clean_copy"] is False or record["pixel_hash"] != record["source_hash"]
    virtual = generate(replace(plan, format=format_, materialize="none"), tmp_path / "virtual")
    assert hashes(virtual.records) == hashes(outcome.records)


def test_verify_finds_every_change(made, plan, tmp_path):
    out, _ = made
    assert verify(out, workers=2).problems == []
    target = tmp_path / "set"
    outcome = generate(plan, target)
    marked = [record for record in outcome.records if record["mask_path"]]
    image, mask = target / marked[0]["out_path"], target / marked[1]["mask_path"]
    changed = cv2.imread(str(image))
    changed[3, 3, 0] ^= 1
    cv2.imwrite(str(image), changed)
    changed = cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)
    changed[3, 3] ^= 1
    cv2.imwrite(str(mask), changed)
    missing = target / outcome.records[-1]["out_path"]
    missing.write_bytes(missing.read_bytes()[:200])
    problems = verify(target).problems
    assert len(problems) == 3
    assert f"{marked[0]['out_path']}: other pixels than the manifest says" in problems
    assert f"{marked[1]['mask_path']}: other pixels than the manifest says" in problems
    result = CliRunner().invoke(verify_app, [str(target)])
    assert result.exit_code == 1
    assert "3 problems" in result.output
    assert CliRunner().invoke(verify_app, [str(out)]).exit_code == 0
    assert CliRunner().invoke(verify_app, [str(tmp_path)]).exit_code == 2


def test_full_disk_leaves_whole_files_and_resumes(made, plan, tmp_path, monkeypatch):
    out, records = made
    real, written = Path.write_bytes, []

    def full(path, data):
        written.append(path)
        if len(written) > 12:
            real(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    code, said = run("--images", plan.source.images, "--seed", "3", "--out", tmp_path / "set")
    monkeypatch.undo()
    assert code == 1
    assert said.startswith("error: No space left on device")
    left = pixels(tmp_path / "set")
    assert left
    assert left.items() <= pixels(out).items()
    assert not list((tmp_path / "set").rglob(TEMPORARY))
    outcome = generate(plan, tmp_path / "set")
    assert outcome.records == records
    assert pixels(tmp_path / "set") == pixels(out)


def test_interrupted_command_says_how_to_go_on(plan, tmp_path, monkeypatch):
    def interrupted(*_):
        yield []
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "run", interrupted)
    code, said = run("--images", plan.source.images, "--out", tmp_path / "set")
    assert code == 130
    assert "run the same command to resume" in said


def test_report_and_preview(plan, tmp_path):
    every = replace(plan, severity="all", every_kind=True)
    outcome = generate(every, tmp_path / "set")
    kinds = len(RECIPE.entries)
    assert len(outcome.records) == COUNT * (1 + 5 * kinds)
    finish(tmp_path / "set", per_cell=2)
    text = (tmp_path / "set" / "README.md").read_text()
    rows = re.findall(r"^\| (\w+) \| (\d) \| (\d+) \|", text, re.M)
    assert len(rows) == 5 * kinds
    assert {int(count) for _, _, count in rows} == {COUNT}
    assert "Not known: 20 images of a kind are needed." in text
    levels = (tmp_path / "set" / "difficulty.csv").read_text().count("too few images")
    assert levels == 6 * kinds
    sheet = cv2.imread(str(tmp_path / "set" / "preview.jpg"))
    assert sheet.shape[0] > kinds * 100
    again = Recipe.load(tmp_path / "set" / "recipe.yaml")
    assert again.fingerprint == RECIPE.fingerprint
    for kind in {entry.kind for entry in RECIPE.entries}:
        changes = [
            np.mean([r["mean_abs_diff"] for r in outcome.records if (r["kind"], r["severity"]) == (kind, s)])
            for s in range(1, 6)
        ]
        assert np.all(np.diff(changes) > 0)


def test_severities_of_an_image_are_the_same_drawing(plan, tmp_path):
    """One kind and one attempt at all five, so that severities can be compared image by image."""
    outcome = generate(replace(plan, severity="all"), tmp_path / "set")
    for key in {record["key"] for record in outcome.records}:
        series = [r for r in outcome.records if r["key"] == key and r["kind"]]
        assert len({(r["kind"], r["attempt"]) for r in series}) == 1
        assert [r["severity"] for r in series] == [1, 2, 3, 4, 5]
        assert np.all(np.diff([r["mean_abs_diff"] for r in series]) > 0)
    gone = [record for record in outcome.records if record["severity"] == 4]
    for record in gone:
        (tmp_path / "set" / record["out_path"]).unlink()
    again = generate(replace(plan, severity="all"), tmp_path / "set")
    assert again.made == len(gone)
    assert again.records == outcome.records


def test_difficulty_tells_a_flood_from_a_whisper(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(24):
        cv2.imwrite(str(folder / f"{number:04d}.png"), frame(number))
    (tmp_path / "two.yaml").write_text("- kind: identity\n- kind: fog\n  severity: 5\n")
    words = ["--images", folder, "--recipe", tmp_path / "two.yaml", "--severity", "5", "--every-kind"]
    assert run(*words, "--out", tmp_path / "set")[0] == 0
    text = (tmp_path / "set" / "README.md").read_text()
    assert re.search(r"\| fog \| 5 \| (1\.000|0\.9[5-9]\d) \|.*trivial", text)
    assert re.search(r"\| identity \| 5 \| 0\.[0-6]\d+ \|.*hard", text)


def test_a_finished_set_names_its_command(plan, images, tmp_path):
    code, said = run("--images", images, "--seed", "3", "--out", tmp_path / "set", "--difficulty", "0")
    assert code == 0, said
    assert "14 images made, 0 were there, 0 not made; complete" in said
    text = (tmp_path / "set" / "README.md").read_text()
    words = re.search(r"anomalies.generate (.*) --out NEW", text)[1].replace("FOLDER", str(images)).split()
    words[words.index("recipe.yaml")] = str(tmp_path / "set" / "recipe.yaml")
    assert run(*words, "--out", tmp_path / "again")[0] == 0
    assert pixels(tmp_path / "again") == pixels(tmp_path / "set")


def test_ray(made, plan, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed (extra 'ray')")
    out, records = made
    outcome = generate(plan, tmp_path / "set", workers=2, how="ray")
    assert hashes(outcome.records) == hashes(records)
    assert pixels(tmp_path / "set") == pixels(out)


def test_without_ray_the_extra_is_named(plan, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, said = run("--images", plan.source.images, "--out", tmp_path / "set", "--engine", "ray")
    assert code == 1
    assert "pip install 'lsood-bench[ray]'" in said


def _dies(_):
    os._exit(3)


def _deadly():
    return _dies


def test_a_dead_worker_is_one_line():
    with pytest.raises(RuntimeError, match="a worker process died"):
        list(engine.run(partial(_deadly), [1, 2], workers=2))
