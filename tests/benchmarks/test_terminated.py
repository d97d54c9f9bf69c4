"""SIGTERM and Ctrl-C end the commands with their exit codes, their processes, and nothing half-written."""

import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from lsood.command import Terminated, reporting
from lsood.io import TEMPORARY, write_bytes

COMMANDS = {
    "run": "benchmarks.run --miniature --ind fashion-mnist --ood mnist --methods msp --workers 2 --epochs 999".split(),
    "reproduce": "benchmarks.reproduce fssd-fashionmnist --seeds 0 --epochs 999".split(),
}
PATIENCE = 240


def started(folder, words):
    env = {**os.environ, "LSOOD_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *words, "--out", str(folder / "out")]
    return subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for(process, there):
    for _ in range(10 * PATIENCE):
        assert process.poll() is None, process.stderr.read()
        if there():
            return
        time.sleep(0.1)
    process.kill()
    raise AssertionError("the command does not get there")


def ended(process, code):
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, said
    word = "terminated" if code == 143 else "interrupted"
    assert said.rstrip().endswith(f"{word}; run the same command to resume") and "Traceback" not in said
    for _ in range(100):  # loaders' processes end a moment after the one that started them
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("processes of the command are left")


def temporary(folder):
    return [path for pattern in (TEMPORARY, "*.part", "*.old") for path in folder.rglob(pattern)]


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [("run", signal.SIGTERM, 143), ("run", signal.SIGINT, 130), ("reproduce", signal.SIGTERM, 143)],
)
def test_a_training_is_ended(command, number, code, tmp_path):
    process = started(tmp_path, COMMANDS[command])
    wait_for(process, lambda: list(tmp_path.rglob("last.ckpt")))
    process.send_signal(number)
    ended(process, code)
    assert not temporary(tmp_path) and not list(tmp_path.rglob("weights.safetensors"))
    assert not (tmp_path / "out/results").exists()


@pytest.mark.parametrize(("workers", "whole_group"), [(1, False), (2, False), (2, True)])
def test_a_generation_is_ended(workers, whole_group, tmp_path):
    (tmp_path / "images").mkdir()
    for i in range(60):
        pixels = np.random.default_rng(i).integers(0, 256, (96, 128, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"images/{i:03d}.png"), pixels)
    words = ["anomalies.generate", "--images", str(tmp_path / "images"), "--difficulty", "0"]
    words += ["--workers", str(workers)]
    process = started(tmp_path, words)
    wait_for(process, lambda: len(list((tmp_path / "out").rglob("*.png"))) > 3)
    os.killpg(process.pid, signal.SIGTERM) if whole_group else process.terminate()
    ended(process, 143)
    assert not temporary(tmp_path)
    for path in (tmp_path / "out").rglob("*.png"):
        assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED) is not None
    if whole_group:
        process = started(tmp_path, words)
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0 and "complete" in said, said


def test_a_file_that_is_being_written_is_removed_and_the_handler_restored(tmp_path, monkeypatch, capsys):
    before = signal.getsignal(signal.SIGTERM)
    real = os.fsync

    def kill(handle):
        os.kill(os.getpid(), signal.SIGTERM)
        real(handle)

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", kill)
    with pytest.raises(SystemExit) as end, reporting(1, debug=True):
        write_bytes(tmp_path / "a", b"new")
    assert end.value.code == 143 and capsys.readouterr().err.startswith("terminated")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]
    assert signal.getsignal(signal.SIGTERM) is before
    assert not issubclass(Terminated, Exception)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_that_arrives_in_a_finaliser_is_not_lost(number, code):
    """Python drops exceptions there, and the command would go on."""

    class Loader:
        def __del__(self):
            os.kill(os.getpid(), number)
            time.sleep(0.01)

    with pytest.raises(SystemExit) as end, reporting(1, debug=True):
        loader = Loader()
        del loader
        time.sleep(20)
        raise AssertionError("the signal was lost")
    assert end.value.code == code
