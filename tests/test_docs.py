"""What the documentation says about kinds of anomalies and methods is what their code says."""

import importlib.util
import re
from pathlib import Path

import pytest

from anomalies import ANOMALIES, recipe_names
from lsood.methods import METHODS

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("make", DOCS / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_of_kinds_is_up_to_date(make):
    assert (DOCS / "kinds.md").read_text() == make.reference(), "run `python docs/make.py`"


def test_every_kind_documents_its_severities_and_every_family_has_a_picture():
    for kind, anomaly in ANOMALIES.items():
        assert anomaly.__doc__, kind
        assert anomaly.family == "albumentations" or (DOCS / "gallery" / f"{anomaly.family}.jpg").is_file(), (
            kind
        )


def test_every_recipe_is_in_the_documentation():
    text = (DOCS / "anomalies.md").read_text()
    for name in recipe_names():
        assert f"`{name.split('/')[0]}`" in text, name


def test_the_python_of_the_anomalies_page_runs():
    names = {}
    for block in re.findall(r"```python\n(.*?)```", (DOCS / "anomalies.md").read_text(), flags=re.S):
        exec(block, names)
    assert names["drawn"].kind in ANOMALIES
    assert names["fog"].image.shape == (256, 512, 3)
    assert names["pipeline"](image=names["image"])["image"].shape == (512, 1024, 3)


def test_the_tables_of_methods_are_up_to_date(make):
    text = (DOCS / "methods.md").read_text()
    assert text == make.methods(text), "run `python docs/make.py`"
    with pytest.raises(ValueError, match=r"docs/methods.md must hold the lines <!-- written by"):
        make.methods(text.replace(make.END, ""))


def test_every_method_is_in_one_table_of_the_methods_page_with_what_it_declares(make):
    written = (DOCS / "methods.md").read_text().partition(make.BEGIN)[2].partition(make.END)[0]
    rows = re.findall(r"^\| `([\w-]+)` \| (.*) \|$", written, flags=re.M)
    listed = {name: texts.replace(r"\|", "|") for name, texts in rows}
    assert len(rows) == len(listed)
    assert set(listed) == set(METHODS)
    for name, texts in listed.items():
        for attribute in ("formula", "paper", "checked"):
            assert METHODS.about(name, attribute) in texts, (name, attribute)
        assert (METHODS.about(name, "cost") or "none") in texts
