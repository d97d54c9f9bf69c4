"""The list of methods: what each declares in its source, and a new method in one new file."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import baselines
from lsood import Detector
from lsood.methods import METHODS, create
from lsood.probes.detection_logits import DETECTION_SCORES
from lsood.probes.image import PIXEL_SCORES
from lsood.registry import Registry

OURS = sorted(name for name, entry in METHODS.entries.items() if entry.module.startswith("baselines."))
LOGIT_SCORES_OF = {
    "msp": "msp",
    "max-logit": "max_logit",
    "energy": "energy",
    "entropy": "entropy",
    "gen": "gen",
}
PIXELS = {"msp", "max-logit", "energy", "entropy", "gen", "sml", "knn", "mds-pp", "vim", "latent-neighbour"}
FIRST = """
from lsood import Detector
from lsood.detector import rows


class First(Detector):
    '''The first feature.'''

    name, paper = "first", "nobody, 2026"

    def __init__(self, sign: float = 1.0) -> None:
        self.sign = sign

    def score(self, x):
        return self.sign * rows(x, "first")[:, 0]
"""


def files():
    for info in pkgutil.walk_packages(baselines.__path__, "baselines."):
        yield info.name, Path(importlib.import_module(info.name).__file__)


def test_every_public_class_is_in_the_package_and_nothing_else():
    found = {
        node.name
        for name, path in files()
        if not name.startswith("baselines.outside")  # they need the other library
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    assert set(baselines.__all__) == found
    assert {METHODS[name] for name in OURS} <= {getattr(baselines, name) for name in baselines.__all__}


@pytest.mark.parametrize("name", OURS)
def test_every_method_file_has_a_formula_and_a_source(name):
    text = importlib.import_module(METHODS.entries[name].module).__doc__
    assert "=" in text, "the formula of the score"
    source = f"{text} {METHODS[name].__doc__}"
    assert METHODS[name].paper.split(" ")[0].removesuffix(",") in source or "runia-core" in source
    assert METHODS.about(name, "paper") == METHODS[name].paper


@pytest.mark.parametrize("name", METHODS)
def test_levels_and_logit_scores_are_those_of_the_probes(name):
    kind = METHODS[name]
    assert set(kind.levels) <= {"image", "pixel", "object"}
    assert ("pixel" in kind.levels) == (name in PIXELS)
    assert kind.logit_score == LOGIT_SCORES_OF.get(name) == METHODS.about(name, "logit_score")
    assert kind.logit_score in (None, *DETECTION_SCORES)
    if kind.logit_score is not None:
        assert ("pixel" in kind.levels) == (kind.logit_score in (*PIXEL_SCORES, "gen"))
    assert METHODS.about(name, "levels") == kind.levels


def test_a_new_method_is_one_new_file(tmp_path, monkeypatch):
    package = tmp_path / "my_methods"
    (package / "features").mkdir(parents=True)
    for folder in (package, package / "features"):
        (folder / "__init__.py").write_text("")
    (package / "features" / "first.py").write_text(FIRST)
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry("method", ("my_methods",))
    assert list(registry) == ["first"]
    assert (registry.about("first", "paper"), registry.about("first", "doc")) == (
        "nobody, 2026",
        "The first feature.",
    )
    assert not [name for name in sys.modules if name.startswith("my_methods")], (
        "nothing is imported for a list"
    )
    assert issubclass(registry["first"], Detector)


def test_a_method_of_a_file_takes_arguments_like_a_registered_one(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FIRST)
    detector = create(f"{path}:First@sign=-1.0")
    assert detector.score(torch.tensor([[3.0, 1.0]])).tolist() == [-3.0]
    with pytest.raises(ValueError, match=r"has no 'k'; it takes: sign$"):
        create(f"{path}:First@k=2")
    with pytest.raises(ValueError, match="has no attribute 'Second'"):
        create(f"{path}:Second")


def test_the_list_imports_no_torch():
    code = (
        "import sys; from lsood.methods import METHODS;"
        "names = {n: METHODS.about(n, 'paper') for n in METHODS if n != 'naive'};"
        "assert names['knn'] == 'Sun et al., ICML 2022' and all(names.values()), names;"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
