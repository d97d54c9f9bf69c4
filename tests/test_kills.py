"""Killed at any moment and started again, every command leaves what an undisturbed one leaves, bit for bit."""

import functools
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from killing import (
    KILLS,
    Command,
    Strike,
    contents,
    difference,
    finish,
    kill_at_random,
    killed,
    needs_fork,
    start,
    struck,
    timed,
)

pytestmark = needs_fork
RUN = ("--ind", "mnist", "--ood", "fashion-mnist", "--device", "cpu", "--out", "out")
SMALL = Command("benchmarks.run", (*RUN, "--limit", "24", "--epochs", "3", "--methods", "msp", "knn"))
BOARD = Command("leaderboards.build", ("--results", "out/results", "--out", "board"))
QUICK = ("--difficulty", "0")
PAGES = ("leaderboard.md", "leaderboard.html", "leaderboard.csv", "pixels.csv")
"""Of a run they show times; BOARD makes them of results that are the same."""


def copied(source: Path):
    """Makes a folder that holds what another one does."""
    return functools.partial(shutil.copytree, source)


def images(folder: Path, count: int = 5) -> None:
    """A folder with images to make anomalies from."""
    (folder / "images").mkdir(parents=True)
    for number in range(count):
        rows = np.linspace(190, 70, 48)[:, None, None]
        noise = np.random.default_rng(number).integers(-40, 41, (48, 80, 3))
        cv2.imwrite(str(folder / "images" / f"{number}.png"), (rows + noise).astype(np.uint8))


def generation(workers: int, *words: str) -> Command:
    """The command that makes a set in ``set``."""
    asked = ("--images", "images", "--out", "set", "--workers", str(workers), *words)
    return Command("anomalies.generate", asked)


@pytest.fixture(scope="module")
def whole_set(tmp_path_factory):
    """What an undisturbed generation leaves."""
    folder = tmp_path_factory.mktemp("undisturbed") / "work"
    images(folder)
    return finish(generation(1, *QUICK), folder)


def test_generation(whole_set, tmp_path):
    folder = tmp_path / "work"
    images(folder)
    struck(
        generation(1, *QUICK),
        folder,
        Strike("dataset.json"),
        Strike(".png", 4),
        Strike("manifest.parquet", moment="unnamed"),
    )
    assert not difference(finish(generation(1, *QUICK), folder), whole_set)


def test_generation_by_two_workers(whole_set, tmp_path):
    folder = tmp_path / "work"
    images(folder)
    process = start(generation(2, *QUICK), folder)
    while process.exitcode is None and not list(folder.glob("set/**/[0-9]*.png")):
        time.sleep(0.005)
    killed(process)
    assert process.exitcode < 0
    assert not difference(finish(generation(2, *QUICK), folder), whole_set)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The folder of an undisturbed run."""
    folder = tmp_path_factory.mktemp("undisturbed") / "work"
    folder.mkdir()
    finish(SMALL, folder)
    return folder


def test_a_run_killed_in_training_extraction_scoring_and_pages(undisturbed, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    strikes = [
        Strike("last.ckpt", 2), Strike("activations.json", 2, "unnamed"), Strike("knn-seed0.json"),
        Strike("roc-", moment="named"),
    ]  # fmt: skip
    struck(SMALL, folder, *strikes)
    assert not difference(finish(SMALL, folder), contents(undisturbed), PAGES)


def test_board(undisturbed, tmp_path):
    folder = tmp_path / "work"
    shutil.copytree(undisturbed, folder)
    struck(BOARD, folder, Strike("leaderboard.html"))
    found = finish(BOARD, folder)
    shutil.rmtree(folder / "board")
    assert not difference(found, finish(BOARD, folder))


@dataclass(frozen=True)
class Training:
    """Train a network, without what a run does with it."""

    epochs: int

    def __call__(self, folder: Path) -> None:
        os.environ["LSOOD_CACHE"] = "cache"
        os.chdir(folder)
        from benchmarks.pipeline.config import Settings
        from benchmarks.pipeline.job import data_module
        from benchmarks.under_test.training import train

        settings = Settings(ind="mnist", ood=("uniform-noise",), epochs=self.epochs, workers=0)
        train(settings, data_module(settings), 0)


SCORED = Command("benchmarks.run", (*RUN, "--epochs", "1", "--methods", "post-hoc"))
SCENES = ("--ind", "camvid", "--ood", "camvid-anomalies", "--device", "cpu", "--out", "out", "--epochs", "1")
MEASURED = Command("benchmarks.run", (*SCENES, "--methods", "msp", "knn", "lared"))


def killed_twenty_times(work, tmp_path, prepared) -> None:
    """Kill work at 20 random moments of its duration and compare it with an undisturbed run."""
    prepared(tmp_path / "undisturbed")
    seconds = timed(work, tmp_path / "undisturbed")
    expected = contents(tmp_path / "undisturbed")
    begin = time.perf_counter()
    tally = kill_at_random(work, tmp_path / "work", prepared, expected, seconds, PAGES)
    taken = time.perf_counter() - begin
    print(
        f"{tally.kills} kills, {tally.ends} ends, each compared; {seconds:.1f} s undisturbed, {taken:.0f} s in all"
    )
    assert tally.kills == KILLS


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_twenty_kills_of_generation(workers, tmp_path):
    work = generation(workers, "--difficulty", "2", "--severity", "all")
    killed_twenty_times(work, tmp_path, functools.partial(images, count=40))


@pytest.mark.slow
def test_twenty_kills_of_training(tmp_path):
    killed_twenty_times(Training(epochs=12), tmp_path, Path.mkdir)


@pytest.mark.slow
def test_twenty_kills_of_extraction(tmp_path):
    """Of images and of pixels; the network is trained."""
    (tmp_path / "trained").mkdir()
    finish(MEASURED, tmp_path / "trained")
    shutil.rmtree(tmp_path / "trained" / "cache" / "activations")
    shutil.rmtree(tmp_path / "trained" / "out")
    killed_twenty_times(MEASURED, tmp_path, copied(tmp_path / "trained"))


@pytest.mark.slow
def test_twenty_kills_of_scoring_and_of_board_making(tmp_path):
    """Scoring begins with all images measured, board making with all results."""
    (tmp_path / "measured").mkdir()
    finish(SCORED, tmp_path / "measured")
    shutil.copytree(tmp_path / "measured", tmp_path / "scored")
    shutil.rmtree(tmp_path / "measured" / "out")
    for number, (work, begin) in enumerate(((SCORED, "measured"), (BOARD, "scored"))):
        (tmp_path / str(number)).mkdir()
        killed_twenty_times(work, tmp_path / str(number), copied(tmp_path / begin))
