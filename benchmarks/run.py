"""The main job: ``python -m benchmarks.run --ind cityscapes --ood cityscapes-anomalies``."""

from __future__ import annotations

import logging
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import networks
from anomalies.sets.console import recipe_of
from benchmarks import box_pictures, report
from benchmarks.companions import methods_for
from benchmarks.console import console, to_file, to_terminal, watch
from benchmarks.evaluation import Evaluation
from benchmarks.extraction import Extraction
from benchmarks.listing import listing
from benchmarks.naive import beside_naive
from benchmarks.objects import ObjectEvaluation, object_subject
from benchmarks.settings import Settings, default_methods, resolve_device
from benchmarks.subjects import network_metrics, subject_of
from benchmarks.trained import from_checkpoint, network_name, train
from datamodules import DATAMODULES, BenchmarkDataModule, cache_dir, check_names
from leaderboards import load_results, rich_tables
from leaderboards.build import build
from leaderboards.object_schema import load_object_results
from leaderboards.object_tables import rich_objects
from leaderboards.pixel_schema import load_pixel_results
from leaderboards.pixel_tables import rich_pixels
from leaderboards.strata import rich_strata
from lsood.methods import chosen
from lsood.object_probes import object_probes

log = logging.getLogger("lsood-bench")
app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
SEVERAL = ("--ood", "--methods", "--protocols", "--seeds", "--checkpoint")
MINIATURE = (
    "MINIATURE: generated images stand in for real data; these numbers say nothing about the real sets."
)


def spread(arguments: list[str]) -> list[str]:
    """``--ood a b`` to ``--ood a --ood b``: options that take several values."""
    spelled: list[str] = []
    current: str | None = None
    for word in arguments:
        if word.startswith("--"):
            current = word if word in SEVERAL else None
            if current is None:
                spelled.append(word)
        else:
            spelled += [current, word] if current else [word]
    return spelled


def data_module(settings: Settings) -> BenchmarkDataModule:
    """The in-distribution data module with its OoD sets, ready to load."""
    data = DATAMODULES[settings.ind](
        settings.data_root,
        settings.ood,
        batch_size=settings.batch_size,
        num_workers=settings.workers,
        download=settings.download,
        miniature=settings.miniature,
        limit=settings.limit,
        recipe=recipe_of(settings.recipe, settings.ind),
        severity=settings.severity,
        every_kind=settings.every_kind,
        image_size=settings.image_size,
    )
    data.prepare_data()
    data.setup()
    return data


def run_seed(settings: Settings, data: BenchmarkDataModule, seed: int, folder: Path) -> None:
    """Train (or load), measure, score and save every method for one seed."""
    trained = (
        from_checkpoint(settings, data, settings.checkpoints[0])
        if settings.checkpoints
        else train(settings, data, seed)
    )
    methods = methods_for(settings, data, trained, seed)
    subject = subject_of(trained.network, data, settings, seed)
    objects = object_subject(trained.network, subject) if data.task == "detection" else None
    extraction = Extraction(
        trained.network,
        trained.weights,
        data.preprocess.fingerprint,
        cache_dir() / "activations",
        settings.device,
        watch,
        precision=settings.precision,
    )
    mask_seeds = settings.seeds if settings.checkpoints else (seed,)
    evaluation = Evaluation(
        extraction,
        data,
        subject,
        methods.detectors,
        mask_seeds,
        settings.false_alarm_rate,
        settings.protocols,
        methods.failures,
        object_probes(objects) if objects is not None else (),
    )
    scored = beside_naive(evaluation.run())
    figures = network_metrics(evaluation)
    scored_objects = {}
    if objects is not None:
        rate = settings.false_alarm_rate
        scored_objects = ObjectEvaluation(extraction, data, objects, evaluation.sets, rate).run()
        box_pictures.write(evaluation, scored_objects, folder)
    forwarded = {**extraction.forwarded, "from_cache": extraction.from_cache}
    log.info("images forwarded: %s", ", ".join(f"{k} {v}" for k, v in forwarded.items()))
    report.write(
        settings,
        evaluation,
        trained,
        methods.seconds,
        figures,
        scored,
        forwarded,
        seed,
        folder,
        scored_objects,
    )


def run(settings: Settings) -> list[Path]:
    """The whole job; returns the files of the leaderboard."""
    start = time.perf_counter()
    to_file(settings.out / "run.log")
    data = data_module(settings)
    network_name(settings, data)
    if data.task == "detection" and settings.precision != "float32":
        raise ValueError(f"--precision {settings.precision}: object detectors are measured in float32")
    results = settings.out / "results"
    for seed in settings.seeds:
        run_seed(settings, data, seed, results)
    written = build(results, settings.out)
    output = Console()
    runs = load_results(results)
    beside = *rich_pixels(load_pixel_results(results)), *rich_objects(load_object_results(results))
    for table in (*rich_tables(runs), *rich_strata(runs), *beside):
        output.print(table)
    if any(images.origin == "miniature" for images in (*data.sets.values(), *data.ood_sets.values())):
        output.print(
            "[bold yellow]MINIATURE: generated images stand in for the real data; these numbers say nothing about them."
        )
    output.print(
        f"{settings.out}/leaderboard.html, .md, .csv and figures; {time.perf_counter() - start:.0f} s"
    )
    return written


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
    try:
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
            device=resolve_device(device),
            precision=precision,
            batch_size=batch_size,
            workers=workers,
            out=out or Path("runs") / ind,
            download=download,
            command=shlex.join(["python", "-m", "benchmarks.run", *sys.argv[1:]]),
        )
    except (ValueError, OSError) as error:
        if debug:
            raise
        console.print(f"error: {error}", style="red", markup=False)
        raise typer.Exit(2) from None
    try:
        run(settings)
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on where it stopped")
        raise typer.Exit(1) from None
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        log.debug("failed", exc_info=True)
        if debug:
            raise
        console.print(f"error: {error}", style="red", markup=False)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    sys.argv[1:] = spread(sys.argv[1:])
    app(prog_name="python -m benchmarks.run")
