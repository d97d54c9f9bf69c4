"""A paper's table, reported and measured values side by side: ``python -m benchmarks.reproduce fssd-fashionmnist``."""

from __future__ import annotations

import dataclasses
import shlex
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

import networks
from benchmarks import papers
from benchmarks.console import spread, to_file, to_terminal
from benchmarks.options import max_bad_option, verify_data_option
from benchmarks.papers import availability
from benchmarks.pipeline.config import Settings, resolve_device
from benchmarks.pipeline.job import data_module, run_seed
from benchmarks.results import RESULTS
from datamodules.imagesets.contents import reading_everything
from datamodules.imagesets.left_out import MAX_BAD, without_unreadable
from leaderboards.analysis.alarm_rates import alarm_warnings
from leaderboards.papers.page import newest_run, rich_table, view, write
from leaderboards.papers.reproduction import cells, tally
from leaderboards.papers.tables import PROTOCOLS, PaperTable
from leaderboards.store import load_results
from lsood.command import BAD_USAGE, FAILED, reporting
from lsood.io import expanded, log
from lsood.methods import chosen
from lsood.terminal import Terminal
from lsood.text import unknown

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
PRESETS = ("paper", "fast")


def sets_there(table: PaperTable, root: Path | None, download: bool) -> tuple[str, ...]:
    """The OoD sets of the table that can be read; a log line for every other.

    Raises:
        FileNotFoundError: the in-distribution set, or every OoD set, is not there.
    """
    found = []
    for name in table.sets:
        state = availability.of(name, table, root)
        if state.there or (download and state.fetched):
            found.append(name)
        else:
            log.warning("%s is left out: %s", name, state.text)
    ind = availability.of(table.ind, table, root)
    if not (ind.there or (download and ind.fetched)):
        raise FileNotFoundError(f"{table.name} needs {table.ind}: {ind.text}")
    if not found:
        raise FileNotFoundError(f"{table.name}: none of its OoD sets is there ({', '.join(table.sets)})")
    return tuple(found)


def protocols_of(table: PaperTable, asked: Sequence[str]) -> tuple[str, ...]:
    """Those asked for; by default the rows' own and no-ood.

    Raises:
        ValueError: an unknown protocol.
    """
    for name in asked:
        if name not in PROTOCOLS:
            raise unknown("protocol", name, PROTOCOLS)
    used = {"no-ood", *(table.protocol_of(row) for row in table.rows)}
    return tuple(dict.fromkeys(asked)) or tuple(name for name in PROTOCOLS if name in used)


def settings_for(table: PaperTable, preset: str, protocols: tuple[str, ...], **options: Any) -> Settings:
    """What `benchmarks.run` is asked to do for a table. Raises ValueError where it cannot be done."""
    if preset not in ("", *PRESETS):
        raise unknown("preset", preset, PRESETS)
    preset = preset or ("fast" if table.fast_preset else "paper")
    if preset == "fast" and table.fast_preset is None:
        raise ValueError(f"{table.name} has no fast preset; use --preset paper, or --epochs N")
    networks.NETWORKS.check(table.network)
    return Settings(
        ind=table.ind,
        network=table.network,
        preset=table.preset if preset == "paper" else table.fast_preset,
        protocols=protocols,
        image_size=None if table.image_size is None else (table.image_size[0], table.image_size[1]),
        recipe=table.recipe,
        **options,
    )


def reproduce(table: PaperTable, settings: Settings, out: Path) -> list[Path]:
    """Train, measure and score every seed, then write the page; returns its files."""
    with to_file(out / "run.log"), reading_everything(settings.verify_data):
        return without_unreadable(partial(_reproduce, table, settings, out), settings.max_bad)


def _reproduce(table: PaperTable, settings: Settings, out: Path) -> list[Path]:
    start = time.perf_counter()
    data = data_module(settings)
    for seed in settings.seeds:
        run_seed(dataclasses.replace(settings, out=out), data, seed).write(out / RESULTS)
    results = list(load_results(out / RESULTS).values())
    written = write(table, results, out)
    output = Terminal()
    results, warnings = newest_run(results)
    for line in [*warnings, *alarm_warnings(results)]:
        output.print(f"[yellow]{escape(line)}", soft_wrap=True)
    for shown in rich_table(table, results):
        output.print(shown)
    for i, reason in enumerate(view(table, results)["reasons"], 1):
        output.print(f"({i}) {escape(reason)}", soft_wrap=True)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in tally(cells(table, results)).items())
    output.print(
        f"[bold]{counts}[/]; known issues with the published numbers: {escape(str(written[0]))}; "
        f"{time.perf_counter() - start:.0f} s",
        soft_wrap=True,
    )
    return written


@app.command(
    epilog="Example: python -m benchmarks.reproduce fssd-fashionmnist --data-root data --seeds 0 1 2"
)
def main(
    name: Annotated[str, typer.Argument(help="name of the table, see --list")] = "",
    data_root: Annotated[
        Path | None,
        typer.Option(envvar="LSOOD_DATA", help="folder of the data sets (default: generated miniatures)"),
    ] = None,
    seeds: Annotated[
        list[int] | None, typer.Option(help="random seeds; one network is trained for each; several")
    ] = None,
    methods: Annotated[list[str] | None, typer.Option(help="methods (default: those of the table)")] = None,
    protocols: Annotated[
        list[str] | None,
        typer.Option(help="no-ood, fgsm-val, oracle-val (default: the table's and no-ood)"),
    ] = None,
    preset: Annotated[
        str, typer.Option(help="training config: paper or fast (default: fast where the table has one)")
    ] = "",
    outliers: Annotated[
        str | None,
        typer.Option(
            help="training images of outlier-exposure: a set, dead-leaves or folder:PATH (default: by data set)"
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="training epochs (default: from the training config)")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="maximum number of images per set; the values are then not comparable")
    ] = None,
    ensemble_size: Annotated[int | None, typer.Option(help="networks in the deep ensemble")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "auto",
    batch_size: Annotated[int, typer.Option(help="batch size of the feature-extraction passes")] = 128,
    workers: Annotated[int, typer.Option(help="processes that load images")] = 0,
    out: Annotated[Path | None, typer.Option(help="output folder (default: runs/NAME)")] = None,
    track: Annotated[
        list[str] | None,
        typer.Option(help="also log training curves and metrics to mlflow or tensorboard; several"),
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="download sets that torchvision can fetch")
    ] = False,
    max_bad: Annotated[float, max_bad_option()] = MAX_BAD,
    verify_data: Annotated[bool, verify_data_option()] = False,
    list_: Annotated[
        bool, typer.Option("--list", help="show every table with its data, network and cost")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show tracebacks")] = False,
) -> None:
    """Train what a paper trained, run its protocol, and print reported and measured values side by side with a verdict
    for every number, and the same without OoD images.

    Writes results, reproduction.md, .html and .csv. Missing data sets are left out; averages over them are then not
    comparable.
    """
    to_terminal()
    with reporting(BAD_USAGE, debug):
        data_root = expanded(data_root)
        if data_root is not None and not data_root.is_dir():
            raise FileNotFoundError(
                f"--data-root {data_root} does not exist; name the folder that holds the data sets"
            )
        if list_:
            for block in availability.listing(papers.tables(), data_root):
                Terminal().print(block)
            return
        if not name:
            raise ValueError(f"name a table, one of {', '.join(papers.names())}; --list says what each needs")
        table = papers.load(name)
        settings = settings_for(
            table,
            preset,
            protocols_of(table, protocols or []),
            ood=tuple(table.sets),
            methods=chosen(methods or table.methods),
            data_root=data_root,
            seeds=tuple(seeds or (0, 1, 2)),
            ensemble_size=ensemble_size,
            outliers=outliers,
            epochs=epochs,
            limit=limit,
            device=resolve_device(device),
            batch_size=batch_size,
            workers=workers,
            download=download,
            max_bad=max_bad,
            verify_data=verify_data,
            track=tuple(dict.fromkeys(track or ())),
            command=shlex.join(["python", "-m", "benchmarks.reproduce", *sys.argv[1:]]),
        )
    with reporting(FAILED, debug):
        found = sets_there(table, data_root, download)
        reproduce(table, dataclasses.replace(settings, ood=found), (out or Path("runs") / name).expanduser())


if __name__ == "__main__":
    sys.argv[1:] = spread(sys.argv[1:])
    app(prog_name="python -m benchmarks.reproduce")
