"""What the documentation says about kinds of anomalies and methods is what their code says."""

import importlib.util
import re
from pathlib import Path

from anomalies import ANOMALIES, recipe_names
from lsood.methods import METHODS

DOCS = Path(__file__).parents[1] / "docs"


def test_the_reference_of_kinds_is_up_to_date():
    spec = importlib.util.spec_from_file_location("make", DOCS / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
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


def test_every_method_is_in_a_table_of_the_methods_page():
    rows = re.findall(r"^\| (`[^|]+) \|", (DOCS / "methods.md").read_text(), flags=re.M)
    listed = {name for cell in rows for name in re.findall(r"`([\w-]+)`", cell)}
    assert not set(METHODS) - listed
