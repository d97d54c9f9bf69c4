"""Curves, metrics and provenance in MLflow and TensorBoard; a tracker that fails costs a warning, not the run."""

import logging
from pathlib import Path
from typing import ClassVar

import pytest
from typer.testing import CliRunner

import datamodules.miniature as miniature
from benchmarks import train as train_command
from benchmarks.console import spread
from benchmarks.run import app
from benchmarks.tracking import Tracker, base, check_trackers, current_tracker, tracking
from benchmarks.tracking.base import named
from leaderboards.store import load_result

RUN = [
    "--ind",
    "mnist",
    "--ood",
    "uniform-noise",
    "--methods",
    "msp",
    "--limit",
    "40",
    "--epochs",
    "2",
    "--out",
    "out",
]
CURVE = {"train_loss", "val_loss", "accuracy", "lr", "seconds"}


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    monkeypatch.setenv("LSOOD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    entry = miniature.MINIATURES["mnist"]
    sizes = {"train": 200, "test": 60}
    monkeypatch.setitem(
        miniature.MINIATURES, "mnist", miniature.Miniature(entry.folder, entry.write, sizes, entry.revision)
    )


def call(*arguments, app=app):
    done = CliRunner().invoke(app, spread([*arguments, "--device", "cpu"]))
    assert done.exit_code == 0, done.output
    return done


class Memory(Tracker):
    """Keeps what it is told; fails at the named call."""

    made: ClassVar[list] = []

    def __init__(self, out, title):
        self.out, self.title, self.told, self.steps, self.values, self.ended = out, title, {}, {}, {}, None
        Memory.made.append(self)

    def parameters(self, values):
        self.told.update(values)

    def metrics(self, values, step=0):
        self.values.update(values)
        for name in values:
            self.steps.setdefault(name, []).append(step)

    def close(self, failed):
        self.ended = "failed" if failed else "finished"


@pytest.fixture
def memory(monkeypatch):
    monkeypatch.setitem(base.TRACKERS, "mlflow", ("json", __name__, "Memory"))
    monkeypatch.setattr(base, "load", lambda module: type("module", (), {"Memory": Memory}))
    Memory.made = []
    return Memory.made


def test_a_run_tells_its_curve_its_metrics_and_its_provenance(memory):
    call(*RUN, "--seeds", "0", "1", "--track", "mlflow")
    first, second = memory
    assert (first.title, second.title) == ("lenet-mnist-seed0", "lenet-mnist-seed1")
    assert first.out == Path("out") and first.ended == "finished"
    curve = {name for name in first.values if name.startswith("lenet-seed0/")}
    assert curve == {f"lenet-seed0/{name}" for name in CURVE}
    assert first.steps["lenet-seed0/train_loss"] == [1, 2]
    result = load_result(Path("out/results/msp-seed0.json"))
    cell = result.ood[0]
    assert first.values["image/msp/no-ood/uniform-noise/auroc"] == cell.metrics["auroc"].value
    assert first.values["network/test/accuracy"] == result.ind.network_metrics["accuracy"]
    assert first.told["weights"] == result.network.checkpoint and first.told["training.epochs"] == 2
    assert first.told["data.fingerprint"] == result.ind.fingerprint and first.told["git"] == result.git


def test_a_cached_network_has_its_curve_too(memory):
    call(*RUN)
    call(*RUN, "--track", "mlflow")
    assert memory[0].steps["lenet-seed0/train_loss"] == [1, 2]


def test_auxiliary_networks_have_curves_of_their_own(memory):
    call(*RUN[:5], "deep-ensemble", *RUN[6:], "--ensemble-size", "2", "--track", "mlflow")
    assert {"lenet-seed0/train_loss", "lenet-seed1000/train_loss"} <= set(memory[0].values)


def test_training_alone_is_tracked(memory):
    done = call(
        "--ind", "mnist", "--limit", "40", "--epochs", "2", "--track", "mlflow", app=train_command.app
    )
    assert "validation accuracy" in done.output
    assert memory[0].steps["lenet-seed0/train_loss"] == [1, 2] and "validation/accuracy" in memory[0].values
    assert memory[0].told["epochs"] == 2 and memory[0].out == Path("runs/mnist")


@pytest.mark.parametrize("method", ["__init__", "parameters", "metrics", "close"])
def test_a_tracker_that_fails_costs_a_warning_and_not_the_run(memory, monkeypatch, method):
    def broken(*_, **__):
        raise ConnectionError("the server is away")

    monkeypatch.setattr(Memory, method, broken)
    call(*RUN, "--track", "mlflow")
    log = Path("out/run.log").read_text()
    assert log.count("--track mlflow failed and gets nothing more of this run (the server is away)") == 1
    assert Path("out/results/msp-seed0.json").is_file()


def test_a_run_that_fails_is_marked_as_failed(memory):
    with pytest.raises(ZeroDivisionError), tracking(["mlflow"], Path("out"), "title") as tracker:
        assert current_tracker() is tracker
        raise ZeroDivisionError
    assert memory[0].ended == "failed" and type(current_tracker()) is Tracker


def test_what_is_not_finite_is_not_told(memory, caplog):
    with caplog.at_level(logging.WARNING), tracking(["mlflow"], Path("out"), "title") as tracker:
        tracker.metrics({"a": float("nan"), "b": 1.0, "c": float("inf")})
        tracker.metrics({"a": float("nan")})
    assert memory[0].values == {"b": 1.0} and not caplog.records


def test_a_missing_library_is_one_line_that_says_which_extra(monkeypatch):
    monkeypatch.setattr(base.importlib.util, "find_spec", lambda name: None)
    for name in ("mlflow", "tensorboard"):
        with pytest.raises(
            ValueError, match=rf"--track {name} needs {name}: pip install 'lsood-bench\[{name}\]'"
        ):
            check_trackers([name])
    done = CliRunner().invoke(app, spread([*RUN, "--track", "mlflow"]))
    assert done.exit_code == 2 and "lsood-bench[mlflow]" in done.output.replace("\n", "")
    assert not Path("out").exists()


def test_names_are_those_that_every_tracker_takes():
    assert named("image/knn@k=10/no-ood/folder:day/odd/auroc") == "image/knn_k_10/no-ood/folder_day/odd/auroc"


def test_tensorboard_holds_curve_metrics_and_settings():
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    call(*RUN, "--track", "tensorboard")
    events = EventAccumulator("out/tensorboard/lenet-mnist-seed0")
    events.Reload()
    assert [point.step for point in events.Scalars("lenet-seed0/train_loss")] == [1, 2]
    result = load_result(Path("out/results/msp-seed0.json"))
    (point,) = events.Scalars("image/msp/no-ood/uniform-noise/auroc")
    assert point.value == pytest.approx(result.ood[0].metrics["auroc"].value)
    assert "run/text_summary" in events.Tags()["tensors"]


def test_mlflow_holds_curve_metrics_and_settings_in_a_local_store():
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    call(*RUN, "--track", "mlflow")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{Path('out/mlflow.db').absolute()}")
    (run,) = client.search_runs([client.get_experiment_by_name("lsood-bench").experiment_id])
    assert run.info.run_name == "lenet-mnist-seed0" and run.info.status == "FINISHED"
    history = client.get_metric_history(run.info.run_id, "lenet-seed0/train_loss")
    assert sorted(point.step for point in history) == [1, 2]
    result = load_result(Path("out/results/msp-seed0.json"))
    auroc = result.ood[0].metrics["auroc"].value
    assert run.data.metrics["image/msp/no-ood/uniform-noise/auroc"] == pytest.approx(auroc)
    assert run.data.params["weights"] == result.network.checkpoint
    assert not Path("mlruns").exists()


def test_mlflow_goes_where_its_variable_says(monkeypatch, tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    uri = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with tracking(["mlflow"], Path("out"), "title") as tracker:
        tracker.metrics({"a": 1.0})
    client = mlflow.MlflowClient(tracking_uri=uri)
    (run,) = client.search_runs([client.get_experiment_by_name("lsood-bench").experiment_id])
    assert run.data.metrics == {"a": 1.0} and not Path("out").exists()
