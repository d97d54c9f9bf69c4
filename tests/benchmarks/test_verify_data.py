"""Every command that identifies data sets can be told not to trust the index of their contents."""

import importlib
import pkgutil

import pytest
from typer.testing import CliRunner

import benchmarks.sweeps
from benchmarks.console import spread
from datamodules import BenchmarkDataModule
from datamodules.imagesets import contents

SETS = ["--ind", "mnist", "--ood", "fashion-mnist"]
COMMANDS = {"benchmarks.run": SETS, "benchmarks.reproduce": ["fssd-fashionmnist"]} | {
    f"benchmarks.sweeps.{module.name}": SETS for module in pkgutil.iter_modules(benchmarks.sweeps.__path__)
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("asked", [False, True])
def test_verify_data_reaches_the_reading_of_every_command(command, asked, tmp_path, monkeypatch):
    def reached(self):
        raise ValueError(f"everything is read: {contents._verify.get()}")

    monkeypatch.setattr(BenchmarkDataModule, "prepare_data", reached)
    words = [*COMMANDS[command], "--out", str(tmp_path), *(["--verify-data"] if asked else [])]
    done = CliRunner().invoke(importlib.import_module(command).app, spread(words))
    assert done.exit_code == 1 and f"everything is read: {asked}" in done.output, done.output
