"""Tables of object-level results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from leaderboards.object_schema import ObjectCell, ObjectResult
from leaderboards.tables.images import METRICS, Reasons, over_seeds, quality

SEPARATION = {
    "auroc": ("AUROC", "higher", "how often a detection on OoD images scores above one on in-distribution images"),
    "fpr95": ("FPR95", "lower", "share of in-distribution detections flagged when 95 % of those on OoD images are"),
    "aupr_out": ("AUPR-out", "higher", "precision over recall of detections on OoD images; depends on their share"),
}  # fmt: skip
OPEN_SET = {
    "unknown_recall": ("R_U", "higher", "share of unknown objects that a detection flagged as OoD finds"),
    "unknown_precision": ("P_U", "higher", "share of flagged detections that find one; too low if some are unlabelled"),
    "unknown_ap": ("AP_U", "higher", "area under P_U over R_U when detections are ranked by their OoD score"),
    "nose": ("nOSE", "lower", "A-OSE per unknown object; above 100 where objects are detected several times"),
    "aose": ("A-OSE", "lower", "number of detections on unknown objects that are not flagged but claim a known class"),
    "wi": ("WI", "lower", "wilderness impact: these errors per detection kept on in-distribution images, each class at "
           "80 % recall"),
    "missed": ("missed", "lower", "share of unknown objects that no detection finds"),
    "taken_for_known": ("taken for known", "lower", "share found only by detections that claim a known class"),
}  # fmt: skip
TITLES = SEPARATION | OPEN_SET
NOTE = (
    "Object level: one score per detection of the confidence in the title or more. "
    + " ".join(f"{title}: {text}." for title, _, text in TITLES.values())
    + " A detection finds one object, by IoU ≥ 0.5; R_U, missed and taken for known add up to 100. Percentages, but "
    "A-OSE is a count. The threshold for flagging comes from detections on in-distribution validation images. "
    "Intervals are 95 %, by bootstrap over images; with several seeds mean and population standard deviation."
)
GROUP = ("ind", "network", "protocol", "ood")


def object_rows(results: Sequence[ObjectResult]) -> pd.DataFrame:
    """One row per in-distribution set, network, protocol, OoD set and method, best AUROC first, failures last.

    Several seeds: means and <metric>_std; one: <metric>_low and _high. Counts (n_in, n_out, n_unknown, n_flagged,
    n_taken, n_missed) are the first seed's.
    """
    found: dict[tuple[str, ...], list[tuple[ObjectResult, ObjectCell]]] = {}
    for run in sorted(results, key=lambda r: (r.method, r.seed)):
        for cell in run.ood:
            found.setdefault(
                (run.ind.name, run.network.name, run.protocol, cell.name, run.method), []
            ).append((run, cell))
    lines = [_row(members) for members in found.values()]
    figures = [f"{metric}{end}" for metric in (*METRICS, *OPEN_SET) for end in ("", "_low", "_high", "_std")]
    counts = [f"n_{what}" for what in ("images", "in", "out", "unknown", "flagged", "taken", "missed")]
    more = (
        "confidence",
        "ind_origin",
        "ood_origin",
        "checkpoint",
        "threshold",
        "failure",
        "open_set_failure",
    )
    table = pd.DataFrame(
        lines, columns=[*GROUP, "method", "network_metric", "seeds", *counts, *figures, *more]
    )
    order = ["ind", "network", "protocol", "ood", "auroc", "unknown_ap", "method"]
    ascending = [True, True, True, True, False, False, True]
    return table.sort_values(order, ascending=ascending, na_position="last", ignore_index=True)


def _row(members: list[tuple[ObjectResult, ObjectCell]]) -> dict[str, Any]:
    run, cell = members[0]
    row: dict[str, Any] = {
        "ind": run.ind.name,
        "network": run.network.name,
        "network_metric": quality([r.ind.network_metrics for r, _ in members]),
        "protocol": run.protocol,
        "ood": cell.name,
        "method": run.method,
        "seeds": len(members),
        "n_images": cell.n_images,
        "n_in": cell.n_in,
        "n_out": cell.n_out,
        "confidence": run.settings.get("confidence", 0.0),
        "ind_origin": run.ind.origin,
        "ood_origin": cell.origin,
        "checkpoint": run.network.checkpoint if len(members) == 1 else "",
        "threshold": run.threshold.value if run.threshold is not None and len(members) == 1 else None,
        "failure": next((c.failure for _, c in members if c.failure), None),
        "open_set_failure": next((c.open_set_failure for _, c in members if c.open_set_failure), None),
    }
    if cell.unknown is not None:
        outcomes = cell.unknown
        row |= {
            "n_unknown": outcomes.n,
            "n_flagged": outcomes.flagged,
            "n_taken": outcomes.taken,
            "n_missed": outcomes.missed,
        }
    return row | over_seeds([c.metrics | c.open_set for _, c in members], (*METRICS, *OPEN_SET))


def write_csv(results: Sequence[ObjectResult], path: Path) -> None:
    """Every row."""
    object_rows(results).to_csv(path, index=False, lineterminator="\n")


def object_groups(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Tables that may be compared: (title, rows) per in-distribution set, network, protocol and OoD set."""
    found = []
    for (ind, network, protocol, ood), part in table.groupby(list(GROUP), sort=False):
        first = part.iloc[0]
        sizes = f"{first['n_in']} / {first['n_out']} detections of confidence {first['confidence']:g}"
        if pd.notna(first["n_unknown"]):
            sizes += f", {int(first['n_unknown'])} unknown objects"
        found.append(
            (f"{ind} vs {ood} · {network} ({first['network_metric']}) · protocol {protocol} · {sizes}", part)
        )
    return found


def figure(row: Any, metric: str, interval: bool = False) -> str:
    """A percentage with one decimal, A-OSE as it is; with its interval or standard deviation if asked; "" for none."""
    value, scale, digits = row[metric], 1 if metric == "aose" else 100, 0 if metric == "aose" else 1
    if pd.isna(value):
        return ""
    text = f"{scale * value:.{digits}f}"
    if not interval:
        return text
    if pd.notna(row[f"{metric}_std"]):
        return f"{text} ± {scale * row[f'{metric}_std']:.{digits}f}"
    return f"{text} [{scale * row[f'{metric}_low']:.{digits}f}, {scale * row[f'{metric}_high']:.{digits}f}]"


def best(part: pd.DataFrame, metric: str) -> float | None:
    """The best value of a column, None where all rows are equal or empty."""
    values = part[metric].dropna()
    if values.nunique() < 2:
        return None
    return float(values.max() if TITLES[metric][1] == "higher" else values.min())


def reason(row: Any) -> str | None:
    """Why a row lacks figures of either kind."""
    reasons = [row[name] for name in ("failure", "open_set_failure") if isinstance(row[name], str)]
    return "; ".join(dict.fromkeys(reasons)) or None


def markdown_objects(results: Sequence[ObjectResult]) -> list[str]:
    """Lines of Markdown: a table per OoD set, the best of each column bold."""
    lines: list[str] = []
    for title, part in object_groups(object_rows(results)):
        heads = " | ".join(f"{name} {'↑' if good == 'higher' else '↓'}" for name, good, _ in TITLES.values())
        lines += [f"## Objects: {_cell(title)}", "", f"| method | {heads} |", "|---|" + "--:|" * len(TITLES)]
        top = {metric: best(part, metric) for metric in TITLES}
        for _, row in part.iterrows():
            figures = [figure(row, metric, interval=metric == "auroc") for metric in TITLES]
            bold = [f"**{t}**" if t and row[m] == top[m] else t for m, t in zip(TITLES, figures, strict=True)]
            if not any(figures):
                bold[0] = f"failed: {_cell(str(reason(row)))}"
            lines.append(f"| {_cell(row['method'])} | " + " | ".join(bold) + " |")
        lines.append("")
        short = {text for _, row in part.iterrows() if isinstance(text := row["open_set_failure"], str)}
        lines += [f"No open-set metrics: {_cell(text)}.\n" for text in sorted(short)]
    return [*lines, NOTE, ""] if lines else []


def rich_objects(results: Sequence[ObjectResult]) -> list[Table]:
    """Two tables per OoD set, separation and open set, for a terminal of 80 columns."""
    tables = []
    for title, part in object_groups(object_rows(results)):
        for what, columns in (("objects", SEPARATION), ("unknown objects", OPEN_SET)):
            if columns is OPEN_SET and part[list(columns)].isna().all(axis=None):
                continue
            table = Table(title=Text(f"{what}: {title}"), title_justify="left", title_style="bold")
            table.add_column("method", overflow="fold", min_width=8, vertical="bottom")
            for name, _, _ in columns.values():
                table.add_column(name.replace(" ", "\n"), justify="right", no_wrap=True, vertical="bottom")
            reasons = Reasons()
            top = {metric: best(part, metric) for metric in columns}
            for _, row in part.iterrows():
                figures = [figure(row, metric, interval=metric == "auroc") for metric in columns]
                cells = [
                    Text(t, "bold green" if row[m] == top[m] else "")
                    for m, t in zip(columns, figures, strict=True)
                ]
                if not any(figures):
                    why = row["failure" if columns is SEPARATION else "open_set_failure"]
                    cells[0] = reasons.mark(why)
                table.add_row(Text(row["method"]), *cells)
            reasons.below(table)
            tables.append(table)
    return tables


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
