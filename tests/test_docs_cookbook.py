"""The examples of docs/cookbook and docs/architecture.md work: as a package with entry points, as a user's files, in
the commands of the pages, as files of this repository.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import datamodules.miniature as miniature
from anomalies.generate import app as generate
from benchmarks.console import spread
from benchmarks.levels.image import ImageLevel
from benchmarks.run import app as run
from lsood.extraction.activations import Activations
from lsood.methods import create

ROOT = Path(__file__).parents[1]
PACKAGES = ("anomalies", "baselines", "benchmarks", "datamodules", "leaderboards", "lsood", "networks")
FILE = re.compile(r"```(?:python|yaml)\n# (\S+\.(?:py|yaml))\n(.*?)```", flags=re.S)


COOKBOOK = ("cookbook/detector.md", "cookbook/network.md", "cookbook/data.md", "cookbook/anomaly.md")
COMMAND = re.compile(r"^python -m (benchmarks\.run|anomalies\.generate) (.*)$", flags=re.M)


def page(name):
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def write_examples(name, folder):
    """Write every example that begins with its path; returns the paths."""
    paths = []
    for path, content in FILE.findall(page(name)):
        target = folder / path
        assert not target.exists(), f"{path} exists already"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
        paths.append(path)
    return paths


def said(folder, *words):
    """What a command prints that sees the packages in a folder first."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_detector_of_the_page_runs():
    code = next(
        content for path, content in FILE.findall(page("cookbook/detector.md")) if path == "my_detector.py"
    )
    names = {}
    exec(code, names)
    logits = torch.tensor([[0.0, 0.0], [9.0, 0.0]])
    scores = names["Energy"]().score(Activations({"logits": logits}, ["a", "b"]))
    torch.testing.assert_close(scores, create("energy").score(logits))


@pytest.fixture
def package(tmp_path):
    """The files of the cookbook, as if they were installed with the entry points of its pages."""
    files = [path for name in COOKBOOK for path in write_examples(name, tmp_path)]
    assert len(files) == 7
    (tmp_path / "mypackage" / "__init__.py").touch()
    lines = []
    for name in COOKBOOK:
        toml = tomllib.loads(re.search(r"```toml\n(.*?)```", page(name), flags=re.S)[1])
        for group, points in toml["project"]["entry-points"].items():
            lines += [f"[{group}]", *(f"{k} = {v}" for k, v in points.items())]
    info = tmp_path / "mypackage-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mypackage\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("\n".join(lines))
    return tmp_path


USE = """
import numpy as np
from pathlib import Path
from PIL import Image
import torch
from anomalies import create as anomaly, generator
from datamodules import DATAMODULES
from lsood.methods import create
import networks

for part in ("train", "val", "test"):
    for name in ("cargo", "ferry"):
        folder = Path("data/boats") / part / name
        folder.mkdir(parents=True)
        for i in range(3):
            Image.fromarray(np.full((40, 40, 3), 40 * i, np.uint8)).save(folder / f"{i}.png")
Path("data/buoys").mkdir()
Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save("data/buoys/0.png")
data = DATAMODULES["boats"]("data", ["buoys", "boats-anomalies"])
data.setup()
batch = next(iter(data.fit_dataloader()))
network = networks.build("thin", data.num_classes)
print("targets", batch["target"].tolist(), "logits", tuple(network(batch["image"]).shape))
print("ood", {name: len(images) for name, images in data.ood_sets.items()})
print("method", create("my-energy"), create("my_detector.py:Energy"))
image = np.full((32, 32, 3), 100, np.uint8)
means = [anomaly("dusk", s).render(image, generator(0, "dusk", "a")).image.mean() for s in (1, 5)]
print("darker", means[0] > means[1], anomaly("dusk.py:Dusk").kind)
"""


def test_a_package_adds_to_the_lists_and_is_used(package):
    listed = said(package, "-m", "benchmarks.run", "--list")
    for name in ("my-energy", "boats", "boats-anomalies", "buoys", "thin"):
        assert re.search(rf"│ {name} +│", listed), name
    used = said(package, "-c", USE)
    assert "targets [0, 0, 0, 1, 1, 1] logits (6, 2)" in used
    assert "ood {'buoys': 1, 'boats-anomalies': 6}" in used
    assert "method Energy() Energy()" in used
    assert "darker True dusk" in used


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory):
    """A folder with the files of the cookbook and the data that its commands name."""
    folder = tmp_path_factory.mktemp("kitchen")
    for name in COOKBOOK:
        write_examples(name, folder)
    random = np.random.default_rng(0)

    def pictures(place, names, count):
        for shade, name in enumerate(names):
            (folder / place / name).mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(0, 60, (32, 32, 3)) + 60 * (shade + 1)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / place / name / f"{i}.png")

    pictures("pictures", ("day", "dawn", "night"), 12)
    pictures("strange", ("",), 8)
    for part in ("train", "val", "test"):
        pictures(f"data/boats/{part}", ("cargo", "ferry"), 6)
    names = {}
    exec((folder / "mine.py").read_text(), names)
    torch.manual_seed(0)
    torch.save({"state_dict": names["build"](10).state_dict()}, folder / "mine.pth")
    weight = random.normal(size=(4, 8))
    for name, shift in (("train", 0.0), ("val", 0.0), ("test", 0.0), ("strange", 2.0)):
        features = random.normal(size=(60, 8)) + shift
        head = {"head_weight": weight, "head_bias": np.zeros(4)} if name == "train" else {}
        labels = (features @ weight.T).argmax(1)
        np.savez(folder / f"{name}.npz", features=features, logits=features @ weight.T, labels=labels, **head)
    return folder


@pytest.fixture
def small_miniatures(monkeypatch):
    for name, counts in (("cifar10", {"train": 200, "test": 60}), ("svhn", {"test": 60})):
        entry = miniature.MINIATURES[name]
        small = miniature.Miniature(entry.folder, entry.write, counts)
        monkeypatch.setitem(miniature.MINIATURES, name, small)


COMMANDS = [(name, *found) for name in COOKBOOK for found in COMMAND.findall(page(name))]


@pytest.mark.parametrize(("name", "module", "words"), COMMANDS)
def test_the_commands_of_the_cookbook_run(name, module, words, kitchen, small_miniatures, monkeypatch):
    monkeypatch.chdir(kitchen)
    arguments = shlex.split(words)
    if module == "benchmarks.run":
        arguments += ["--limit", "40", "--device", "cpu", "--out", "out"]
        arguments += [] if {"--network", "--epochs", "--features"} & set(arguments) else ["--epochs", "1"]
    done = CliRunner().invoke(run if module == "benchmarks.run" else generate, spread(arguments))
    assert done.exit_code == 0, done.output
    few = {"post-hoc", "--checkpoint"} & set(arguments)  # some methods need more than there is
    assert "failed" not in done.output or few, done.output
    shutil.rmtree(kitchen / "out", ignore_errors=True)


def test_every_page_of_the_cookbook_has_commands():
    assert {name for name, *_ in COMMANDS} == set(COOKBOOK) and len(COMMANDS) == 10


@pytest.fixture
def repository(tmp_path):
    """A copy of the packages with the examples of docs/architecture.md."""
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "results", "speed")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    assert len(write_examples("architecture.md", tmp_path)) == 8
    return tmp_path


ADDED = """
from anomalies import Recipe
from benchmarks import papers
from benchmarks.tasks import TASKS as benchmark_tasks
from datamodules import TASKS as data_tasks
from lsood.metrics.table import ROWS, names
from lsood.tasks import TASKS as method_tasks
from networks.training.fit import TASKS as training_tasks

tasks = (benchmark_tasks, data_tasks, method_tasks, training_tasks)
print("tasks", [tasks["counting"].__name__ for tasks in tasks])
print("metrics", names(ROWS)[-1], ROWS["fpr99"].title)
print("recipe", [entry.kind for entry in Recipe.named("evening").entries])
print("table", papers.load("msp-mnist").methods)
"""


def test_files_of_the_architecture_page_are_found_by_their_place(repository):
    found = said(repository, "-c", ADDED)
    assert "tasks ['Counting', 'Counting', 'Counting', 'CountingModule']" in found
    assert "metrics fpr99 FPR99" in found
    assert "recipe ['low_sun', 'night']" in found
    assert "table ['msp']" in found


def test_the_level_of_the_architecture_page_pools_frames_of_a_drive():
    code = next(c for path, c in FILE.findall(page("architecture.md")) if path.endswith("sequence.py"))
    names = {}
    exec(code, names)

    class Data:
        @staticmethod
        def sequence_of(key):
            return key[0] if key[0] != "-" else None

    class Measured:
        images = Activations(
            {"logits": torch.tensor([[1.0], [3.0], [5.0]]), "labels": torch.arange(3)}, ["a1", "a2", "-"]
        )

    level = names["SequenceLevel"](Data(), None)
    assert isinstance(level, ImageLevel) and level.name == "sequence"
    rows = level.rows(Measured())
    assert rows.ids == ["-", "a"] and rows["logits"].tolist() == [[5.0], [2.0]]


def test_every_folder_is_in_the_architecture_page():
    text = page("architecture.md")
    found = [
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in ((ROOT / package), *(ROOT / package).iterdir())
        if path.is_dir() and path.name != "__pycache__"
    ]
    listed = re.findall(r"^\| \*{0,2}`([\w/]+)/`", text, flags=re.M)
    assert sorted(listed) == sorted(found)


def test_every_file_that_a_page_names_exists():
    for path in (*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        text = path.read_text(encoding="utf-8")
        examples = {name for name, _ in FILE.findall(text)}
        names = re.findall(rf"\b(?:{'|'.join(PACKAGES)}|tests|docs)/[\w/-]+\.(?:py|ya?ml|md|sh)\b", text)
        missing = {name for name in names if not (ROOT / name).is_file()} - examples
        assert not missing, (path.name, missing)
        prose = re.sub(r"```.*?```", "", text, flags=re.S)
        links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", prose)
        assert not [link for link in links if not (path.parent / link).exists()], path.name
