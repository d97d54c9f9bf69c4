"""Command that generates an anomaly data set: ``python -m anomalies.generate --ind cityscapes --out DIR``."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Annotated

import typer

from anomalies.recipe import recipe_of
from anomalies.sets.claim import claim
from anomalies.sets.console import console, progress
from anomalies.sets.engine import ENGINES
from anomalies.sets.generation import Outcome, generate
from anomalies.sets.plan import Plan
from anomalies.sets.source import SourceSpec, default_recipe
from anomalies.sets.summary.report import described, finish
from lsood.command import BAD_USAGE, FAILED, reporting
from lsood.io import expanded
from lsood.text import shown

LISTED = 20
DATA, ANOMALY, OUTPUT, RUN = "Data", "Anomalies", "Output", "Execution"

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


def parse_shard(text: str) -> tuple[int, int]:
    """ "2/3" to (2, 3).

    Raises:
        ValueError: not i/n with 1 <= i <= n.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(f"--shard must be i/n with i from 1 to n, such as 2/3, got {text!r}")
    return int(match[1]), int(match[2])


@app.command(epilog="Example: python -m anomalies.generate --ind cityscapes --recipe driving --out anomalous")
def main(
    out: Annotated[
        Path, typer.Option(help="folder of the set, new or to be continued", rich_help_panel=OUTPUT)
    ],
    ind: Annotated[
        str | None,
        typer.Option(
            help="data set of the clean images: a name, folder:DIR, segmentation:DIR, coco:DIR or file.py:Class",
            rich_help_panel=DATA,
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="folder of the clean images, instead of --ind", rich_help_panel=DATA)
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(
            envvar="LSOOD_DATA",
            help="folder of the data sets (default: a generated miniature)",
            rich_help_panel=DATA,
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(help="split of the data set: train, val or test", rich_help_panel=DATA)
    ] = "test",
    keep_together: Annotated[
        str | None,
        typer.Option(
            help="as in benchmarks.run, for the same split of --ind folder:DIR", rich_help_panel=DATA
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="maximum number of clean images, chosen by --seed", rich_help_panel=DATA),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="shipped recipe or YAML file (default: driving for street scenes, else default)",
            rich_help_panel=ANOMALY,
        ),
    ] = None,
    severity: Annotated[
        str,
        typer.Option(
            help="1 to 5; mixed: by the recipe; all: each image at all five", rich_help_panel=ANOMALY
        ),
    ] = "mixed",
    every_kind: Annotated[
        bool,
        typer.Option(
            "--every-kind",
            help="apply each kind of the recipe to each image instead of one drawn by weight",
            rich_help_panel=ANOMALY,
        ),
    ] = False,
    seed: Annotated[
        int, typer.Option(help="seed of all anomalies and of --limit", rich_help_panel=ANOMALY)
    ] = 0,
    format_: Annotated[
        str, typer.Option("--format", help="image format: png, jpg or webp", rich_help_panel=OUTPUT)
    ] = "png",
    layout: Annotated[
        str,
        typer.Option(
            help="official (of the source), smiyc, fishyscapes or cifar10-c", rich_help_panel=OUTPUT
        ),
    ] = "official",
    materialize: Annotated[
        str,
        typer.Option(
            help="all: write all files; masks: all but images; none: only recipe and manifest, rendered on read",
            rich_help_panel=OUTPUT,
        ),
    ] = "all",
    difficulty: Annotated[
        int,
        typer.Option(
            help="images per kind and severity to measure the difficulty on; 0: skip", rich_help_panel=OUTPUT
        ),
    ] = 40,
    workers: Annotated[
        int, typer.Option(help="processes; the pixels do not depend on the number", rich_help_panel=RUN)
    ] = 1,
    shard: Annotated[
        str, typer.Option(help="i/n: the part of the images to generate here", rich_help_panel=RUN)
    ] = "1/1",
    engine: Annotated[str, typer.Option(help="local or ray", rich_help_panel=RUN)] = "local",
    debug: Annotated[bool, typer.Option("--debug", help="show tracebacks", rich_help_panel=RUN)] = False,
) -> None:
    """Generate an anomaly data set from clean images.

    Writes the anomalous images with masks, updated labels, clean copies through the same codec, a manifest
    (parquet and JSON lines) and a README with statistics and a preview. After an interruption all files are
    complete, and the same command continues.
    """
    with reporting(BAD_USAGE, debug):
        out, images, data_root = out.expanduser(), expanded(images), expanded(data_root)
        spec = SourceSpec(ind, images, data_root, split, limit, seed, keep_together)
        chosen = default_recipe(ind) if recipe is None else recipe_of(recipe, ind)
        plan = Plan(spec, chosen, severity, every_kind, seed, format_, materialize, layout)
        part = parse_shard(shard)
        if workers < 1:
            raise ValueError(f"--workers must be at least 1, got {workers}")
        if difficulty < 0:
            raise ValueError(f"--difficulty must be at least 0, got {difficulty}")
        if engine not in ENGINES:
            raise ValueError(f"--engine must be one of {', '.join(ENGINES)}, got {engine!r}")
        claim(plan, spec.open(), out)
    start = time.perf_counter()
    with reporting(FAILED, debug), progress("generating") as watch:
        outcome = generate(plan, out, workers=workers, shard=part, how=engine, watch=watch)
    unstacked = {}
    if outcome.complete and (outcome.made or not described(out)):
        with reporting(FAILED, debug), progress("reporting") as watch:
            unstacked = finish(out, difficulty, workers, engine, watch)
    _tell(outcome, out, time.perf_counter() - start)
    for name, reason in unstacked.items():
        console.print(f"{name}.npy is not written: {reason}", markup=False, soft_wrap=True)
    if any(record["status"] == "failed" for record in outcome.bad):
        raise typer.Exit(FAILED)


def _tell(outcome: Outcome, out: Path, seconds: float) -> None:
    # A file that cannot be read is bad in all its versions: one line is enough.
    reasons = list(dict.fromkeys(f"{record['status']}: {record['error']}" for record in outcome.bad))
    for reason in reasons[:LISTED]:
        console.print(reason, markup=False, soft_wrap=True)
    if len(reasons) > LISTED:
        console.print(f"... and {len(reasons) - LISTED} more, listed in the manifest")
    state = "complete" if outcome.complete else "other shards are missing"
    console.print(
        f"{shown(out)}: {outcome.made} images made, {outcome.there} were there, {len(outcome.bad)} not made; "
        f"{state}; {seconds:.0f} s",
        markup=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    app(prog_name="python -m anomalies.generate")
