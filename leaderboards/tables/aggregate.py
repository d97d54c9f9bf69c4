"""From results to rows: one per method and OoD set at a level, seeds aggregated, protocols apart."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from leaderboards.analysis.alarm_rates import calibration_of, stated_rate
from leaderboards.analysis.gain import gain, naive_auroc
from leaderboards.boards import boards
from leaderboards.schema import IMAGE, MetricValue, OodCell, Result
from leaderboards.tables.assumptions import COLUMNS as INTERVAL_COLUMNS
from leaderboards.tables.assumptions import interval_columns
from leaderboards.tables.levels import LEVELS, RANDOM, Level
from lsood.text import unknown

TABLE = ("ind", "network", "protocol", "ood", "ood_fingerprint", "run_id")
"""Rows that agree in these columns may be compared and stand in one table."""
SETTING = ("ind", "ind_origin", "network", "protocol", "ood", "ood_origin", "ood_fingerprint", "run_id")
POOLED = "pooled"
ENDS = ("", "_low", "_high", "_std")
DETECTION = {"map": "mAP", "map50": "mAP50"}
Members = Sequence[tuple[Result, OodCell]]


def rows(results: Sequence[Result], level: str = IMAGE) -> pd.DataFrame:
    """One row per run identity, in-distribution set, network, protocol, OoD set and method of a level: the best first,
    failures next, the reference row last; boards one after the other, see `leaderboards.boards`.

    Args:
        results: of all levels. level: "image", "pixel" or "object".

    Returns:
        Columns method, ood, (part: "pooled" or "mean over images",) a column per metric as a fraction or count, naive
        (AUROC of the image-statistics baseline on the same images), gain (over it), threshold, stated_rate
        (false-alarm rate that it was set for), calibration (the images that gave it), <metric>_low and _high
        (95 % interval, one seed) or <metric>_std (population, several seeds), n_images, n_fit (images for fitting),
        n_in, n_out and further counts of the first seed, seeds (with metrics), protocol, ind, ind_origin, ood_origin,
        ood_fingerprint, network, network_metric, checkpoint (one seed), run_id (of the board), synthetic (of the OoD
        set: "noise", "anomalies" or empty), settings of the level, fit_seconds, score_seconds, intervals, block_length
        and blocks (see `leaderboards.tables.assumptions`), failure, and <block>_failure. What was not recorded is
        empty.

    Raises:
        ValueError: unknown level.
    """
    if level not in LEVELS:
        raise unknown("level", level, LEVELS)
    about = LEVELS[level]
    tables = [
        _rows([run for run in board.results if run.level == level], board.id, about)
        for board in boards(results)
    ]
    there = [table for table in tables if len(table)]
    return pd.concat(there, ignore_index=True) if there else _rows([], "", about)


def _rows(results: Sequence[Result], board: str, about: Level) -> pd.DataFrame:
    """The rows of one board at a level."""
    found = _members(results, board)
    lines = [_row(members, about, board) for members in found.values()]
    if about.means is not None:
        lines += [line for members in found.values() if (line := _means(members, about, board)) is not None]
    if about.reference == RANDOM:
        lines += _random(found, about, board)
    table = pd.DataFrame(lines, columns=_columns(about))
    counts = [name for name in table if name.startswith("n_")]
    metrics = [f"{column.name}{end}" for column in about.columns for end in ENDS]
    numbers = [*metrics, "naive", "gain", "threshold", "stated_rate", "fit_seconds", "score_seconds"]
    numbers += ["block_length", "blocks"]
    table = table.astype(dict.fromkeys(counts, "Int64") | dict.fromkeys(numbers, float)).copy()
    leading = [view.leading for view in about.views]
    part = ["part"] if about.means is not None else []
    table = table.assign(last=table["method"] == about.reference).sort_values(
        [*TABLE, *part, "last", *leading, "method"],
        ascending=[True] * len(TABLE) + [False] * len(part) + [True] + [False] * len(leading) + [True],
        na_position="last",
        ignore_index=True,
    )
    return table.drop(columns="last")


def setting_of(run: Result, cell: OodCell, board: str) -> dict[str, str]:
    """The values of ``SETTING``: results that agree in them stand in one table."""
    ind, where = run.ind, (run.network.name, run.protocol, cell.name, cell.origin, cell.fingerprint, board)
    return dict(zip(SETTING, (ind.name, ind.origin, *where), strict=True))


def _members(results: Sequence[Result], board: str) -> dict[tuple[str, ...], list[tuple[Result, OodCell]]]:
    found: dict[tuple[str, ...], list[tuple[Result, OodCell]]] = {}
    for run in sorted(results, key=lambda run: (run.method, run.seed)):
        for cell in run.ood:
            key = (*setting_of(run, cell, board).values(), run.method)
            found.setdefault(key, []).append((run, cell))
    return found


def _columns(level: Level) -> list[str]:
    metrics = [column.name for column in level.columns]
    return [
        "method",
        "ood",
        *(["part"] if level.means is not None else []),
        *metrics,
        *("naive", "gain", "threshold", "stated_rate", "calibration"),
        *(f"{metric}{end}" for metric in metrics for end in ENDS[1:]),
        *("n_images", "n_fit", "n_in", "n_out", *(f"n_{name}" for name in level.counts)),
        *("seeds", "protocol", "ind", "ind_origin", "ood_origin", "network", "network_metric", "checkpoint"),
        *("ood_fingerprint", "run_id", "synthetic"),
        *level.settings,
        *("fit_seconds", "score_seconds", *INTERVAL_COLUMNS, "failure"),
        *(failure_column(view.block) for view in level.views if view.block),
    ]


def failure_column(block: str) -> str:
    """Where a row says why it lacks the metrics of a block, "" for the main ones."""
    return f"{block.replace('-', '_')}_failure" if block else "failure"


def _row(members: Members, level: Level, board: str) -> dict[str, Any]:
    run, cell = members[0]
    whole = [(r, c) for r, c in members if c.failure is None]
    figures = over_seeds([level.metrics(c) for _, c in members], [column.name for column in level.columns])
    naive = naive_auroc([c for _, c in whole or members])
    blocks = {
        failure_column(view.block): _first(
            c.blocks[view.block].failure for _, c in members if view.block in c.blocks
        )
        for view in level.views
        if view.block
    }
    return {
        "method": run.method,
        "part": POOLED,
        **figures,
        "naive": naive,
        "gain": gain(figures.get("auroc", math.nan), naive),
        "threshold": _mean(r.threshold.value for r, _ in whole if r.threshold is not None),
        "stated_rate": _mean(rate for r, _ in whole if (rate := stated_rate(r)) is not None),
        "calibration": calibration_of(whole[0][0]) if whole else "",
        "n_images": cell.n_images,
        "n_fit": run.ind.n_fit,
        "n_in": cell.n_in,
        "n_out": cell.n_out,
        **{f"n_{name}": cell.counts.get(name) for name in level.counts},
        "seeds": len(whole),
        **_setting(members, board),
        "checkpoint": run.network.checkpoint if len(members) == 1 else "",
        "synthetic": cell.synthetic,
        **{name: run.settings.get(name) for name in level.settings},
        "fit_seconds": _mean(r.cost.fit_seconds for r, _ in members),
        "score_seconds": _mean(r.cost.score_seconds for r, _ in members),
        **interval_columns([c for _, c in members]),
        "failure": _first(c.failure for _, c in members),
        **blocks,
    }


def _setting(members: Members, board: str) -> dict[str, Any]:
    return setting_of(*members[0], board) | {
        "network_metric": quality([r.ind.network_metrics for r, _ in members])
    }


def _means(members: Members, level: Level, board: str) -> dict[str, Any] | None:
    """The row of means over images; None where there are none."""
    assert level.means is not None
    block, part = level.means
    known = [c.blocks[block] for _, c in members if block in c.blocks]
    if not known:
        return None
    figures = over_seeds([b.metrics for b in known], [column.name for column in level.columns])
    first = {"method": members[0][0].method, "part": part, "n_images": known[0].n, "seeds": len(known)}
    return first | figures | _setting(members, board)


def _random(found: Mapping[tuple[str, ...], Members], level: Level, board: str) -> list[dict[str, Any]]:
    """A row per table of what a random score reaches."""
    lines = {}
    for (*key, _), members in found.items():
        if chance := next((c.chance for _, c in members if c.chance), None):
            values = {name: MetricValue(value, value, value) for name, value in chance.items()}
            figures = over_seeds([values], [column.name for column in level.columns])
            first = {"method": RANDOM, "part": POOLED, "n_images": members[0][1].n_images, "seeds": 1}
            lines[tuple(key)] = first | figures | _setting(members, board)
    return list(lines.values())


def over_seeds(members: Sequence[Mapping[str, MetricValue]], metrics: Iterable[str]) -> dict[str, float]:
    """Columns of a row from the metrics of every seed: <metric>, with _low and _high of one seed, _std (population) of
    several; none for a metric that no seed has.
    """
    columns: dict[str, float] = {}
    for metric in metrics:
        known = [values[metric] for values in members if metric in values]
        if len(known) == 1:
            ends = tuple(
                math.nan if end is None else end for end in (known[0].value, known[0].low, known[0].high)
            )
            columns |= {f"{metric}{end}": value for end, value in zip(ENDS, ends, strict=False)}
        elif known:
            each = [v.value for v in known]
            columns |= {metric: statistics.fmean(each), f"{metric}_std": statistics.pstdev(each)}
    return columns


def quality(runs: Sequence[dict[str, float]]) -> str:
    """Metrics of the network, mean over runs: "accuracy 0.9523", "miou 0.6104"; of a detector "mAP .31 / mAP50 .52";
    "not measured" without labels.
    """
    detection = [name for name in DETECTION if all(name in run for run in runs)]
    chosen = detection or list(runs[0])[:1]
    means = {name: statistics.fmean(run[name] for run in runs if name in run) for name in chosen}
    if not means:
        return "not measured"
    if not detection:
        return " ".join(f"{name} {value:.4f}" for name, value in means.items())
    return " / ".join(f"{DETECTION[n]} {f'{value:.2f}'.removeprefix('0')}" for n, value in means.items())


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value), None)


def groups(table: pd.DataFrame, level: str = IMAGE) -> list[tuple[str, pd.DataFrame]]:
    """(title, rows) of every table of :func:`rows`; without rows of means over images."""
    about, found = LEVELS[level], []
    main = table if about.means is None else table[table["part"] == POOLED]
    for key, part in main.groupby(list(TABLE), sort=False):
        first = part.iloc[0]
        sizes = about.sizes.format_map(first)
        if pd.notna(first.get("n_unknown")):
            sizes += f", {first['n_unknown']} unknown objects"
        if isinstance(evaluator := first.get("pixel_evaluator"), str):
            sizes += f", evaluator {evaluator}, n_fit {first['n_fit']}"
        setting = dict(zip(TABLE, key, strict=True))
        setting["network"] += f" ({first['network_metric']})"
        found.append((f"{about.prefix}{title_of_table(setting, main)} · {sizes}", part))
    return found


def title_of_table(setting: Mapping[str, str], table: pd.DataFrame) -> str:
    """ "cifar10 vs svhn · resnet18 · protocol no-ood"; with the images of the OoD set where others have its name, and
    the run where there are several, in the columns ``TABLE`` of the whole table.
    """
    title = f"{setting['ind']} vs {setting['ood']} · {setting['network']} · protocol {setting['protocol']}"
    own = table[table["run_id"] == setting["run_id"]]
    if own.loc[own["ood"] == setting["ood"], "ood_fingerprint"].nunique() > 1:
        title += f" · images {setting['ood_fingerprint'][:8]}"
    return title if len(own) == len(table) else f"{title} · run {setting['run_id']}"


def is_miniature(results: Sequence[Result]) -> bool:
    """Whether generated images stand in for any data set of the results."""
    return any("miniature" in (run.ind.origin, *(cell.origin for cell in run.ood)) for run in results)
