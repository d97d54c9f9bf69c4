"""A reproduced table of a paper as Markdown, HTML, CSV and terminal output, all from the same cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from leaderboards.boards import boards, cautions, differences, origins
from leaderboards.papers.reproduction import NOT_COMPARABLE, Cell, Measured, cells, seconds, tally
from leaderboards.papers.tables import PROTOCOLS, Caveat, PaperTable
from leaderboards.schema import Result
from leaderboards.tables.aggregate import is_miniature
from leaderboards.tables.escape import csv_text
from leaderboards.tables.page import environment
from leaderboards.tables.text import BANNER
from lsood.io import write_text

FREE = "no-ood"
READING = (
    "Intervals are 95 %: over seeds, t(.975, S - 1) s / sqrt(S), and over images (the mean half-width over seeds), "
    "added in quadrature; with one seed over images alone. ± is the standard deviation over seeds (n - 1). "
    "within: a number that is printed as the reported one lies in the interval; above, below: the measured number "
    "against the reported one (for error rates above is worse); not comparable: with the reason. The verdict takes the "
    "paper's number as exact, whether or not the paper reports a deviation. What a method was allowed to see is its "
    "protocol: no-ood, in-distribution images only; fgsm-val, tuned on perturbed in-distribution images; oracle-val, "
    "tuned on images of the OoD set under test."
)
STYLES = {"within": "green", "above": "yellow", "below": "yellow", NOT_COMPARABLE: "dim"}


@dataclass(frozen=True)
class Line:
    """A cell as text; ``note`` is the number of its reason."""

    method: str
    metric: str
    reported: str
    paper: str
    verdict: str
    note: int | None
    others: list[str]
    free: str


def number(value: float, table: PaperTable, decimals: int | None = None) -> str:
    """A fraction in the table's unit."""
    return f"{value * table.scale:.{table.decimals if decimals is None else decimals}f}"


def text_of(measured: Measured | None, table: PaperTable) -> str:
    """ "77.1 ± 0.4 [76.0, 78.2]"; without ± for one seed, without brackets for no interval; "" for nothing."""
    if measured is None:
        return ""
    spread = "" if measured.std is None else f" ± {number(measured.std, table)}"
    text = f"{number(measured.mean, table)}{spread}"
    if measured.low is None or measured.high is None:
        return text
    return f"{text} [{number(measured.low, table)}, {number(measured.high, table)}]"


def verdict_of(cell: Cell, table: PaperTable) -> str:
    """The verdict, with measured minus reported where it is above or below."""
    if cell.verdict in ("above", "below") and cell.gap is not None:
        return f"{cell.verdict} {cell.gap * table.scale:+.{table.decimals}f}"
    return cell.verdict


def newest_run(results: Sequence[Result]) -> tuple[list[Result], list[str]]:
    """The results of the run that was measured last, see `leaderboards.boards`, and a warning about those of others."""
    found = sorted(boards(results), key=lambda board: max(run.created for run in board.results))
    others = len(results) - len(found[-1].results) if found else 0
    if not others:
        return list(results), []
    what = f"{others} results of other runs in this folder are left out"
    return found[-1].results, [f"Warning: {what}: the newest run {differences(found[::-1])}."]


def view(table: PaperTable, results: Sequence[Result], warnings: Sequence[str] = ()) -> dict[str, Any]:
    """Everything a page shows, for Markdown and HTML alike.

    Args:
        results: of one run. warnings: shown before those of the results.
    """
    found = cells(table, results)
    reasons = list(dict.fromkeys(cell.reason for cell in found if cell.reason))
    further = [p for p in PROTOCOLS if p != FREE and any(p in c.measured and p != c.protocol for c in found)]
    sections = []
    for group in table.ood:
        lines = [_line(cell, table, reasons, further) for cell in found if cell.ood == group.name]
        sections.append({"name": group.name, "sets": ", ".join(group.sets), "lines": lines})
    return {
        "table": table,
        "sections": [section for section in sections if section["lines"]],
        "further": further,
        "reasons": reasons,
        "tally": tally(found),
        "reading": READING,
        "banner": BANNER if is_miniature(results) else None,
        "caveats": [(caveat.text, scope(caveat)) for caveat in table.caveats],
        "chosen": [(row.name, ood, text) for row in table.rows for ood, text in row.chosen.items()],
        **_origins(results),
        "cautions": [*warnings, *cautions(results)],
    }


def _line(cell: Cell, table: PaperTable, reasons: list[str], further: list[str]) -> Line:
    ours = "" if cell.method in (None, cell.row) else f" ({cell.method})"
    reported = "" if cell.reported is None else number(cell.reported, table)
    return Line(
        cell.row + ours,
        cell.metric,
        reported + ("" if cell.std is None else f" ± {number(cell.std, table)}"),
        f"{text_of(cell.paper, table)} {cell.protocol}" if cell.paper else "",
        verdict_of(cell, table),
        reasons.index(cell.reason) + 1 if cell.reason else None,
        [text_of(cell.measured.get(p), table) for p in further],
        text_of(cell.measured.get(FREE), table),
    )


def scope(caveat: Caveat) -> str:
    """Which cells a caveat is about."""
    parts = [", ".join(names) for names in (caveat.rows, caveat.ood, caveat.metrics) if names]
    return "; ".join(parts) or "all"


def _origins(results: Sequence[Result]) -> dict[str, Any]:
    """Costs and provenance."""
    sets = {(r.ind.name, r.ind.origin, r.ind.fingerprint) for r in results}
    sets |= {(c.name, c.origin, c.fingerprint) for r in results for c in r.ood}
    networks = {
        (r.seed, r.network.name, r.network.checkpoint, _figures(r.ind.network_metrics)) for r in results
    }
    return {
        "seconds": {name: round(value, 1) for name, value in seconds(results).items()},
        "sets": sorted(sets),
        "networks": sorted(networks),
        "commands": sorted({r.command for r in results}),
        "environments": origins(results),
    }


def _figures(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())


def rich_table(table: PaperTable, results: Sequence[Result]) -> list[Table]:
    """A table per OoD column, for a terminal of 100 columns; reasons as numbers, named below by :func:`reasons`."""
    made = []
    for section in view(table, results)["sections"]:
        shown = Table(
            title=Text(f"{table.title}: {section['name']}"), title_justify="left", title_style="bold"
        )
        for name in ("method", "metric"):
            shown.add_column(name, overflow="fold", max_width=24 if name == "method" else 10)
        for name in ("reported", "measured", "verdict", FREE):
            shown.add_column(name, justify="right", overflow="fold", max_width=22)
        previous = None
        for line in section["lines"]:
            if previous not in (None, line.method):
                shown.add_section()
            note = "" if line.note is None else f" ({line.note})"
            style = STYLES.get(line.verdict.split(" ")[0] if line.note is None else NOT_COMPARABLE, "")
            paper = line.paper.rsplit(" ", 1)[0].split(" [")[0]
            shown.add_row(
                Text("" if line.method == previous else line.method), line.metric, line.reported, paper,
                Text(line.verdict + note, style), line.free.split(" [")[0],
            )  # fmt: skip
            previous = line.method
        made.append(shown)
    return made


def frame(table: PaperTable, results: Sequence[Result]) -> pd.DataFrame:
    """One row per cell and protocol it was measured in (one where it was not); fractions."""
    chosen = {row.name: row.chosen for row in table.rows}
    rows = []
    for cell in cells(table, results):
        base = {
            "table": table.name, "row": cell.row, "method": cell.method, "ood": cell.ood, "metric": cell.metric,
            "paper_protocol": cell.protocol, "reported": cell.reported, "reported_std": cell.std,
            "verdict": cell.verdict, "reason": cell.reason, "chosen": chosen.get(cell.row, {}).get(cell.ood),
        }  # fmt: skip
        for protocol, m in cell.measured.items() or [(None, None)]:
            numbers = [None] * 5 if m is None else [m.mean, m.std, m.low, m.high, m.seeds]
            rows.append(
                base
                | {"protocol": protocol}
                | dict(zip(("measured", "std", "low", "high", "seeds"), numbers, strict=True))
            )
    return pd.DataFrame(rows)


def write(table: PaperTable, results: Sequence[Result], out: Path) -> list[Path]:
    """Write reproduction.md, .html and .csv of the newest run; the same results give the same bytes.

    Raises:
        ValueError: no results.
    """
    if not results:
        raise ValueError(f"{table.name}: no results to compare")
    results, warnings = newest_run(results)
    shown = view(table, results, warnings)
    templates = environment()
    contents = {
        "reproduction.md": templates.get_template("reproduction.md.j2").render(shown),
        "reproduction.html": templates.get_template("reproduction.html.j2").render(shown),
        "reproduction.csv": csv_text(frame(table, results)),
    }
    return [write_text(out / name, content) for name, content in contents.items()]
