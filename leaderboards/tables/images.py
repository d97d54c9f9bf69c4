"""From results to rows: one per method and OoD set, seeds aggregated, protocols apart."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from leaderboards.analysis.naive import (
    NAIVE,
    NAIVE_NOTE,
    NAIVE_TITLE,
    gain,
    gain_text,
    has_naive,
    methods_of,
    naive_auroc,
)
from leaderboards.analysis.significance import TIED, tied_with_best
from leaderboards.schema import MetricValue, OodCell, Result

METRICS = (
    "auroc", "fpr95", "aupr_in", "aupr_out", "fpr95_in", "fpr80_in", "detection_error", "accuracy", "mcc", "f1",
)  # fmt: skip
DETECTOR = {"map": "mAP", "map50": "mAP50"}
FIGURES = ("fpr95", "aupr_out", "aupr_in")
TERMINAL = FIGURES[:2]
CONVENTIONS = (
    "Scores: higher = more anomalous. FPR95: OoD positive, share of in-distribution images flagged when 95 % of OoD "
    "is caught; "
    "FPR95-in and FPR80-in: in-distribution positive. AUPR: step sum, depends on the shares of the sets. "
    "Intervals are 95 %: DeLong for AUROC (it collapses at 0 and 1), bootstrap over images for the rest; "
    "bootstrap over source images for all where anomalies were drawn on the in-distribution images themselves; "
    "with several seeds mean and population standard deviation. Thresholds come from in-distribution validation images."
)
BANNER = "MINIATURE: generated images stand in for real data; these numbers say nothing about the real sets."


def rows(results: Sequence[Result]) -> pd.DataFrame:
    """One row per in-distribution set, network, protocol, OoD set and method, best AUROC first, failures and
    then the naive detector last.

    Columns: method, ood, the metrics, naive (AUROC of the naive detector on the same images), gain (over
    naive), threshold, <metric>_low and _high (one seed) or <metric>_std (several), n_in, n_out, seeds,
    protocol, ind, ind_origin, ood_origin, network, network_metric, checkpoint, fit_seconds, score_seconds,
    failure.
    """

    def group(pair: tuple[Result, OodCell]) -> tuple[str, ...]:
        run, cell = pair
        return (
            run.ind.name,
            run.ind.origin,
            run.network.name,
            run.protocol,
            cell.name,
            cell.origin,
            run.method,
        )

    pairs = sorted(((run, cell) for run in results for cell in run.ood), key=group)
    table = pd.DataFrame([_row(list(members)) for _, members in itertools.groupby(pairs, group)])
    order = ["ind", "network", "protocol", "ood", "last", "auroc", "method"]
    ascending = [True, True, True, True, True, False, True]
    table = table.assign(last=table["method"] == NAIVE).sort_values(
        order, ascending=ascending, na_position="last", ignore_index=True
    )
    return table.drop(columns="last")


def _row(members: list[tuple[Result, OodCell]]) -> dict[str, Any]:
    run, cell = members[0]
    whole = [(r, c) for r, c in members if c.failure is None]
    row: dict[str, Any] = {"method": run.method, "ood": cell.name}
    several = len(whole) > 1
    for metric in METRICS:
        values = [c.metrics[metric].value for _, c in whole if metric in c.metrics]
        row[metric] = statistics.fmean(values) if values else None
    row["naive"] = naive_auroc([c for _, c in whole or members])
    row["gain"] = gain(row["auroc"] if whole else math.nan, row["naive"])
    thresholds = [r.threshold.value for r, _ in whole if r.threshold is not None]
    row["threshold"] = statistics.fmean(thresholds) if thresholds else None
    for metric in METRICS:
        estimates = [c.metrics[metric] for _, c in whole if metric in c.metrics]
        row[f"{metric}_low"] = estimates[0].low if estimates and not several else None
        row[f"{metric}_high"] = estimates[0].high if estimates and not several else None
        row[f"{metric}_std"] = (
            statistics.pstdev(e.value for e in estimates) if several and estimates else None
        )
    return row | {
        "n_in": cell.n_in,
        "n_out": cell.n_out,
        "seeds": len(whole),
        "protocol": run.protocol,
        "ind": run.ind.name,
        "ind_origin": run.ind.origin,
        "ood_origin": cell.origin,
        "network": run.network.name,
        "network_metric": quality([r.ind.network_metrics for r, _ in members]),
        "checkpoint": run.network.checkpoint if len(members) == 1 else "",
        "fit_seconds": statistics.fmean(r.cost.fit_seconds for r, _ in members),
        "score_seconds": statistics.fmean(r.cost.score_seconds for r, _ in members),
        "failure": next((c.failure for _, c in members if c.failure), None),
    }


def over_seeds(members: Sequence[Mapping[str, MetricValue]], metrics: Iterable[str]) -> dict[str, float]:
    """Columns of a row from the metrics of every seed: <metric>, with _low and _high of one seed, _std (population) of
    several; none for a metric that no seed has.
    """
    columns: dict[str, float] = {}
    for metric in metrics:
        known = [values[metric] for values in members if metric in values]
        if len(known) == 1:
            columns |= {
                metric: known[0].value,
                f"{metric}_low": known[0].low,
                f"{metric}_high": known[0].high,
            }
        elif known:
            each = [v.value for v in known]
            columns |= {metric: statistics.fmean(each), f"{metric}_std": statistics.pstdev(each)}
    return columns


def quality(runs: Sequence[dict[str, float]]) -> str:
    """How good the network is, mean over runs: "accuracy 0.9523", "miou 0.6104"; a detector's "mAP .31 / mAP50 .52";
    "not measured" where nothing is labelled.
    """
    names = [name for name in DETECTOR if all(name in run for run in runs)]
    means = {n: statistics.fmean(run[n] for run in runs if n in run) for n in names or list(runs[0])[:1]}
    if not means:
        return "not measured"
    if not names:
        return " ".join(f"{name} {value:.4f}" for name, value in means.items())
    return " / ".join(f"{DETECTOR[n]} {f'{value:.2f}'.removeprefix('0')}" for n, value in means.items())


def is_miniature(results: Sequence[Result]) -> bool:
    """Whether any image of the results was generated."""
    return any("miniature" in (run.ind.origin, *(cell.origin for cell in run.ood)) for run in results)


def spread(row: Any, metric: str, scale: float = 100.0) -> str:
    """ "97.1 [96.0, 98.2]" for one seed, "97.1 ± 0.4" for several, "" where there is no value."""
    value = row[metric]
    if value is None or pd.isna(value):
        return ""
    if pd.notna(row[f"{metric}_std"]):
        return f"{value * scale:.1f} ± {row[f'{metric}_std'] * scale:.1f}"
    return f"{value * scale:.1f} [{row[f'{metric}_low'] * scale:.1f}, {row[f'{metric}_high'] * scale:.1f}]"


def number(value: Any, scale: float = 100.0) -> str:
    """One decimal of a percentage, "" where there is no value."""
    return "" if value is None or pd.isna(value) else f"{value * scale:.1f}"


def groups(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Tables that may be compared: (title, rows) per in-distribution set, network, protocol and OoD set."""
    keys = ["ind", "network", "protocol", "ood"]
    found = []
    for (ind, network, protocol, ood), part in table.groupby(keys, sort=False):
        figure = part["network_metric"].iloc[0]
        sizes = f"{part['n_in'].iloc[0]} / {part['n_out'].iloc[0]} images"
        title = f"{ind} vs {ood} · {network} ({figure}) · protocol {protocol} · {sizes}"
        found.append((title, part))
    return found


def write_csv(results: Sequence[Result], path: Path) -> None:
    """Every column of every row."""
    rows(results).to_csv(path, index=False, lineterminator="\n")


def conventions(table: pd.DataFrame) -> str:
    """What the figures mean."""
    return f"{CONVENTIONS} {NAIVE_NOTE}" if has_naive(table) else CONVENTIONS


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def title_of(row: Any) -> str:
    """A row's name in Markdown."""
    return f"*{NAIVE_TITLE}*" if row["method"] == NAIVE else _cell(row["method"])


def markdown(
    results: Sequence[Result], further: Sequence[str] = (), pairs: pd.DataFrame | None = None
) -> str:
    """A leaderboard for GitHub: a table per OoD set and protocol, the best AUROC bold, a dagger beside those that do
    not differ from it (``pairs``: `leaderboards.analysis.significance`); then further lines.
    """
    lines = ["# Leaderboard", ""]
    if is_miniature(results):
        lines += [f"> **{BANNER}**", ""]
    table = rows(results)
    for title, part in groups(table):
        lines += [f"## {_cell(title)}", ""]
        gained = has_naive(part)
        lines += [
            f"| method | AUROC ↑ |{' gain ↑ |' * gained} FPR95 ↓ | AUPR-out ↑ | AUPR-in ↑ | data |",
            f"|---|--:|{'--:|' * gained}--:|--:|--:|---|",
        ]
        best = methods_of(part)["auroc"].max()
        tied = tied_with_best(pairs, part) if pairs is not None else set()
        for _, row in part.iterrows():
            data = _cell(f"{row['ind_origin']} / {row['ood_origin']}")
            if pd.isna(row["auroc"]):
                lines.append(
                    f"| {title_of(row)} | failed: {_cell(str(row['failure']))} |{' |' * gained} | | | {data} |"
                )
                continue
            auroc = spread(row, "auroc")
            auroc = f"**{auroc}**" if row["auroc"] == best and row["method"] != NAIVE else auroc
            auroc += f" {TIED}" if row["method"] in tied else ""
            shown = [gain_text(row["gain"])] * gained + [number(row[metric]) for metric in FIGURES]
            figures = " | ".join(_cell(text) for text in shown)
            lines.append(f"| {title_of(row)} | {auroc} | {figures} | {data} |")
        lines.append("")
    run = results[0]
    commands = sorted({r.command for r in results})
    lines += [conventions(table), "", *further]
    lines += [f"Command: `{command}`" for command in commands]
    env = run.environment
    lines += [
        "",
        f"Version {run.version}, commit {run.git or 'unknown'}, torch {env.torch}, Python {env.python}, {env.device}.",
    ]
    return "\n".join(lines) + "\n"


class Reasons:
    """Why rows of a table have no figures: a number in the row, the reason below the table, so that it takes no room
    from the figures of other rows.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, reason: str) -> Text:
        """What stands in the row."""
        return Text(f"failed ({self._numbers.setdefault(reason, len(self._numbers) + 1)})", "red")

    def below(self, table: Table) -> None:
        """Write the reasons below a table."""
        if self._numbers:
            table.caption = Text("\n".join(f"({n}) {reason}" for reason, n in self._numbers.items()), "red")
            table.caption_justify = "left"


def rich_tables(results: Sequence[Result]) -> list[Table]:
    """A table per OoD set and protocol, for a terminal of 80 columns; ``time`` without the shared pass."""
    tables = []
    for title, part in groups(rows(results)):
        table = Table(title=Text(title), title_justify="left", title_style="bold")
        table.add_column("method", overflow="fold")
        gained = has_naive(part)
        for name in ("AUROC", *("gain",) * gained, "FPR95", "AUPR-out", "seconds"):
            table.add_column(name, justify="right", no_wrap=True)
        best, reasons = methods_of(part)["auroc"].max(), Reasons()
        for _, row in part.iterrows():
            if row["method"] == NAIVE:
                table.add_section()
            seconds = f"{row['fit_seconds'] + row['score_seconds']:.2f}"
            if pd.isna(row["auroc"]):
                empty = [""] * (len(TERMINAL) + gained)
                table.add_row(Text(row["method"]), reasons.mark(row["failure"]), *empty, seconds)
                continue
            figures = [gain_text(row["gain"])] * gained + [number(row[metric]) for metric in TERMINAL]
            ranked = row["method"] != NAIVE
            style = "dim" if not ranked else "bold green" if row["auroc"] == best else ""
            table.add_row(Text(row["method"], style), Text(spread(row, "auroc"), style), *figures, seconds)
        reasons.below(table)
        tables.append(table)
    return tables
