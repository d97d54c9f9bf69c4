"""The cells of a paper's table with reported and measured values and a verdict.

Interval of a measured number: its mean over seeds plus and minus the root of the squared half-width of the t-interval
over seeds, t(.975, S-1) s / sqrt(S), and the squared mean half-width of the 95 % intervals over images. With one seed
the interval over images alone. A number over several OoD sets is their mean, per seed; their half-widths over images
add in quadrature.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import t as student

from leaderboards.papers.tables import PROTOCOLS, Column, OodGroup, PaperTable, Row
from leaderboards.schema import IMAGE, MetricValue, OodCell, Result

WITHIN, ABOVE, BELOW, NOT_COMPARABLE = "within", "above", "below", "not comparable"
ACCURACY_MARGIN = 0.01
PREVALENCE_MARGIN = 0.01


@dataclass(frozen=True)
class Measured:
    """A measured number: mean over seeds, standard deviation over them (n - 1; None for one seed), interval (None:
    there are too few independent images).
    """

    mean: float
    std: float | None
    low: float | None
    high: float | None
    seeds: int


@dataclass(frozen=True)
class Cell:
    """A number of the table and what was measured for it.

    Attributes:
        row, method, ood, metric: names; method is ours. protocol: the paper's.
        reported, std: fractions, None where nothing is reported. measured: {protocol: number}.
        verdict: "within", "above", "below" (measured against reported), "not comparable", or "" where nothing is
            reported. reason: why not comparable.
    """

    row: str
    method: str | None
    ood: str
    metric: str
    protocol: str
    reported: float | None
    std: float | None
    measured: dict[str, Measured]
    verdict: str
    reason: str

    @property
    def paper(self) -> Measured | None:
        """Measured in the paper's protocol."""
        return self.measured.get(self.protocol)

    @property
    def gap(self) -> float | None:
        """Measured minus reported."""
        return None if self.reported is None or self.paper is None else self.paper.mean - self.reported


def aggregate(per_seed: Sequence[Sequence[MetricValue]]) -> Measured:
    """A number from {seed: {OoD set: value}}, as the module says; clipped to [0, 1]."""
    values = [statistics.fmean(v.value for v in sets) for sets in per_seed]
    mean, n = statistics.fmean(values), len(values)
    std = statistics.stdev(values) if n > 1 else None
    widths = [
        [(v.value - v.low, v.high - v.value) for v in sets if v.low is not None and v.high is not None]
        for sets in per_seed
    ]
    if any(len(own) < len(sets) for own, sets in zip(widths, per_seed, strict=True)):
        return Measured(mean, std, None, None, n)
    down, up = (
        statistics.fmean(math.hypot(*(w[i] for w in own)) / len(own) for own in widths) for i in (0, 1)
    )
    seeds = 0.0 if std is None else float(student.ppf(0.975, n - 1)) * std / math.sqrt(n)
    return Measured(
        mean, std, max(0.0, mean - math.hypot(seeds, down)), min(1.0, mean + math.hypot(seeds, up)), n
    )


def cells(table: PaperTable, results: Sequence[Result]) -> list[Cell]:
    """One per OoD column, row and metric, then those of further methods, about which nothing is reported."""
    results = [run for run in results if run.level == IMAGE]
    extra = [
        m for m in dict.fromkeys(r.method for r in results) if m not in {row.method for row in table.rows}
    ]
    ordered = dict.fromkeys([*(m for m in table.also if m in extra), *extra])
    further = [Row(method, method, {}) for method in ordered]
    found = [
        _cell(table, row, group, i, column, results)
        for group in table.ood
        for row in (*table.rows, *further)
        for i, column in enumerate(table.metrics)
    ]
    return [cell for cell in found if cell.reported is not None or cell.measured]


def _cell(
    table: PaperTable, row: Row, group: OodGroup, i: int, column: Column, results: Sequence[Result]
) -> Cell:
    protocol = table.protocol_of(row)
    runs = [run for run in results if run.method == row.method]
    measured = {}
    for name in PROTOCOLS:
        number = _measure(column, group, [run for run in runs if run.protocol == name])
        if number is not None:
            measured[name] = number
    printed = row.values.get(group.name, [None] * len(table.metrics))[i]
    deviation = row.std.get(group.name, [None] * len(table.metrics))[i]
    reported = None if printed is None else printed / table.scale
    reason = "" if reported is None else _obstacle(table, row, group, column, runs, protocol)
    verdict = ""
    if reported is not None:
        verdict = NOT_COMPARABLE if reason else verdict_for(reported, half_step(table), measured[protocol])
        if verdict == NOT_COMPARABLE:
            reason = reason or "too few independent frames for an interval"
    std = None if deviation is None else deviation / table.scale
    return Cell(
        row.name, row.method, group.name, column.name, protocol, reported, std, measured, verdict, reason
    )


def half_step(table: PaperTable) -> float:
    """Half a unit of the last printed digit, as a fraction."""
    return 0.5 * 10**-table.decimals / table.scale


def verdict_for(reported: float, half: float, measured: Measured) -> str:
    """Whether any number that is printed as the reported one lies in the interval, else on which side of it the
    measured one is; without an interval they cannot be compared.
    """
    if measured.low is None or measured.high is None:
        return NOT_COMPARABLE
    if measured.low > reported + half + 1e-12:
        return ABOVE
    if measured.high < reported - half - 1e-12:
        return BELOW
    return WITHIN


def _measure(column: Column, group: OodGroup, runs: Sequence[Result]) -> Measured | None:
    """The number over the sets of the group that were measured; None: none was."""
    metric = column.metric
    if metric is None:
        return None
    per_seed = []
    for run in runs:
        found = [
            c.metrics[metric] for c in _cells_of(run, group) if c.failure is None and metric in c.metrics
        ]
        if found:
            per_seed.append([_complement(v) for v in found] if column.complement else found)
    return aggregate(per_seed) if per_seed else None


def _complement(value: MetricValue) -> MetricValue:
    low, high = (None if end is None else 1 - end for end in (value.high, value.low))
    return MetricValue(1 - value.value, low, high)


def _cells_of(run: Result, group: OodGroup) -> list[OodCell]:
    return [cell for cell in run.ood if cell.name in group.sets]


def _obstacle(
    table: PaperTable, row: Row, group: OodGroup, column: Column, all_runs: Sequence[Result], protocol: str
) -> str:
    """The first reason why a reported number cannot be compared with the measured one; empty: it can."""
    for caveat in table.caveats:
        if caveat.blocks and caveat.about(row.name, group.name, column.name):
            return caveat.blocks
    if row.method is None:
        return "no such method here"
    if column.metric is None:
        return "no such metric here"
    if not all_runs:
        return f"{row.method} was not measured"
    runs = [run for run in all_runs if run.protocol == protocol]
    if not runs:
        used = ", ".join(sorted({run.protocol for run in all_runs}))
        return f"protocol: measured under {used} only, the paper's is {protocol}"
    there = {cell.name for run in runs for cell in run.ood}
    if absent := [name for name in group.sets if name not in there]:
        return f"data missing: {', '.join(absent)}"
    for run in runs:
        if reason := _obstacle_of(table, group, column, run):
            return reason
    return ""


def _obstacle_of(table: PaperTable, group: OodGroup, column: Column, run: Result) -> str:
    found = _cells_of(run, group)
    for origin in ("miniature", "subset"):
        names = [run.ind.name] if run.ind.origin == origin else []
        names += [cell.name for cell in found if cell.origin == origin]
        if names:
            return f"{origin}: {', '.join(dict.fromkeys(names))}"
    if failed := [cell for cell in found if cell.failure]:
        return f"failed on {failed[0].name}: {failed[0].failure}"
    if run.network.name != table.network:
        return f"network {run.network.name}, the paper's is {table.network}"
    accuracy = run.ind.network_metrics.get("accuracy")
    wanted = None if table.accuracy is None else table.accuracy / table.scale
    if wanted is not None and accuracy is not None and accuracy < wanted - ACCURACY_MARGIN:
        return f"accuracy {100 * accuracy:.2f} %, the paper's {100 * wanted:.2f} %"
    if column.metric in ("aupr_in", "aupr_out"):
        return _prevalence(group, found)
    return ""


def _prevalence(group: OodGroup, found: Sequence[OodCell]) -> str:
    """AUPR depends on the shares of the two sets."""
    if group.n_in is None or group.n_out is None:
        return ""
    n_in, n_out = found[0].n_in, sum(cell.n_out for cell in found)
    here, there = n_out / (n_in + n_out), group.n_out / (group.n_in + group.n_out)
    if abs(here - there) <= PREVALENCE_MARGIN:
        return ""
    return f"prevalence: {n_in} to {n_out} images, the paper's {group.n_in} to {group.n_out}"


def tally(found: Sequence[Cell]) -> dict[str, int]:
    """{verdict: how many of the reported numbers}."""
    verdicts = [cell.verdict for cell in found if cell.verdict]
    return {name: verdicts.count(name) for name in (WITHIN, ABOVE, BELOW, NOT_COMPARABLE)}


def seconds(results: Sequence[Result]) -> Mapping[str, float]:
    """Seconds of training (each network once, with the further ones that methods need), of the passes over images, of
    fitting and of scoring, added up over results.
    """
    results = [run for run in results if run.level == IMAGE]
    known = [r for r in results if r.cost.training_seconds is not None]
    alone = {
        r.network.checkpoint: min(
            o.cost.training_seconds or 0.0 for o in known if o.network.checkpoint == r.network.checkpoint
        )
        for r in known
    }
    brought = {
        (r.network.checkpoint, r.method): (r.cost.training_seconds or 0.0) - alone[r.network.checkpoint]
        for r in known
    }
    passes = {r.network.checkpoint: r.cost.pass_seconds or 0.0 for r in results}
    return {
        "training": sum(alone.values()) + sum(brought.values()),
        "measuring": sum(passes.values()),
        "fitting": sum(r.cost.fit_seconds or 0.0 for r in results),
        "scoring": sum(r.cost.score_seconds or 0.0 for r in results),
    }
