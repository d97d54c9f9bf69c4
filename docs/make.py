"""``python docs/make.py``: docs/kinds.md from the docstrings, its pictures from the generated miniature, and the tables
of docs/methods.md from what the methods declare.
"""

import importlib
import inspect
import re
from dataclasses import replace
from pathlib import Path

import cv2

from anomalies import ANOMALIES, Anomaly, Recipe
from anomalies.preview import preview
from anomalies.recipe import Entry
from datamodules import CityscapesDataModule
from lsood import method_table
from lsood.io import write_bytes, write_text

FOLDER = Path(__file__).parent
FRAME = 9
HIDDEN = {None, Anomaly, *ANOMALIES.values()}
TITLE = """# Kinds of anomalies

Written by `python docs/make.py` from the docstrings; pictures from the generated miniature, severity 1 to 5. H is the
height of the image; "pixel" kinds come with an exact mask, "image" kinds concern the whole image. Use a kind by its
name: in a recipe (`- {kind: mud, severity: [4, 5], params: {...}}`) or as `anomalies.create("mud", severity=4)`.
"""
BEGIN, END = "<!-- written by python docs/make.py -->", "<!-- end of what python docs/make.py writes -->"
COLUMNS = {
    "name": "name",
    "score": "formula",
    "fitted on": "fitted_on",
    "cost": "cost",
    "levels": "levels",
    "protocols": "protocols",
    "checked against": "checked",
    "paper": "paper",
}
"""{column of the tables of methods: attribute}."""


def families() -> dict[str, list[str]]:
    """{family: its kinds}."""
    found: dict[str, list[str]] = {}
    for kind, anomaly in ANOMALIES.items():
        found.setdefault(anomaly.family, []).append(kind)
    return found


def text_of(thing: object) -> str:
    """A docstring without its errors, parameters as a list."""
    text = (inspect.getdoc(thing) or "").split("Raises:")[0].strip()
    text = re.sub(
        r"^    (\w+): ", r"- `\1`: ", text.replace("\nArgs:\n", "\nParameters:\n\n"), flags=re.MULTILINE
    )
    return re.sub(r"^ {8}", "  ", text, flags=re.MULTILINE)


def reference() -> str:
    """The text of docs/kinds.md."""
    parts = [TITLE]
    for family, kinds in families().items():
        package = ANOMALIES[kinds[0]].__module__.rpartition(".")[0]
        parts.append(f"## {family}\n\n{text_of(importlib.import_module(package))}\n")
        if family != "albumentations":
            parts.append(f"![{family}: every kind at five severities](gallery/{family}.jpg)\n")
        bases = dict.fromkeys(ANOMALIES[kind].__base__ for kind in kinds)
        parts += [
            f"### In common: `{base.__name__}`\n\n{text_of(base)}\n" for base in bases if base not in HIDDEN
        ]
        parts += [f"### `{kind}` ({ANOMALIES[kind].level})\n\n{text_of(ANOMALIES[kind])}\n" for kind in kinds]
    return "\n".join(parts)


def methods(text: str) -> str:
    """The text of docs/methods.md with up-to-date tables between its marks.

    Raises:
        ValueError: it lacks a mark.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"docs/methods.md must hold the lines {BEGIN} and {END}")
    parts = [f"### {heading}\n\n{_table(rows)}\n" for heading, rows in method_table.tables().items()]
    return "\n".join([before + BEGIN, "", *parts, END]) + after


def _table(rows: list[method_table.Row]) -> str:
    """As Markdown; without the protocols where all have the default alone."""
    shown = dict(COLUMNS)
    if {row.protocols for row in rows} == {"no-ood"}:
        del shown["protocols"]
    lines = [[*shown], ["---"] * len(shown)]
    for row in rows:
        name, *texts = (getattr(row, attribute).replace("|", r"\|") for attribute in shown.values())
        lines.append([f"`{name}`", *texts])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def pictures() -> None:
    """docs/gallery/<family>.jpg."""
    data = CityscapesDataModule(miniature=True)
    data.setup()
    frame = data.sets["test"].read(FRAME)
    scene = replace(data.view(), labels=frame.target)
    for family, kinds in families().items():
        if family != "albumentations":
            page = preview(frame.image, Recipe(family, tuple(map(Entry, kinds))), scene=scene, width=200)
            encoded = cv2.imencode(".jpg", page[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
            write_bytes(FOLDER / "gallery" / f"{family}.jpg", encoded.tobytes())


if __name__ == "__main__":
    write_text(FOLDER / "kinds.md", reference())
    write_text(FOLDER / "methods.md", methods((FOLDER / "methods.md").read_text(encoding="utf-8")))
    pictures()
