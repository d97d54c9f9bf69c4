"""The main job: ``python -m benchmarks.run --ind cityscapes --ood cityscapes-anomalies``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import networks
from anomalies.sets.console import BAD_USAGE, FAILED, recipe_of, reporting
from benchmarks.console import spread, to_terminal
from benchmarks.listing import listing
from benchmarks.pipeline.config import Settings, default_methods, resolve_device
from benchmarks.pipeline.job import run
from datamodules import DATAMODULES, check_names
from lsood.methods import chosen

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(epilog="Example: python -m benchmarks.run --ind cityscapes --ood cityscapes-anomalies")
def main(
    ind: Annotated[str, typer.Option(help="in-distribution set, see --list")] = "",
    ood: Annotated[list[str] | None, typer.Option(help="one or several OoD sets, or folder:PATH")] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(help="one or several, post-hoc, all, package.module:Class; NAME@k=10 sets arguments"),
    ] = None,
    protocols: Annotated[
        list[str] | None,
        typer.Option(
            help="one or several of no-ood, fgsm-val, oracle-val; methods that know none keep their own"
        ),
    ] = None,
    naive: Annotated[
        bool, typer.Option(help="also the naive detector that no network should fall behind")
    ] = True,
    network: Annotated[str | None, typer.Option(help="default: by data set")] = None,
    preset: Annotated[
        str | None, typer.Option(help="a named training recipe, see --list; default: by network and data set")
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="weights (safetensors or torch file); further files: ensemble members"),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(envvar="LSOOD_DATA", help="folder of the data sets; without it: generated miniatures"),
    ] = None,
    miniature: Annotated[
        bool, typer.Option("--miniature", help="generated miniatures, whatever is on disk")
    ] = False,
    mc_samples: Annotated[int, typer.Option(help="Monte-Carlo samples per image")] = 16,
    reduction: Annotated[
        str, typer.Option(help="of latent maps: fullmean, mean, avgpool or raw")
    ] = "fullmean",
    seeds: Annotated[
        list[int] | None, typer.Option(help="one or several; each trains its own network")
    ] = None,
    ensemble_size: Annotated[
        int | None, typer.Option(help="networks in the deep ensemble; 5, miniature 3")
    ] = None,
    outliers: Annotated[
        str | None,
        typer.Option(
            help="images for outlier-exposure: a set, dead-leaves, folder:PATH; default: by data set"
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="of training; default: by network and data set")] = None,
    image_size: Annotated[
        tuple[int, int] | None, typer.Option(help="height and width; default: by data set")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="at most so many images of every set (a seeded subset)")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="of <ind>-anomalies: a shipped recipe's name, or a YAML file; default: by set"),
    ] = None,
    severity: Annotated[
        str, typer.Option(help="of <ind>-anomalies: mixed, 1 to 5, or all (every image five times)")
    ] = "mixed",
    every_kind: Annotated[
        bool, typer.Option("--every-kind", help="every kind of the recipe on every image of <ind>-anomalies")
    ] = False,
    confidence: Annotated[
        float, typer.Option(help="class probability from which a detection is scored as an object")
    ] = 0.25,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    precision: Annotated[str, typer.Option(help="of the measuring passes: float32 or bfloat16")] = "float32",
    batch_size: Annotated[int, typer.Option(help="of the measuring passes")] = 32,
    workers: Annotated[int, typer.Option(help="processes that load images")] = 0,
    out: Annotated[Path | None, typer.Option(help="default: runs/<ind>")] = None,
    download: Annotated[bool, typer.Option("--download", help="fetch what torchvision can fetch")] = False,
    list_: Annotated[bool, typer.Option("--list", help="show every set, network and method")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show tracebacks")] = False,
) -> None:
    """Compare out-of-distribution detectors on one network and write a leaderboard.

    Trains the network where no checkpoint is given (cached), measures every image once (cached), fits and
    scores every method, and writes results, leaderboard.md, .csv, .html, ROC curves and score histograms.
    """
    to_terminal()
    if list_:
        for table in listing():
            Console().print(table)
        return
    with reporting(BAD_USAGE, debug):
        if ind not in DATAMODULES:
            raise ValueError(f"--ind {ind or '(missing)'}: choose one of {', '.join(DATAMODULES)}")
        check_names(ood or [])
        recipe_of(recipe, ind)
        if network is not None and network not in networks.NETWORKS:
            raise ValueError(f"unknown network {network!r}; networks: {', '.join(networks.NETWORKS)}")
        if preset is not None:
            networks.preset(preset)
        settings = Settings(
            ind=ind,
            ood=tuple(dict.fromkeys(ood or ())),
            methods=chosen(methods or default_methods(DATAMODULES[ind].task)),
            protocols=tuple(dict.fromkeys(protocols or ("no-ood",))),
            naive=naive,
            network=network,
            preset=preset,
            checkpoints=tuple(checkpoint or ()),
            data_root=data_root,
            miniature=miniature,
            mc_samples=mc_samples,
            reduction=reduction,
            seeds=tuple(seeds or (0,)),
            ensemble_size=ensemble_size,
            outliers=outliers,
            epochs=epochs,
            image_size=image_size,
            limit=limit,
            recipe=recipe,
            severity=severity,
            every_kind=every_kind,
            confidence=confidence,
            device=resolve_device(device),
            precision=precision,
            batch_size=batch_size,
            workers=workers,
            out=out or Path("runs") / ind,
            download=download,
            command=shlex.join(["python", "-m", "benchmarks.run", *sys.argv[1:]]),
        )
    with reporting(FAILED, debug):
        run(settings)


if __name__ == "__main__":
    sys.argv[1:] = spread(sys.argv[1:])
    app(prog_name="python -m benchmarks.run")
