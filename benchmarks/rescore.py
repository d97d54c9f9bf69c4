"""``python -m benchmarks.rescore``: metrics and intervals of stored image-level results, anew from their scores.

For results of earlier versions, whose intervals were others and that lack the realised false-alarm rate. Nothing is
measured again: scores and thresholds stay.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lsood.command import FAILED, reporting

if TYPE_CHECKING:
    import pandas as pd

    from leaderboards.schema import OodCell, Result

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def rescored(result: Result, scores: pd.DataFrame, by: str) -> Result:
    """A result with the metrics that its scores give today; cells that failed stay as they are.

    Args:
        scores: columns set, key, score and whatever tells the rows apart. by: version and commit.

    Raises:
        ValueError: a set without scores, or scores that are not finite.
    """
    from benchmarks.levels.image import measures
    from leaderboards.analysis.dependence import on_test_images

    parts = dict(list(with_sequences(scores, result.ind.name).groupby("set", sort=False)))

    def of(cell: OodCell) -> OodCell:
        if cell.failure is not None or result.threshold is None:
            return cell
        if missing := [name for name in ("ind-test", cell.name) if name not in parts]:
            raise ValueError(f"{result.method}, seed {result.seed}: no scores of {missing[0]}")
        known, other = (parts[name].dropna(axis=1, how="all") for name in ("ind-test", cell.name))
        paired = on_test_images(result.ind.name, cell.name)
        metrics, strata, intervals = measures(known, other, result.threshold.value, paired)
        return dataclasses.replace(cell, metrics=metrics, strata=strata, intervals=intervals)

    return dataclasses.replace(result, ood=[of(cell) for cell in result.ood], rescored=by)


def with_sequences(scores: pd.DataFrame, ind: str) -> pd.DataFrame:
    """Scores with the column sequence, which earlier versions did not store: of images of the in-distribution set, and
    of anomalies drawn on these, where their keys tell it.
    """
    from datamodules.registry import DATAMODULES
    from leaderboards.analysis.dependence import on_test_images

    if "sequence" in scores or ind not in DATAMODULES:
        return scores
    own = scores["set"].isin(["ind-val", "ind-test"]) | scores["set"].map(
        lambda name: on_test_images(ind, name)
    )
    keys = scores["source"].fillna(scores["key"]) if "source" in scores else scores["key"]
    known = [
        DATAMODULES[ind].sequence_of(key) if of_ind else None for key, of_ind in zip(keys, own, strict=True)
    ]
    return scores.assign(sequence=known) if any(known) else scores


@app.command(epilog="Example: python -m benchmarks.rescore --results runs/cityscapes/results")
def main(
    results: Annotated[Path, typer.Option(help="folder of result files (JSON); they are replaced")],
    debug: Annotated[bool, typer.Option("--debug", help="show tracebacks")] = False,
) -> None:
    """Compute metrics and intervals of image-level results again from their stored scores, by today's definitions.

    Scores and thresholds stay, and so do results without scores and of other levels.
    """
    with reporting(FAILED, debug):
        from benchmarks.pipeline.provenance import git_commit
        from leaderboards.schema import IMAGE
        from leaderboards.store import read_folder, save_result
        from lsood import __version__

        folder = read_folder(results)
        by = f"version {__version__}, commit {git_commit() or 'unknown'}"
        done = 0
        for path, result in folder.results.items():
            scores = folder.scores(path) if result.level == IMAGE else None
            if scores is not None:
                save_result(rescored(result, scores, by), results, with_sequences(scores, result.ind.name))
                done += 1
        typer.echo(
            f"{done} of {len(folder.results)} results computed again; make their page with leaderboards.build"
        )


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.rescore")
