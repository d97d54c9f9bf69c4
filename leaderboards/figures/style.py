"""Colours of figures, and how they are written: the same figure gives the same bytes."""

from __future__ import annotations

import warnings
from pathlib import Path

from matplotlib.figure import Figure

from lsood.io import log, write_atomic

PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31", "#7F7F7F", "#B10DC9",
)  # fmt: skip
IN, OUT = PALETTE[:2]


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG; makes the folder, returns the path. What matplotlib warns of, such as characters that its
    font lacks, is logged with the name of the figure.
    """
    with warnings.catch_warnings(record=True) as noted:
        write_atomic(path, lambda part: figure.savefig(part, format="png", metadata={"Software": None}))
    for text in dict.fromkeys(" ".join(str(one.message).split()) for one in noted):
        log.warning("%s: %s", path.name, text)
    return path
