"""What was found of a network: rows of a table for people, notes for the pages of results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        what: "feature", "latent", "head", "logits", ... name: of the layer. shape: of one image. how: it was found.
    """

    what: str
    name: str
    shape: str
    how: str


@dataclass
class Description:
    """What was found of a network and how; ``notes`` belong on every page of its results."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def table(self, title: str, further: list[Row] | None = None) -> Table:
        """For a terminal."""
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False)
        for head in ("what", "layer", "shape", "how found"):
            table.add_column(head, overflow="fold")
        for row in [*self.rows, *(further or [])]:
            table.add_row(*(Text(text) for text in (row.what, row.name, row.shape, row.how)))
        return table


def shape_text(shape: tuple[int, ...]) -> str:
    """ "512 x 7 x 7"."""
    return " x ".join(map(str, shape))
