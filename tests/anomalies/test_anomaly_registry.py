"""Kinds are found by their files, named after them, loaded when asked for, and import each other in no circle."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import anomalies
from anomalies import ANOMALIES, Anomaly, Entry, Recipe, create
from anomalies.kinds import ORDER
from anomalies.sets.generation import generate
from anomalies.sets.plan import Plan
from anomalies.sets.source import SourceSpec
from anomalies.sets.stored import StoredSet
from lsood.registry import Registry

ROOT = Path(anomalies.__file__).parent
HEAVY = {"torch", "albumentations", "pandas", "matplotlib", "sklearn", "scipy", "pyarrow", "rich", "typer"}
SPARKLE = """
from dataclasses import dataclass

from anomalies.base import Anomaly, Rendered


@dataclass(frozen=True)
class OldSparkle(Anomaly):
    kind = "old_sparkle"
    family = "own-family"
    level = "image"

    def draw(self, image, rng, scene):
        return Rendered(255 - image, None)
"""


def module_names() -> dict[str, Path]:
    """{dotted name: file} of all modules of the package."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path) -> Iterator[str]:
    """Dotted names of what a file imports, at any level; `from a import b` gives a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module
            assert not node.level
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_module_imports_itself_through_others():
    modules = module_names()
    graph = {}
    for name, path in modules.items():
        targets = {t if t in modules else t.rpartition(".")[0] for t in imported(path)}
        graph[name] = targets & set(modules)
    while graph:
        free = [name for name, targets in graph.items() if not targets & set(graph)]
        assert free, f"circle among {sorted(graph)}"
        for name in free:
            del graph[name]


def test_no_file_imports_torch():
    for path in module_names().values():
        assert not [name for name in imported(path) if name.split(".")[0] == "torch"], path


def test_importing_the_package_loads_no_kind_and_nothing_heavy():
    script = (
        "import sys, anomalies; anomalies.Recipe, list(anomalies.ANOMALIES), anomalies.__all__; "
        "print(*sys.modules, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "anomalies.registry" in loaded
    assert not loaded & HEAVY
    assert not [name for name in loaded if name.startswith(("anomalies.kinds.", "anomalies.toolkit.objects"))]


@pytest.mark.parametrize("kind", list(ANOMALIES))
def test_file_class_kind_and_family_agree(kind):
    anomaly = ANOMALIES[kind]
    *_, folder, file = anomaly.__module__.split(".")
    assert issubclass(anomaly, Anomaly)
    assert file == kind == anomaly.kind
    assert folder == anomaly.family.replace("-", "_")
    assert folded(anomaly.__name__) == folded(kind)
    assert getattr(anomalies, anomaly.__name__) is anomaly
    assert anomaly.__name__ in anomalies.__all__
    assert anomaly.__doc__


def test_families_come_in_order_and_kinds_alphabetically():
    folders = [name.split(".")[-2] for name in (entry.module for entry in ANOMALIES.entries.values())]
    assert list(dict.fromkeys(folders)) == list(ORDER)
    for family in ORDER:
        kinds = [k for k, folder in zip(ANOMALIES, folders, strict=True) if folder == family]
        assert kinds == sorted(kinds)


def test_the_mapping_is_read_only_and_complete():
    with pytest.raises(TypeError):
        ANOMALIES["mud"] = ANOMALIES["fog"]
    with pytest.raises(KeyError):
        ANOMALIES["gremlin"]
    assert "gremlin" not in ANOMALIES
    assert (
        len(ANOMALIES)
        == len(list(ANOMALIES))
        == len({entry.attribute for entry in ANOMALIES.entries.values()})
    )
    with pytest.raises(AttributeError, match="has no attribute 'Gremlin'"):
        _ = anomalies.Gremlin


def test_unknown_kinds_name_the_nearest():
    with pytest.raises(ValueError, match=r"unknown kind 'sunflare'; did you mean 'sun_flare'\? kinds: .*mud"):
        create("sunflare")
    with pytest.raises(ValueError, match=r"unknown kind 'xyzzy'; kinds: "):
        create("xyzzy")
    with pytest.raises(ValueError, match="mud has no parameter 'depth'; parameters: albedo"):
        create("mud", depth=3)


def folded(name):
    """A name in lower case without underscores: equal for a kind and its class."""
    return name.replace("_", "").lower()


def test_a_kind_is_one_file(tmp_path, monkeypatch):
    folder = tmp_path / "sparkling" / "own_family"
    folder.mkdir(parents=True)
    for package in (folder, folder.parent):
        (package / "__init__.py").write_text("")
    (folder / "old_sparkle.py").write_text(SPARKLE)
    (folder / "_shared.py").write_text("")
    (folder / "empty.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    found = Registry("kind", ("sparkling",), key="kind")
    assert list(found) == ["old_sparkle"]
    assert found.entries["old_sparkle"].attribute == "OldSparkle"
    assert found["old_sparkle"](severity=2).severity == 2


def test_a_recipe_may_name_a_kind_in_a_file_but_a_stored_set_may_not(tmp_path):
    """Recipes are the user's own; a set may come from anybody, and must not name code to be loaded."""
    path = tmp_path / "mine.py"
    path.write_text(SPARKLE)
    recipe = Recipe("mine", (Entry(f"{path}:OldSparkle"),))
    image = np.full((32, 32, 3), 60, np.uint8)
    assert (recipe.render(image, "a.png", 0).image == 195).all()
    spec = SourceSpec(images=tmp_path / "images")
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.random.default_rng(0).integers(0, 255, (32, 32, 3)))
    outcome = generate(Plan(spec, recipe, materialize="none"), tmp_path / "set")
    assert outcome.complete
    stored = StoredSet(tmp_path / "set")
    (record,) = [r for r in stored.records if r["kind"]]
    with pytest.raises(ValueError, match="is not registered here"):
        stored.read(record)
