"""The main job: ``python -m benchmarks.run --ind cityscapes --ood cityscapes-anomalies``.

Only what help, lists and the check of names need is imported at module level; torch is not among it.
"""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

import typer

from benchmarks import options
from benchmarks.console import spread, to_terminal
from benchmarks.names import check_names
from datamodules.imagesets.left_out import MAX_BAD
from lsood.command import BAD_USAGE, FAILED, reporting
from lsood.terminal import Terminal

ELSEWHERE = ("network", "ind", "ood", "methods", "describe_network", "dry_run", "list_", "debug")
"""Options that are no `benchmarks.evaluate` options, or have a place of their own there."""

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
    keep_ratio: options.KeepRatio = False,
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
    level: options.Level = None,
    pixel_evaluator: options.PixelEvaluator = "exact",
    leave_one_out: options.LeaveOneOut = False,
    false_alarm_rate: options.FalseAlarmRate = None,
    fit_limit: options.FitLimit = None,
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
    options_given = {name: value for name, value in locals().items() if name not in ELSEWHERE}
    to_terminal()
    if list_:
        from benchmarks.listing import listing

        for table in listing():
            Terminal().print(table)
        return
    with reporting(BAD_USAGE, debug):
        check_names(None if features else ind, ood or [], methods or [], network, preset, calibrate_on)

        from benchmarks.call import asked
        from benchmarks.pipeline.job import described, run
        from datamodules.registry import short_of
        from leaderboards.file_names import file_name

        settings, given = asked(
            network,
            ind,
            ood or (),
            methods or (),
            {**options_given, "out": out or Path("runs") / file_name(short_of(ind) or "features")},
            command=shlex.join(["python", "-m", "benchmarks.run", *sys.argv[1:]]),
            describe_network=describe_network,
            dry_run=dry_run,
        )
    with reporting(FAILED, debug):
        if settings.describe_network:
            Terminal().print(described(settings, given))
            return
        if settings.dry_run:
            from benchmarks.pipeline.plan import plan
            from benchmarks.pipeline.plan_tables import tables

            for part in tables(plan(settings, given)):
                Terminal().print(part, soft_wrap=isinstance(part, str))
            return
        start = time.perf_counter()
        run(settings, given)
        assert settings.out is not None
        show(settings.out, time.perf_counter() - start)


def show(out: Path, seconds: float) -> None:
    """Print the tables of every result in a folder, and where to find them."""
    from benchmarks.results import RESULTS
    from leaderboards.store import load_results
    from leaderboards.tables import terminal_tables
    from leaderboards.tables.aggregate import is_miniature

    output, results = Terminal(), list(load_results(out / RESULTS).values())
    for table in terminal_tables(results):
        output.print(table)
    if is_miniature(results):
        output.print(
            "MINIATURE: generated images stand in for real data; these numbers say nothing about it.",
            style="bold yellow",
        )
    output.print(f"{out}/leaderboard.html, .md, .csv and figures; {seconds:.0f} s", markup=False)


if __name__ == "__main__":
    sys.argv[1:] = spread(sys.argv[1:])
    app(prog_name="python -m benchmarks.run")
