"""``python -m benchmarks.cache``: what it lists, what it removes, and what it leaves."""

import json
import os
import time

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import datamodules.miniature as miniature
from benchmarks.cache import app
from benchmarks.cache_entries import ACTIVATIONS, MINIATURE, NETWORK, entries, human, remove, unreadable
from benchmarks.pipeline.extraction import Extraction
from benchmarks.under_test.cached import IDENTITY, WEIGHTS, cached
from datamodules import cache_dir
from lsood.extraction.activations import Activations
from lsood.io import claimed, is_claimed, temporary
from lsood.probes.image import Logits

DAY = 86400


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LSOOD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "cache"


def network(seed=0, **about):
    def fit(module, folder):
        (folder / "curve.csv").write_text("epoch,train_loss\n1,0.5\n")
        return {"accuracy": 1.0}

    options = {"epochs": 3, "loss": "focal", "seed": seed}
    identity = {"network": "lenet", "seed": seed}
    about = {"set": "mnist", "origin": "miniature", **about}
    return cached(identity, options, "lenet", lambda: nn.Linear(4, 3), fit, "training", about=about).folder


def activations(name="lenet"):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    loader = [{"image": torch.randn(2, 3, 2, 2), "key": ["a", "b"], "target": torch.tensor([0, 1])}]
    extraction = Extraction(module, "f" * 64, "p", cache_dir() / "activations", network_name=name)
    extraction.measure("ind-test", loader, "fingerprint", [Logits()])
    (folder,) = (cache_dir() / "activations").iterdir()
    return folder


def call(*arguments, **options):
    return CliRunner().invoke(app, list(arguments), **options)


def aged(folder, days):
    then = time.time() - days * DAY
    for file in folder.rglob("*"):
        os.utime(file, (then, then))


def test_the_list_says_what_every_entry_is():
    (
        network(),
        activations(),
        miniature.write("mnist", cache_dir() / "miniature", sizes={"train": 20, "test": 5}),
    )
    done = call("list")
    assert done.exit_code == 0, done.output
    assert "lenet on mnist (miniature), seed 0, 3 epochs, focal" in done.output
    assert "lenet: ind-test, 2 images" in done.output and "MNIST" in done.output
    size = sum(file.stat().st_size for file in cache_dir().rglob("*") if file.is_file())
    assert f"{human(size)} in all" in done.output
    assert {entry.kind for entry in entries()} == {MINIATURE, NETWORK, ACTIVATIONS}


def test_an_empty_cache_is_no_error(cache):
    assert "0 B in all" in call("list").output and not cache.exists()
    assert "nothing was removed" in call("prune", "--networks").output


def test_entries_of_earlier_versions_are_listed_as_such():
    (network() / IDENTITY).unlink()
    folder = activations()
    index = json.loads((folder / "activations.json").read_text())
    del index["made"]["network_name"], index["sha256_of_index"]
    (folder / "activations.json").write_text(json.dumps(index))
    output = call("list").output
    assert "earlier version" in output and "earlier version, network ffffffff: ind-test, 2 images" in output


def test_a_hit_is_a_use():
    folders = network(), activations()
    for folder in folders:
        aged(folder, 40)
    assert all(time.time() - entry.used > 39 * DAY for entry in entries())
    network(), activations()
    assert all(time.time() - entry.used < DAY for entry in entries())


def test_what_the_network_is_known_by_survives_a_hit():
    folder = network(asked=123.0, preset="a")
    before = json.loads((folder / IDENTITY).read_text())
    network()
    assert json.loads((folder / IDENTITY).read_text()) == before and before["asked"] == 123.0


def test_prune_shows_and_asks_first():
    folder = network()
    done = call("prune", "--networks", input="n\n")
    assert "lenet on mnist" in done.output and "nothing was removed" in done.output and folder.is_dir()
    assert "nothing was removed" in call("prune", "--networks").output and folder.is_dir()  # nobody answers
    assert (
        "nothing was removed" in call("prune", "--networks", "--dry-run", "--yes").output and folder.is_dir()
    )
    assert "removed 1 entries" in call("prune", "--networks", input="y\n").output and not folder.exists()


def test_prune_removes_what_is_old_and_of_the_named_kinds():
    old, new, measured = network(0), network(1), activations()
    aged(old, 100), aged(measured, 100)
    assert call("prune", "--older-than", "90", "--networks", "--yes").exit_code == 0
    assert not old.exists() and new.is_dir() and measured.is_dir()
    call("prune", "--older-than", "90", "--yes")
    assert not measured.exists() and new.is_dir()
    assert not list(cache_dir().rglob(".*"))


def test_prune_needs_to_be_told_what():
    done = call("prune", "--yes")
    assert done.exit_code == 2 and "name what to remove" in done.output
    done = call("prune", "--older-than", "-1")
    assert done.exit_code == 2 and "--older-than must not be negative, got -1" in done.output


def test_what_is_damaged_is_found():
    weights, measured, whole = network(0) / WEIGHTS, activations(), network(1)
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    tensor = next(measured.glob("*.safetensors"))
    tensor.write_bytes(tensor.read_bytes()[:-1] + b"x")
    (cache_dir() / "networks" / "empty").mkdir()
    assert {entry.path.name for entry in entries() if unreadable(entry)} == {
        weights.parent.name, measured.name, "empty"
    }  # fmt: skip
    call("prune", "--unreadable", "--yes")
    assert [entry.path for entry in entries()] == [whole]
    Activations({"a": torch.ones(1)}, ["k"]).save(measured)
    (measured / "activations.json").write_text("{")
    call("prune", "--unreadable", "--yes")
    assert not measured.exists()


def test_an_unfinished_training_is_no_damage():
    folder = network()
    (folder / WEIGHTS).unlink()
    (folder / "last.ckpt").write_bytes(b"state")
    assert "lenet on mnist (miniature), seed 0, 3 epochs, focal, unfinished" in call("list").output
    assert not any(unreadable(entry) for entry in entries())


def test_what_a_process_writes_is_left():
    folder = network()
    with claimed(folder):
        assert is_claimed(folder) and "being written" in call("list").output
        done = call("prune", "--networks", "--yes")
        assert "a process is writing there" in done.output and folder.is_dir()
    assert not is_claimed(folder) and not list(folder.glob(".*"))
    dead = temporary(folder / "claim").name.replace(f"-{os.getpid()}.", "-4194305.")
    (folder / dead).touch()
    assert not is_claimed(folder)
    call("prune", "--networks", "--yes")
    assert not folder.exists()


def test_a_training_claims_its_folder():
    seen = []

    def fit(module, folder):
        seen.append(is_claimed(folder))
        return {"accuracy": 1.0}

    folder = cached({"network": "n", "seed": 0}, {}, "n", lambda: nn.Linear(2, 2), fit, "training").folder
    assert seen == [True] and not is_claimed(folder)


def test_nothing_outside_of_the_cache_is_removed(cache, tmp_path):
    folder = network()
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "file").write_text("mine")
    (cache / "networks" / "link").symlink_to(outside)
    (folder / "link").symlink_to(outside)
    call("prune", "--networks", "--yes")
    assert not folder.exists() and (outside / "deep" / "file").read_text() == "mine"
    (cache / "activations").symlink_to(outside)
    done = call("prune", "--activations", "--yes")
    assert "it lies outside of the cache folder" in done.output and (outside / "deep" / "file").is_file()


def test_an_entry_goes_at_once():
    folder = network()
    (entry,) = entries()
    assert remove(entry) is None and not folder.exists()
    assert remove(entry) is not None


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2.5e8, "250 MB"), (3e13, "30.0 TB")]
)
def test_sizes(size, text):
    assert human(size) == text
