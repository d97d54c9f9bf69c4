"""The main job: ``python -m benchmarks.run --ind cityscapes --ood cityscapes-anomalies``.

Only what help, lists and the check of names need is imported at module level; torch is not among it.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import typer

from benchmarks import options
from benchmarks.console import spread, to_terminal
from datamodules.imagesets.left_out import MAX_BAD
from lsood.io import BAD_USAGE, FAILED, reporting, unknown

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(epilog="Example: python -m benchmarks.run --ind cityscapes --ood cityscapes-anomalies")
def main(
    ind: options.Ind = "",
    ood: options.Ood = None,
    data_root: options.DataRoot = None,
    miniature: options.Miniature = False,
    download: options.Download = False,
    verify_data: options.VerifyData = False,
    max_bad: options.MaxBad = MAX_BAD,
    image_size: options.ImageSize = None,
    limit: options.Limit = None,
    keep_together: options.KeepTogether = None,
    features: options.Features = None,
    workers: options.Workers = 0,
    network: options.Network = None,
    network_arg: options.NetworkArg = None,
    checkpoint: options.Checkpoint = None,
    classes: options.Classes = None,
    mean: options.Mean = None,
    std: options.Std = None,
    channel_order: options.ChannelOrder = None,
    input_range: options.InputRange = None,
    latent_layer: options.LatentLayer = None,
    feature_layers: options.FeatureLayers = None,
    head_layer: options.HeadLayer = None,
    describe_network: options.DescribeNetwork = False,
    preset: options.Preset = None,
    epochs: options.Epochs = None,
    seeds: options.Seeds = None,
    ensemble_size: options.EnsembleSize = None,
    outliers: options.Outliers = None,
    device: options.Device = "auto",
    precision: options.Precision = "float32",
    batch_size: options.BatchSize = 32,
    methods: options.Methods = None,
    protocols: options.Protocols = None,
    naive: options.Naive = True,
    false_alarm_rate: options.FalseAlarmRate = None,
    calibrate_share: options.CalibrateShare = None,
    calibrate_on: options.CalibrateOn = None,
    mc_samples: options.McSamples = 16,
    reduction: options.Reduction = "fullmean",
    confidence: options.Confidence = 0.25,
    recipe: options.Recipe = None,
    severity: options.Severity = "mixed",
    every_kind: options.EveryKind = False,
    out: options.Out = None,
    track: options.Track = None,
    dry_run: options.DryRun = False,
    list_: options.List = False,
    debug: options.Debug = False,
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
            network_args=tuple(network_arg or ()),
            checkpoints=tuple(checkpoint or ()),
            classes=classes,
            mean=None if mean is None else tuple(mean),
            std=None if std is None else tuple(std),
            channel_order=channel_order,
            input_range=input_range,
            latent_layer=latent_layer,
            feature_layers=tuple(feature_layers or ()),
            head_layer=head_layer,
            describe_network=describe_network,
            keep_together=keep_together,
            features=tuple(features or ()),
            track=tuple(dict.fromkeys(track or ())),
            dry_run=dry_run,
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
    from networks.outside.spec import FORMS, check_spec, is_outside
    from networks.presets import preset as find_preset
    from networks.registry import NETWORKS

    if not ind:
        raise ValueError(f"--ind is missing: choose one of {', '.join(DATAMODULES)}")
    DATAMODULES.check(ind)
    check_ood_names(ood)
    for method in methods:
        check_method(method)
    if network is not None and is_outside(network):
        check_spec(network)
    elif network is not None:
        NETWORKS.check(network, f"; or {FORMS}")
    if preset is not None:
        find_preset(preset)
    if calibrate_on and calibrate_on not in DATAMODULES and not calibrate_on.startswith(FOLDER):
        raise unknown("calibration set", calibrate_on, DATAMODULES, f", {FOLDER}PATH")


if __name__ == "__main__":
    sys.argv[1:] = spread(sys.argv[1:])
    app(prog_name="python -m benchmarks.run")
