"""``python -m leaderboards.build``: tables, page and pictures from a folder of results."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lsood.command import FAILED, reporting
from lsood.io import write_atomic, write_bytes

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
        FileNotFoundError: no results. ValueError: none that can be read; damaged and foreign files among results are
            left out with a warning, also on the page.
    """
    import matplotlib

    from leaderboards.analysis.ranks import ranks
    from leaderboards.analysis.significance import significance
    from leaderboards.figures.box_pictures import box_pictures
    from leaderboards.figures.critical_difference import ranks_figures
    from leaderboards.figures.heatmap import strata_figures
    from leaderboards.figures.scores import score_figures
    from leaderboards.schema import IMAGE, OBJECT
    from leaderboards.store import read_folder
    from leaderboards.tables.aggregate import is_miniature, rows
    from leaderboards.tables.markdown import markdown
    from leaderboards.tables.page import page

    folder = read_folder(results)
    runs, every = folder.results, list(folder.results.values())
    with matplotlib.rc_context({"text.parse_math": False}):  # names may hold dollar signs
        curves = score_figures(runs, out, folder.scores)
        pairs, ranked = significance(runs, folder.scores), ranks(rows(every, IMAGE))
        diagrams = ranks_figures(ranked, is_miniature(every), out)
        heat_maps = strata_figures(every, out)
    boxes = box_pictures(every, results)
    pictures = {(IMAGE, *place): [path.name for path in paths] for place, paths in curves.items()}
    pictures |= {(OBJECT, *place): [name] for place, (_, name) in boxes.items()}
    named = {path.name: found for path, found in diagrams.items()}
    return [
        _write(out / "leaderboard.md", markdown(every, pairs, named, folder.left_out)),
        _write(out / "leaderboard.html", page(every, pictures, pairs, named, folder.left_out)),
        *_csv_files(every, pairs, out),
        *(path for paths in curves.values() for path in paths),
        *diagrams,
        *heat_maps,
        *(write_atomic(out / name, partial(shutil.copyfile, path)) for path, name in boxes.values()),
    ]


def _write(path: Path, text: str) -> Path:
    """Write UTF-8; what it does not know, such as parts of names in other encodings, as an escape."""
    return write_bytes(path, text.encode("utf-8", "backslashreplace"))


def _csv_files(results: Sequence[Result], pairs: pd.DataFrame, out: Path) -> list[Path]:
    """A file per level, of kinds and severities of all levels, and of comparisons; only those with rows."""
    from leaderboards.analysis.strata import all_strata
    from leaderboards.tables.aggregate import rows
    from leaderboards.tables.escape import write_csv
    from leaderboards.tables.levels import LEVELS

    tables = {level.csv: rows(results, name) for name, level in LEVELS.items()}
    tables |= {"kinds.csv": all_strata(results), "significance.csv": pairs}
    return [write_csv(table, out / name) for name, table in tables.items() if len(table)]


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
        for path in build(results.expanduser(), out.expanduser()):
            typer.echo(str(path))


if __name__ == "__main__":
    app(prog_name="python -m leaderboards.build")
