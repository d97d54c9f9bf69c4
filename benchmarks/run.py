"""The main job: ``python -m benchmarks.run --ind cityscapes --ood cityscapes-anomalies``.

Only what help, lists and the check of names need is imported at module level; torch is not among it.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.console import max_bad_option, spread, to_terminal, verify_data_option
from datamodules.imagesets.left_out import MAX_BAD
from lsood.io import BAD_USAGE, FAILED, reporting, unknown

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
DATA, NETWORK, METHODS, ANOMALIES, OUTPUT = "Data", "Network", "Methods", "Anomalies", "Output"


@app.command(epilog="Example: python -m benchmarks.run --ind cityscapes --ood cityscapes-anomalies")
def main(
    ind: Annotated[str, typer.Option(help="in-distribution set, see --list", rich_help_panel=DATA)] = "",
    ood: Annotated[
        list[str] | None,
        typer.Option(help="OoD sets, folder:PATH or generated:PATH; several", rich_help_panel=DATA),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(
            envvar="LSOOD_DATA",
            help="folder of the data sets (default: generated miniatures)",
            rich_help_panel=DATA,
        ),
    ] = None,
    miniature: Annotated[
        bool,
        typer.Option(
            "--miniature", help="use generated miniatures, also with a data root", rich_help_panel=DATA
        ),
    ] = False,
    download: Annotated[
        bool,
        typer.Option("--download", help="download sets that torchvision can fetch", rich_help_panel=DATA),
    ] = False,
    verify_data: Annotated[bool, verify_data_option(DATA)] = False,
    max_bad: Annotated[float, max_bad_option(DATA)] = MAX_BAD,
    image_size: Annotated[
        tuple[int, int] | None,
        typer.Option(
            help="height and width of the network input (default: by data set)", rich_help_panel=DATA
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            help="maximum number of images per set (a seeded subset); of anomalies: of clean images",
            rich_help_panel=DATA,
        ),
    ] = None,
    workers: Annotated[int, typer.Option(help="processes that load images", rich_help_panel=DATA)] = 0,
    network: Annotated[
        str | None,
        typer.Option(help="network, see --list (default: by data set)", rich_help_panel=NETWORK),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="named training config, see --list (default: by network and data set)",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            help="weights (safetensors or torch file); further files: ensemble members",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="training epochs (default: from the training config)", rich_help_panel=NETWORK),
    ] = None,
    seeds: Annotated[
        list[int] | None,
        typer.Option(
            help="random seeds; one network is trained for each, of a checkpoint Monte-Carlo masks are drawn; several",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    ensemble_size: Annotated[
        int | None,
        typer.Option(
            help="networks in the deep ensemble (default: 5, miniature: 3)", rich_help_panel=NETWORK
        ),
    ] = None,
    outliers: Annotated[
        str | None,
        typer.Option(
            help="training images of outlier-exposure: a set, dead-leaves or folder:PATH (default: by data set)",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda", rich_help_panel=NETWORK)] = "auto",
    precision: Annotated[
        str,
        typer.Option(
            help="dtype of the feature-extraction passes: float32 or bfloat16", rich_help_panel=NETWORK
        ),
    ] = "float32",
    batch_size: Annotated[
        int, typer.Option(help="batch size of the feature-extraction passes", rich_help_panel=NETWORK)
    ] = 32,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            help="method names, post-hoc, all, package.module:Class or file.py:Class; NAME@k=10 sets arguments; "
            "they hold for images, pixels and objects; several",
            rich_help_panel=METHODS,
        ),
    ] = None,
    protocols: Annotated[
        list[str] | None,
        typer.Option(
            help="no-ood, fgsm-val, oracle-val; methods without the requested protocol use their default; several",
            rich_help_panel=METHODS,
        ),
    ] = None,
    naive: Annotated[
        bool, typer.Option(help="also run the image-statistics baseline", rich_help_panel=METHODS)
    ] = True,
    false_alarm_rate: Annotated[
        float | None,
        typer.Option(
            help="false-alarm rate that thresholds are set for (default: .05)", rich_help_panel=METHODS
        ),
    ] = None,
    calibrate_share: Annotated[
        float | None,
        typer.Option(
            help="share of the test images that give calibration and thresholds, the rest is scored; for networks that "
            "were trained on the validation images (default: the validation images)",
            rich_help_panel=METHODS,
        ),
    ] = None,
    calibrate_on: Annotated[
        str | None,
        typer.Option(
            help="set whose images give calibration and thresholds: folder:PATH, or the test part of another "
            "in-distribution set; its labels are not read (default: the validation images)",
            rich_help_panel=METHODS,
        ),
    ] = None,
    mc_samples: Annotated[
        int, typer.Option(help="Monte-Carlo samples per image", rich_help_panel=METHODS)
    ] = 16,
    reduction: Annotated[
        str,
        typer.Option(
            help="reduction of latent maps: fullmean, mean, avgpool or raw", rich_help_panel=METHODS
        ),
    ] = "fullmean",
    confidence: Annotated[
        float,
        typer.Option(help="minimum confidence of a scored detection", rich_help_panel=METHODS),
    ] = 0.25,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="anomaly recipe of <ind>-anomalies: a name, see --list, or a YAML file (default: by data set)",
            rich_help_panel=ANOMALIES,
        ),
    ] = None,
    severity: Annotated[
        str,
        typer.Option(
            help="severity of <ind>-anomalies: mixed, 1 to 5, or all (every image five times)",
            rich_help_panel=ANOMALIES,
        ),
    ] = "mixed",
    every_kind: Annotated[
        bool,
        typer.Option(
            "--every-kind",
            help="apply every kind of the recipe to every image of <ind>-anomalies",
            rich_help_panel=ANOMALIES,
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="output folder (default: runs/<ind>)", rich_help_panel=OUTPUT)
    ] = None,
    list_: Annotated[
        bool,
        typer.Option(
            "--list", help="show data sets, recipes, networks, presets and methods", rich_help_panel=OUTPUT
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show tracebacks", rich_help_panel=OUTPUT)] = False,
) -> None:
    """Compare out-of-distribution detectors on one network and write a leaderboard.

    Trains the network where no checkpoint is given (cached), measures what methods need in one pass over every image
    (cached; input steps, further networks and some methods take more), fits and scores every method, and writes
    results, leaderboard.md, .csv, .html, ROC curves and score histograms.
    """
    to_terminal()
    if list_:
        from benchmarks.listing import listing
        from lsood.terminal import Terminal

        for table in listing():
            Terminal().print(table)
        return
    with reporting(BAD_USAGE, debug):
        check_names(ind, ood or [], methods or [], network, preset, calibrate_on)

        from anomalies.recipe import recipe_of
        from benchmarks.pipeline.config import Settings, resolve_device
        from benchmarks.pipeline.job import chosen_methods, run

        if recipe is not None:
            recipe_of(recipe, ind)
        settings = Settings(
            ind=ind,
            ood=tuple(dict.fromkeys(ood or ())),
            methods=chosen_methods(ind, methods or []),
            protocols=tuple(dict.fromkeys(protocols or ("no-ood",))),
            naive=naive,
            network=network,
            preset=preset,
            checkpoints=tuple(checkpoint or ()),
            data_root=data_root,
            miniature=miniature,
            false_alarm_rate=false_alarm_rate,
            calibrate_share=calibrate_share,
            calibrate_on=calibrate_on,
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
            verify_data=verify_data,
            max_bad=max_bad,
            command=shlex.join(["python", "-m", "benchmarks.run", *sys.argv[1:]]),
        )
    with reporting(FAILED, debug):
        run(settings)


def check_names(
    ind: str,
    ood: list[str],
    methods: list[str],
    network: str | None,
    preset: str | None,
    calibrate_on: str | None = None,
) -> None:
    """Raise ValueError for the first unknown name; it says the nearest one and lists all."""
    from datamodules.registry import DATAMODULES, FOLDER
    from datamodules.registry import check_names as check_ood_names
    from lsood.methods import check as check_method
    from networks.presets import preset as find_preset
    from networks.registry import NETWORKS

    if not ind:
        raise ValueError(f"--ind is missing: choose one of {', '.join(DATAMODULES)}")
    DATAMODULES.check(ind)
    check_ood_names(ood)
    for method in methods:
        check_method(method)
    if network is not None:
        NETWORKS.check(network)
    if preset is not None:
        find_preset(preset)
    if calibrate_on and calibrate_on not in DATAMODULES and not calibrate_on.startswith(FOLDER):
        raise unknown("calibration set", calibrate_on, DATAMODULES, f", {FOLDER}PATH")


if __name__ == "__main__":
    sys.argv[1:] = spread(sys.argv[1:])
    app(prog_name="python -m benchmarks.run")
