"""The list of methods: what each declares in its source, and a new method in one new file."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import baselines
from lsood import Detector
from lsood.method_table import HEADINGS, group_of, tables
from lsood.methods import METHODS, create
from lsood.probes.detection_logits import DETECTION_SCORES
from lsood.probes.image import PIXEL_SCORES
from lsood.registry import Registry

TESTS = [
    path.read_text(encoding="utf-8")
    for path in sorted(Path(__file__).parents[1].rglob("test_*.py"))
    if path.name != Path(__file__).name
]
LIBRARIES = {
    "pytorch-ood": "pytorch_ood",
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "numpy": "numpy",
    "torch": "torch",
}
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
def test_every_method_declares_its_row_of_the_tables(name):
    """The formula in its own class, so that none is inherited by mistake; a method without paper says why."""
    kind = METHODS[name]
    assert vars(kind).get("formula"), f"{name} declares no formula of its own"
    assert kind.checked, f"{name} does not say what it is checked against"
    assert len(kind.paper.removeprefix("none: ")) > 9
    assert kind.group in ("", *HEADINGS) and group_of(name) in HEADINGS
    for attribute in ("formula", "fitted_on", "cost", "checked", "paper", "group"):
        text = getattr(kind, attribute)
        assert text == METHODS.about(name, attribute) == text.strip() and "\n" not in text, attribute


def test_no_two_methods_declare_one_formula():
    formulas = [METHODS.about(name, "formula") for name in METHODS]
    assert len(set(formulas)) == len(formulas)


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_is_checked_against_is_in_a_test(name):
    """A test file names the class and imports every library, and names every other method, of ``checked``."""
    kind = METHODS[name]
    own = [text for text in TESTS if re.search(rf"\b{kind.__name__}\b", text)]
    assert own, f"no test names {kind.__name__}"
    for library, module in LIBRARIES.items():
        if library in kind.checked.lower():
            imported = rf"^\s*(from|import) {module}\b"
            assert any(re.search(imported, text, re.M) for text in own), f"no test of {name} imports {module}"
    for other in re.findall(r"`([\w-]+)`", kind.checked):
        class_name = METHODS[other].__name__
        assert any(re.search(rf"\b{class_name}\b", text) for text in own), f"no test of {name} has {other}"


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
        "from benchmarks.listing import listing; listing();"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_group_is_declared_inherited_or_the_folder():
    rows = {heading: [row.name for row in rows] for heading, rows in tables().items()}
    assert list(rows) == [heading for heading in HEADINGS.values() if heading in rows]
    assert {"react", "rankfeat", "scale"} <= set(rows[HEADINGS["changed features"]])
    assert {"msp", "gen"} <= set(rows[HEADINGS["logits"]]) and "odin" not in rows[HEADINGS["logits"]]
    assert {"lared", "lard", "kde-classifier"} <= set(rows[HEADINGS["latent"]])
    assert sorted(name for names in rows.values() for name in names) == sorted(METHODS)
