"""A paper's table, reported beside measured: ``python -m benchmarks.reproduce fssd-fashionmnist``."""

from __future__ import annotations

import dataclasses
import logging
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

import networks
from anomalies.sets.console import BAD_USAGE, FAILED, reporting
from benchmarks import papers
from benchmarks.console import spread, to_file, to_terminal
from benchmarks.papers import availability as whereabouts
from benchmarks.pipeline.config import Settings, resolve_device
from benchmarks.pipeline.job import data_module, run_seed
from leaderboards import load_results
from leaderboards.papers.page import rich_table, view, write
from leaderboards.papers.reproduction import cells, tally
from leaderboards.papers.tables import PROTOCOLS, PaperTable
from lsood.methods import chosen

log = logging.getLogger("lsood-bench")
app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
PRESETS = ("paper", "fast")


def sets_there(table: PaperTable, root: Path | None, download: bool) -> tuple[str, ...]:
    """The OoD sets of the table that can be read; a log line for every other.

    Raises:
        FileNotFoundError: the in-distribution set, or every OoD set, is not there.
    """
    found = []
    for name in table.sets:
        state = whereabouts.of(name, table, root)
        if state.there or (download and state.fetched):
            found.append(name)
        else:
            log.warning("%s is left out: %s", name, state.text)
    ind = whereabouts.of(table.ind, table, root)
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
            raise ValueError(papers.unknown("protocol", name, PROTOCOLS))
    used = {"no-ood", *(table.protocol_of(row) for row in table.rows)}
    return tuple(dict.fromkeys(asked)) or tuple(name for name in PROTOCOLS if name in used)


def settings_for(table: PaperTable, preset: str, protocols: tuple[str, ...], **options: Any) -> Settings:
    """What `benchmarks.run` is asked to do for a table. Raises ValueError where it cannot be done."""
    if preset not in ("", *PRESETS):
        raise ValueError(papers.unknown("preset", preset, PRESETS))
    preset = preset or ("fast" if table.fast_preset else "paper")
    if preset == "fast" and table.fast_preset is None:
        raise ValueError(f"{table.name} has no fast preset; use --preset paper, or --epochs N")
    if table.network not in networks.NETWORKS:
        raise ValueError(papers.unknown("network", table.network, networks.NETWORKS))
    return Settings(
        ind=table.ind,
        network=table.network,
        preset=table.preset if preset == "paper" else table.fast_preset,
        protocols=protocols,
        image_size=None if table.image_size is None else (table.image_size[0], table.image_size[1]),
        recipe=table.recipe,
        **options,
    )


def reproduce(table: PaperTable, settings: Settings) -> list[Path]:
    """Train, measure and score every seed, then write the page; returns its files."""
    start = time.perf_counter()
    to_file(settings.out / "run.log")
    data = data_module(settings)
    for seed in settings.seeds:
        run_seed(settings, data, seed, settings.out / "results")
    results = list(load_results(settings.out / "results").values())
    written = write(table, results, settings.out)
    output = Console()
    for shown in rich_table(table, results):
        output.print(shown)
    for i, reason in enumerate(view(table, results)["reasons"], 1):
        output.print(f"({i}) {escape(reason)}", soft_wrap=True)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in tally(cells(table, results)).items())
    output.print(
        f"[bold]{counts}[/]; what the paper's numbers carry: {escape(str(written[0]))}; "
        f"{time.perf_counter() - start:.0f} s",
        soft_wrap=True,
    )
    return written


@app.command(
    epilog="Example: python -m benchmarks.reproduce fssd-fashionmnist --data-root data --seeds 0 1 2"
)
def main(
    name: Annotated[str, typer.Argument(help="of the table, see --list")] = "",
    data_root: Annotated[
        Path | None,
        typer.Option(envvar="LSOOD_DATA", help="folder of the data sets; without it: generated miniatures"),
    ] = None,
    seeds: Annotated[
        list[int] | None, typer.Option(help="one or several; each trains its own network")
    ] = None,
    methods: Annotated[list[str] | None, typer.Option(help="default: those of the table")] = None,
    protocols: Annotated[
        list[str] | None,
        typer.Option(help="of no-ood, fgsm-val, oracle-val; default: the table's and no-ood"),
    ] = None,
    preset: Annotated[
        str, typer.Option(help="training recipe: paper or fast; default: fast where there is one")
    ] = "",
    outliers: Annotated[
        str | None,
        typer.Option(
            help="images for outlier-exposure: a set, dead-leaves, folder:PATH; default: by data set"
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="of training, instead of the recipe's")] = None,
    limit: Annotated[
        int | None, typer.Option(help="at most so many images of every set: nothing is comparable then")
    ] = None,
    ensemble_size: Annotated[int | None, typer.Option(help="networks in the deep ensemble")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    batch_size: Annotated[int, typer.Option(help="of the measuring passes")] = 128,
    workers: Annotated[int, typer.Option(help="processes that load images")] = 0,
    out: Annotated[Path | None, typer.Option(help="default: runs/NAME")] = None,
    download: Annotated[bool, typer.Option("--download", help="fetch what torchvision can fetch")] = False,
    list_: Annotated[bool, typer.Option("--list", help="every table: its data, network and cost")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show tracebacks")] = False,
) -> None:
    """Train what a paper trained, run its protocol, and print reported beside measured with a verdict for every
    number, and the same without OoD images.

    Writes results, reproduction.md, .html and .csv. Sets that are not there are left out and their numbers are
    not comparable.
    """
    to_terminal()
    with reporting(BAD_USAGE, debug):
        if data_root is not None and not data_root.is_dir():
            raise FileNotFoundError(
                f"--data-root {data_root} does not exist; name the folder that holds the data sets"
            )
        if list_:
            for block in whereabouts.listing(papers.tables(), data_root):
                Console().print(block)
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
            out=out or Path("runs") / name,
            download=download,
            command=shlex.join(["python", "-m", "benchmarks.reproduce", *sys.argv[1:]]),
        )
    with reporting(FAILED, debug):
        found = sets_there(table, data_root, download)
        reproduce(table, dataclasses.replace(settings, ood=found))


if __name__ == "__main__":
    sys.argv[1:] = spread(sys.argv[1:])
    app(prog_name="python -m benchmarks.reproduce")
