"""``python -m leaderboards.build``: tables, page and pictures from a folder of results."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from leaderboards.analysis import strata
from leaderboards.analysis.ranks import Ranks, ranks, ranks_figure
from leaderboards.analysis.significance import markdown_pairs, significance
from leaderboards.analysis.strata import by_kind, comparisons, grids, kinds_of, markdown_strata, strata_rows
from leaderboards.figures.curves import histogram_figure, roc_figure
from leaderboards.figures.heatmap import kinds_figure, severities_figure
from leaderboards.object_schema import box_pictures, load_object_results
from leaderboards.pixel_schema import load_pixel_results
from leaderboards.schema import Result, result_files
from leaderboards.store import slug
from leaderboards.tables import objects as object_tables
from leaderboards.tables import pixels as pixel_tables
from leaderboards.tables.images import is_miniature, markdown, rows, write_csv
from leaderboards.tables.objects import markdown_objects
from leaderboards.tables.page import page
from leaderboards.tables.pixels import markdown_pixels

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def build(results: Path, out: Path) -> list[Path]:
    """Write leaderboard.md, .csv, .html, and roc-<ood>.png and scores-<ood>.png, from every result in a
    folder; kinds.csv, missed-<ood>.png and severities-<ood>.png where anomalies were drawn; pixels.csv where
    there are pixel-level results; objects.csv and boxes-<ood>.png where there are object-level ones;
    significance.csv where methods can be compared on the same images; critical-difference.png where there are at
    least three methods and three blocks of one protocol.

    Raises:
        FileNotFoundError: no results. ValueError: a result that is damaged.
    """
    files = result_files(results)
    runs = {path: Result.load(path) for path in files}
    out.mkdir(parents=True, exist_ok=True)
    pictures = _pictures(runs, out)
    ordered = list(runs.values())
    pixels, objects = load_pixel_results(results), load_object_results(results)
    boxes = box_pictures(results) if objects else []
    pairs, ranked = significance(runs), ranks(rows(ordered))
    diagrams = _diagrams(ranked, is_miniature(ordered), out)
    further = [*markdown_pairs(pairs, rows(ordered)), *_markdown_ranks(ranked, diagrams)]
    text = markdown(
        ordered,
        [*further, *markdown_strata(ordered), *markdown_pixels(pixels), *markdown_objects(objects)],
        pairs,
    )
    shown = [(path.name, found.note) for path, found in zip(diagrams, ranked.values(), strict=True)]
    html = page(ordered, [path.name for path in (*pictures, *boxes)], pixels, pairs, shown, objects)
    written = [
        _write(out / "leaderboard.md", lambda p: _text(p, text)),
        _write(out / "leaderboard.csv", lambda p: write_csv(ordered, p)),
        _write(out / "leaderboard.html", lambda p: _text(p, html)),
        *pictures,
        *diagrams,
    ]
    if len(pairs):
        written.append(
            _write(out / "significance.csv", lambda p: pairs.to_csv(p, index=False, lineterminator="\n"))
        )
    if kinds_of(ordered):
        written.append(_write(out / "kinds.csv", lambda p: strata.write_csv(ordered, p)))
        written += _heatmaps(ordered, out)
    if pixels:
        written.append(_write(out / "pixels.csv", lambda p: pixel_tables.write_csv(pixels, p)))
    if objects:
        written.append(_write(out / "objects.csv", lambda p: object_tables.write_csv(objects, p)))
    written += [_write(out / path.name, partial(shutil.copyfile, path)) for path in boxes]
    return written


def _text(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")


def _write(path: Path, write: Callable[[Path], object]) -> Path:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    write(part)
    part.replace(path)
    return path


def _pictures(runs: dict[Path, Result], out: Path) -> list[Path]:
    """One ROC and one histogram picture per OoD set, of the lowest seed of every method."""
    first: dict[tuple[str, str], tuple[Path, Result]] = {}
    for path, run in sorted(runs.items(), key=lambda item: item[1].seed):
        first.setdefault((run.method, run.protocol), (path, run))
    frames = {case: run.scores(path) for case, (path, run) in first.items()}
    pictures = []
    for ood in dict.fromkeys(cell.name for run in runs.values() for cell in run.ood):
        scores = {}
        for (name, protocol), frame in frames.items():
            run = first[name, protocol][1]
            cell = next((c for c in run.ood if c.name == ood), None)
            if frame is not None and cell is not None and cell.failure is None:
                label = name if protocol == "no-ood" else f"{name} ({protocol})"
                scores[label] = (_of(frame, "ind-test"), _of(frame, ood))
        if scores:
            run = next(iter(runs.values()))
            mini = "MINIATURE  " if "miniature" in (run.ind.origin, *(c.origin for c in run.ood)) else ""
            title = f"{mini}{run.ind.name} vs {ood}"
            pictures += [out / f"roc-{slug(ood)}.png", out / f"scores-{slug(ood)}.png"]
            roc_figure(scores, title, pictures[-2])
            histogram_figure(scores, title, pictures[-1])
    return pictures


def _diagrams(ranked: dict[str, Ranks], mini: bool, out: Path) -> list[Path]:
    """A critical-difference diagram per protocol."""
    paths = []
    for protocol, found in ranked.items():
        name = "critical-difference" if len(ranked) == 1 else f"critical-difference-{slug(protocol)}"
        paths.append(out / f"{name}.png")
        ranks_figure(found, f"{'MINIATURE  ' if mini else ''}protocol {protocol}", paths[-1])
    return paths


def _markdown_ranks(ranked: dict[str, Ranks], diagrams: list[Path]) -> list[str]:
    lines = []
    for (protocol, found), path in zip(ranked.items(), diagrams, strict=True):
        lines += [
            f"## Mean ranks, protocol {protocol}",
            "",
            f"![mean ranks]({path.name})",
            "",
            found.note,
            "",
        ]
    return lines


def _heatmaps(results: list[Result], out: Path) -> list[Path]:
    """What is missed by kind, and by kind and severity: a picture each per OoD set of drawn anomalies."""
    found = []
    mini = "MINIATURE  " if is_miniature(results) else ""
    groups = comparisons(strata_rows(results))
    several = len({title for title, *_ in groups}) > len({ood for _, ood, _ in groups})
    for title, ood, part in groups:
        heat = by_kind(part)
        if heat.empty:
            continue
        name = slug(f"{ood}-{part['network'].iloc[0]}-{part['protocol'].iloc[0]}" if several else ood)
        found.append(out / f"missed-{name}.png")
        kinds_figure(heat, f"{mini}What is missed?\n{title.replace(' · ', chr(10), 1)}", found[-1])
        if shown := grids(part):
            found.append(out / f"severities-{name}.png")
            severities_figure(shown, f"{mini}{title}", found[-1])
    return found


def _of(frame: pd.DataFrame, name: str):  # type: ignore[no-untyped-def]
    return frame.loc[frame["set"] == name, "score"].to_numpy(float)


@app.command(
    epilog="Example: python -m leaderboards.build --results runs/cityscapes/results --out runs/cityscapes"
)
def main(
    results: Annotated[Path, typer.Option(help="folder of result files")],
    out: Annotated[Path, typer.Option(help="folder of the leaderboard")],
    debug: Annotated[bool, typer.Option("--debug", help="show tracebacks")] = False,
) -> None:
    """Build leaderboard.md, leaderboard.csv, leaderboard.html and figures from results."""
    try:
        written = build(results, out)
    except (ValueError, OSError) as error:
        if debug:
            raise
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    for path in written:
        typer.echo(str(path))


if __name__ == "__main__":
    app(prog_name="python -m leaderboards.build")
