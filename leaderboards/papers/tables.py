"""A paper's table as data: its numbers, how they were obtained, and known issues with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from leaderboards.records import build_record
from lsood.metrics import table as metrics

UNITS = {"percent": 100.0, "fraction": 1.0}
POSITIVE = ("in-distribution", "ood", "symmetric")
PROTOCOLS = ("no-ood", "fgsm-val", "oracle-val")


@dataclass(frozen=True)
class Column:
    """A metric of the table.

    Attributes:
        name: as the paper prints it. metric: ours (None: we have none). positive: the class that counts as positive.
        complement: the paper prints 1 - ours. note: how the paper computes it, where that differs.
    """

    name: str
    metric: str | None
    positive: str
    complement: bool = False
    note: str = ""


@dataclass(frozen=True)
class OodGroup:
    """An OoD column of the table: the mean over one or several of our sets, and how many images the paper
    scored (None: not known).
    """

    name: str
    sets: list[str]
    n_in: int | None = None
    n_out: int | None = None


@dataclass(frozen=True)
class Row:
    """A method as the paper reports it.

    Attributes:
        name: the paper's. method: our detector, with the arguments the numbers depend on (None: we have none).
        values, std: {name of an OoD group: a number per column, in the table's unit}; None: not found.
        protocol: where it is not the table's.
        chosen: {OoD group: what the paper chose for it}.
    """

    name: str
    method: str | None
    values: dict[str, list[float | None]]
    std: dict[str, list[float | None]] = field(default_factory=dict)
    protocol: str | None = None
    chosen: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Caveat:
    """A known issue with the published numbers: all of them, or those of some rows, OoD groups and columns.

    Attributes:
        blocks: why these cells cannot be compared at all; empty: they can.
    """

    text: str
    rows: list[str] = field(default_factory=list)
    ood: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    blocks: str = ""

    def about(self, row: str, ood: str, metric: str) -> bool:
        """Whether it concerns a cell."""
        pairs = ((self.rows, row), (self.ood, ood), (self.metrics, metric))
        return all(not names or name in names for names, name in pairs)


@dataclass(frozen=True)
class Expense:
    """Hours a full reproduction is expected to take, training included; None: not feasible there or not known."""

    cpu_hours: float | None
    gpu_hours: float | None
    note: str


@dataclass(frozen=True)
class PaperTable:
    """A table.

    Attributes:
        source: where the numbers were read.
        network, preset, fast_preset: our network and its training recipes.
        ind, image_size, recipe: the in-distribution set, its input size, the recipe of its anomalies.
        accuracy: of the paper's network in the table's unit, None: not reported. accuracy_note: about it.
        unit: "percent" or "fraction". decimals: printed. protocol: of most rows; protocol_text: in words.
        also: further methods of ours to measure, about which the paper reports nothing.
        elsewhere: {set we cannot load: where to get it}. needs: further data. differs: what we do differently.
        not_found: numbers that were looked for and not found.

    Raises:
        ValueError: the first thing that cannot be right, in one line.
    """

    name: str
    title: str
    paper: str
    source: str
    network: str
    preset: str
    ind: str
    unit: str
    decimals: int
    protocol: str
    protocol_text: str
    metrics: list[Column]
    ood: list[OodGroup]
    rows: list[Row]
    caveats: list[Caveat]
    differs: list[str]
    cost: Expense
    fast_preset: str | None = None
    accuracy: float | None = None
    accuracy_note: str = ""
    image_size: list[int] | None = None
    recipe: str | None = None
    also: list[str] = field(default_factory=list)
    elsewhere: dict[str, str] = field(default_factory=dict)
    needs: dict[str, str] = field(default_factory=dict)
    not_found: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"{self.name}: unit must be one of {', '.join(UNITS)}, got {self.unit!r}")
        if not 0 <= self.decimals <= 6:
            raise ValueError(f"{self.name}: decimals must lie in 0..6, got {self.decimals}")
        for protocol in (self.protocol, *(row.protocol for row in self.rows if row.protocol is not None)):
            if protocol not in PROTOCOLS:
                raise ValueError(
                    f"{self.name}: unknown protocol {protocol!r}; protocols: {', '.join(PROTOCOLS)}"
                )
        for column in self.metrics:
            if column.metric is not None and column.metric not in metrics.ROWS:
                raise ValueError(
                    f"{self.name}: unknown metric {column.metric!r}; metrics: {', '.join(metrics.names(metrics.ROWS))}"
                )
            if column.positive not in POSITIVE:
                raise ValueError(
                    f"{self.name}: positive must be one of {', '.join(POSITIVE)}, got {column.positive!r}"
                )
        _unique(self.name, "metrics", [column.name for column in self.metrics])
        _unique(self.name, "ood", [group.name for group in self.ood])
        _unique(self.name, "rows", [row.name for row in self.rows])
        for group in self.ood:
            if not group.sets:
                raise ValueError(f"{self.name}: {group.name} has no sets")
        for row in self.rows:
            self._check(row)
        for caveat in self.caveats:
            for names, known in zip((caveat.rows, caveat.ood, caveat.metrics), self._names(), strict=True):
                if unknown := [name for name in names if name not in known]:
                    raise ValueError(
                        f"{self.name}: a caveat names {unknown[0]!r}, which the table does not have"
                    )

    def _names(self) -> tuple[list[str], list[str], list[str]]:
        return ([r.name for r in self.rows], [g.name for g in self.ood], [c.name for c in self.metrics])

    def _check(self, row: Row) -> None:
        highest = UNITS[self.unit]
        _, known, columns = self._names()
        for kind, cells in (("values", row.values), ("std", row.std)):
            for ood, numbers in cells.items():
                where = f"{self.name}: {row.name}: {kind}: {ood}"
                if ood not in known:
                    raise ValueError(f"{where} is no OoD column; columns: {', '.join(known)}")
                if len(numbers) != len(columns):
                    raise ValueError(f"{where} has {len(numbers)} numbers for {len(columns)} metrics")
                for number in numbers:
                    if number is not None and not 0 <= number <= highest:
                        raise ValueError(f"{where}: {number} is outside 0..{highest:g} ({self.unit})")
        if unknown := [name for name in row.chosen if name not in known]:
            raise ValueError(f"{self.name}: {row.name}: chosen: {unknown[0]} is no OoD column")

    @property
    def scale(self) -> float:
        """What a fraction is multiplied with for display."""
        return UNITS[self.unit]

    @property
    def numbers(self) -> int:
        """How many numbers are reported."""
        return sum(v is not None for row in self.rows for values in row.values.values() for v in values)

    @property
    def sets(self) -> list[str]:
        """Every OoD set, each once."""
        return list(dict.fromkeys(name for group in self.ood for name in group.sets))

    @property
    def methods(self) -> list[str]:
        """Every method of ours, each once: of the rows, then further ones."""
        reported = [row.method for row in self.rows if row.method is not None]
        return list(dict.fromkeys([*reported, *self.also]))

    def protocol_of(self, row: Row) -> str:
        """What a row's method was allowed to see."""
        return row.protocol or self.protocol


def _unique(table: str, what: str, names: list[str]) -> None:
    if twice := [name for i, name in enumerate(names) if name in names[:i]]:
        raise ValueError(f"{table}: {what}: {twice[0]!r} occurs twice")


def table_from(content: Any, where: str) -> PaperTable:
    """A table from parsed YAML.

    Raises:
        ValueError: naming the file and the first field that is missing, unknown, of another type or out of range.
    """
    table = build_record(PaperTable, content, where)
    assert isinstance(table, PaperTable)
    return table
