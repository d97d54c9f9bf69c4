"""Names that others chose, harmless in Markdown and in CSV files; HTML is escaped by the templates."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from lsood.io import write_atomic
from lsood.text import markdown_cell

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(text: str) -> str:
    """Text in a cell, heading or line of Markdown: no code, link, emphasis, HTML or further cell comes of it."""
    text = markdown_cell(" ".join(text.splitlines()) if "\n" in text or "\r" in text else text)
    text = text.replace("*", "\\*")
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)


def code(text: str) -> str:
    """Text as a code span of Markdown, outside tables: fenced by more backticks than it holds in a row, in one line."""
    text = " ".join(text.split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}" if text else ""


def csv_cell(value: Any) -> Any:
    """A value for a CSV file: text that a spreadsheet would compute begins with an apostrophe; numbers stay numbers."""
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").replace("\r", " ")  # a bare carriage return would end the row
    if not value.startswith(FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV, without its index."""
    safe = table.rename(columns=csv_cell)
    texts = [i for i, kind in enumerate(safe.dtypes) if not pd.api.types.is_numeric_dtype(kind)]
    for i in texts:
        safe.isetitem(i, safe.iloc[:, i].map(csv_cell))
    return str(safe.to_csv(index=False, lineterminator="\n"))


def write_csv(table: pd.DataFrame, path: Path) -> Path:
    """Write a table as CSV, see :func:`csv_text`."""
    return write_atomic(path, partial(_write, csv_text(table)))


def _write(text: str, part: Path) -> None:
    part.write_bytes(text.encode("utf-8", "backslashreplace"))
