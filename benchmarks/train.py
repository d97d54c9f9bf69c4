"""The command ``python -m networks.train``: networks are trained alone, with data and cache of the benchmark."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmarks import options
from benchmarks.console import to_file, to_terminal
from datamodules.imagesets.left_out import MAX_BAD
from lsood.command import BAD_USAGE, FAILED, reporting
from lsood.io import log, write_atomic, write_text
from lsood.terminal import Terminal
from lsood.text import slug
from networks.training.config import CHOICES

if TYPE_CHECKING:
    from benchmarks.pipeline.config import Settings
    from benchmarks.under_test.cached import Trained

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
TRAINING = "Training"
OF_TRAINING = ("batch_size", "class_weights", "loss", "lr", "optimizer", "schedule", "weight_decay")
"""Options that are fields of the training config."""
ELSEWHERE = ("ind", "network", "out", "list_", "debug")
"""Options that are no options of Settings."""


def _choice(name: str) -> Any:
    """An option of the training config that has choices."""
    text = f"{', '.join(CHOICES[name])} (default: from the training config)"
    return typer.Option(help=text, rich_help_panel=TRAINING)


def _number(text: str) -> Any:
    return typer.Option(help=f"{text} (default: from the training config)", rich_help_panel=TRAINING)


@app.command(
    epilog="Example: python -m networks.train --network deeplabv3plus --ind cityscapes --loss focal --batch-size 2 "
    "--epochs 30"
)
def main(
    ind: options.Ind = "",
    data_root: options.DataRoot = None,
    miniature: options.Miniature = False,
    download: options.Download = False,
    verify_data: options.VerifyData = False,
    max_bad: options.MaxBad = MAX_BAD,
    image_size: options.ImageSize = None,
    keep_ratio: options.KeepRatio = False,
    limit: options.Limit = None,
    keep_together: options.KeepTogether = None,
    workers: options.Workers = 0,
    network: options.Network = None,
    network_arg: options.NetworkArg = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="weights to start from (safetensors or torch file; default: random)",
            rich_help_panel=options.NETWORK,
        ),
    ] = None,
    classes: options.Classes = None,
    mean: options.Mean = None,
    std: options.Std = None,
    channel_order: options.ChannelOrder = None,
    input_range: options.InputRange = None,
    device: options.Device = "auto",
    preset: options.Preset = None,
    epochs: options.Epochs = None,
    batch_size: Annotated[int | None, _number("images per training step")] = None,
    loss: Annotated[str | None, _choice("loss")] = None,
    lr: Annotated[float | None, _number("peak learning rate")] = None,
    optimizer: Annotated[str | None, _choice("optimizer")] = None,
    schedule: Annotated[str | None, _choice("schedule")] = None,
    class_weights: Annotated[str | None, _choice("class_weights")] = None,
    weight_decay: Annotated[float | None, _number("weight decay of every parameter")] = None,
    seeds: Annotated[
        list[int] | None,
        typer.Option(
            "--seeds",
            "--seed",
            help="random seeds; one network is trained for each; several",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="folder for copies of weights, curve and settings, and for the log (default: the cache alone)",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    track: options.Track = None,
    list_: options.List = False,
    debug: options.Debug = False,
) -> None:
    """Train a network on a data set and keep it in the cache, where benchmarks.run finds it.

    Resumes after an interruption. Writes the training curve (curve.csv) beside the weights.
    """
    given = dict(locals())
    to_terminal()
    if list_:
        from benchmarks.listing import listing

        for table in listing():
            Terminal().print(table)
        return
    with reporting(BAD_USAGE, debug):
        from benchmarks.calls.options import settings_of
        from benchmarks.names import check_names
        from benchmarks.pipeline.config import resolve_device

        check_names(ind, [], [], network, preset)
        training = {name: given.pop(name) for name in OF_TRAINING}
        settings = settings_of(
            {name: value for name, value in given.items() if name not in ELSEWHERE}
            | {"device": resolve_device(device)},
            ind=ind,
            ood=(),
            network=network,
            training=_checked({name: value for name, value in training.items() if value is not None}),
            trains_alone=True,
            command=shlex.join(["python", "-m", "networks.train", *sys.argv[1:]]),
        )
    with reporting(FAILED, debug):
        run(settings, None if out is None else out.expanduser())


def _checked(training: dict[str, Any]) -> dict[str, Any]:
    """Fields of the training config, with their choices and ranges.

    Raises:
        ValueError: naming the option.
    """
    for name, choices in CHOICES.items():
        if name in training and training[name] not in choices:
            raise ValueError(f"--{name} must be one of {', '.join(choices)}, got {training[name]!r}")
    if training.get("batch_size", 1) < 1:
        raise ValueError(f"--batch-size must be at least 1, got {training['batch_size']}")
    return training


def run(settings: Settings, out: Path | None = None) -> list[Trained]:
    """Train every seed, tell what came of it and how to go on; returns the networks.

    Args:
        out: folder for copies and the log; trackers write there, or below runs/.
    """
    from datamodules.imagesets.contents import reading_everything
    from datamodules.imagesets.left_out import without_unreadable

    with to_file(None if out is None else out / "training.log"), reading_everything(settings.verify_data):
        return without_unreadable(partial(_run, settings, out), settings.max_bad)


def _run(settings: Settings, out: Path | None) -> list[Trained]:
    from benchmarks.pipeline.job import data_module
    from benchmarks.tracking import tracking
    from benchmarks.under_test.cached import figures_of
    from benchmarks.under_test.training import network_name, train

    data = data_module(settings)
    name, output, found = network_name(settings, data), Terminal(), list["Trained"]()
    place = out or Path("runs") / slug(data.name)
    for seed in settings.seeds:
        title = f"{name}-{data.name}-seed{seed}"
        with tracking(settings.track, place, title) as tracker:
            trained = train(settings, data, seed)
            found.append(trained)
            assert trained.folder is not None
            figures = figures_of(trained.folder)
            tracker.parameters({"command": settings.command, "data": data.fingerprint, **trained.options})
            tracker.metrics({f"validation/{figure}": value for figure, value in figures.items()})
        told = ", ".join(f"{figure} {value:.4f}" for figure, value in figures.items()) or "not known"
        output.print(f"seed {seed}: validation {told}", markup=False)
        copy = trained.folder if out is None else _copied(trained, out, slug(title))
        output.print(f"weights and curve: {copy}", markup=False, soft_wrap=True)
    output.print(f"benchmark: {_next_command(settings, name)}", markup=False, soft_wrap=True)
    return found


def _copied(trained: Trained, out: Path, title: str) -> Path:
    """Copy weights and curve to a folder, with a file that says what they are; returns the copy of the weights."""
    from benchmarks.under_test.cached import WEIGHTS
    from networks.training.curve import CURVE

    assert trained.folder is not None
    for file, name in ((WEIGHTS, f"{title}.safetensors"), (CURVE, f"{title}.curve.csv")):
        if (trained.folder / file).is_file():  # earlier versions wrote no curve
            write_atomic(out / name, partial(shutil.copyfile, trained.folder / file))
    about = {"network": trained.name, "sha256_of_weights": trained.weights, "training": trained.options}
    write_text(out / f"{title}.json", json.dumps(about, indent=1))
    log.info("copied to %s", out)
    return out / f"{title}.safetensors"


def _next_command(settings: Settings, name: str) -> str:
    """The command that measures what was trained; it finds the network by itself."""
    words = ["python", "-m", "benchmarks.run", "--network", settings.network or name, "--ind", settings.ind]
    words += ["--ood", f"{settings.ind}-anomalies"]
    for argument in settings.network_args:
        words += ["--network-arg", argument]
    if settings.data_root is not None:
        words += ["--data-root", str(settings.data_root)]
    words += ["--miniature"] if settings.miniature else []
    words += ["--keep-ratio"] if settings.keep_ratio else []
    for option, values in (
        ("--classes", settings.classes),
        ("--image-size", settings.image_size),
        ("--limit", settings.limit),
        ("--mean", settings.mean),
        ("--std", settings.std),
        ("--channel-order", settings.channel_order),
        ("--input-range", settings.input_range),
        ("--keep-together", settings.keep_together),
        ("--seeds", settings.seeds if settings.seeds != (0,) else None),
    ):
        if values is not None:
            words += [option, *map(str, values if isinstance(values, tuple) else (values,))]
    return shlex.join(words)
