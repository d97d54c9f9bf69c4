"""What was found of a network: rows of a table for people, notes for the pages of results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Row(NamedTuple):
    """A line of the table.

    Attributes:
        what: "feature", "latent", "head", "logits", ... name: of the layer, or a value. how: it was found.
        shape: of what one image gives.
    """

    what: str
    name: str
    how: str
    shape: str = ""


@dataclass
class Description:
    """What was found of a network and how; ``notes`` belong on every page of its results."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
