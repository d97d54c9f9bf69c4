"""``python -m leaderboards.build``: tables, page and pictures from a folder of results."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lsood.io import FAILED, reporting, write_atomic, write_text

if TYPE_CHECKING:
    import pandas as pd

    from leaderboards.schema import Result

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def build(results: Path, out: Path) -> list[Path]:
    """Write the leaderboard of every result below a folder; returns the files.

    leaderboard.md, .html, and per level with results leaderboard.csv, pixels.csv, objects.csv; kinds.csv with
    missed-<ood>.png and severities-<ood>.png where anomalies were generated; roc-<ood>.png and scores-<ood>.png where
    image-level scores are stored; boxes-<ood>.png where there are pictures of boxes; significance.csv where methods can
    be compared on the same images; critical-difference.png with at least three methods and three blocks of a protocol.

    Raises:
        FileNotFoundError: no results. ValueError: a damaged result.
    """
    from leaderboards.analysis.ranks import ranks
    from leaderboards.analysis.significance import significance
    from leaderboards.figures.critical_difference import ranks_figures
    from leaderboards.figures.heatmap import strata_figures
    from leaderboards.figures.scores import score_figures
    from leaderboards.schema import IMAGE, OBJECT
    from leaderboards.store import box_picture_path, load_results
    from leaderboards.tables.aggregate import is_miniature, rows
    from leaderboards.tables.markdown import markdown
    from leaderboards.tables.page import page

    runs = load_results(results)
    every = list(runs.values())
    curves = score_figures(runs, out)
    pairs, ranked = significance(runs), ranks(rows(every, IMAGE))
    diagrams = ranks_figures(ranked, is_miniature(every), out)
    sets = dict.fromkeys(cell.name for run in every if run.level == OBJECT for cell in run.ood)
    boxes = {ood: path for ood in sets if (path := box_picture_path(results, ood)).is_file()}
    pictures = {(IMAGE, ood): [path.name for path in paths] for ood, paths in curves.items()}
    pictures |= {(OBJECT, ood): [path.name] for ood, path in boxes.items()}
    named = {path.name: found for path, found in diagrams.items()}
    return [
        write_text(out / "leaderboard.md", markdown(every, pairs, named)),
        write_text(out / "leaderboard.html", page(every, pictures, pairs, named)),
        *_csv_files(every, pairs, out),
        *(path for paths in curves.values() for path in paths),
        *diagrams,
        *strata_figures(every, out),
        *(write_atomic(out / path.name, partial(shutil.copyfile, path)) for path in boxes.values()),
    ]


def _csv_files(results: Sequence[Result], pairs: pd.DataFrame, out: Path) -> list[Path]:
    """A file per level, of kinds and severities of all levels, and of comparisons; only those with rows."""
    from leaderboards.analysis.strata import all_strata
    from leaderboards.tables.aggregate import rows
    from leaderboards.tables.levels import LEVELS

    tables = {level.csv: rows(results, name) for name, level in LEVELS.items()}
    tables |= {"kinds.csv": all_strata(results), "significance.csv": pairs}
    return [
        write_atomic(out / name, partial(table.to_csv, index=False, lineterminator="\n"))
        for name, table in tables.items()
        if len(table)
    ]


@app.command(
    epilog="Example: python -m leaderboards.build --results runs/cityscapes/results --out runs/cityscapes"
)
def main(
    results: Annotated[Path, typer.Option(help="folder of result files (JSON)")],
    out: Annotated[Path, typer.Option(help="output folder")],
    debug: Annotated[bool, typer.Option("--debug", help="show tracebacks")] = False,
) -> None:
    """Write leaderboard.md, leaderboard.html, CSV files and figures from a folder of results."""
    with reporting(FAILED, debug):
        for path in build(results, out):
            typer.echo(str(path))


if __name__ == "__main__":
    app(prog_name="python -m leaderboards.build")
