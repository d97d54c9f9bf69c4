"""The options of the commands, each with its help, under the heading it is shown below."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

DATA, NETWORK, METHODS, ANOMALIES, OUTPUT = "Data", "Network", "Methods", "Anomalies", "Output"


def verify_data_option(panel: str | None = None) -> Any:
    """``--verify-data`` of every command that identifies data sets, below a heading of its help."""
    text = "read all data files again to identify sets, also those that seem unchanged"
    return typer.Option("--verify-data", help=text, rich_help_panel=panel)


def max_bad_option(panel: str | None = None) -> Any:
    """``--max-bad`` of every command that reads data sets."""
    text = "share of a set's images that may be left out because they cannot be read; more end the run"
    return typer.Option(help=text, rich_help_panel=panel)


Ind = Annotated[
    str,
    typer.Option(
        help="in-distribution set: a name, see --list, folder:DIR, segmentation:DIR, coco:DIR, "
        "coco-masks:DIR, file.py:Class",
        rich_help_panel=DATA,
    ),
]
Ood = Annotated[
    list[str] | None,
    typer.Option(
        help="OoD sets: names, see --list, folder:DIR, segmentation:DIR, coco:DIR, coco-masks:DIR, "
        "generated:DIR, file.py:Class; "
        "anomalies, or a set's name with -anomalies: drawn on the test images of --ind, or of that set; several",
        rich_help_panel=DATA,
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        envvar="LSOOD_DATA",
        help="folder of the data sets (default: generated miniatures)",
        rich_help_panel=DATA,
    ),
]
Miniature = Annotated[
    bool,
    typer.Option("--miniature", help="use generated miniatures, also with a data root", rich_help_panel=DATA),
]
Download = Annotated[
    bool, typer.Option("--download", help="download sets that torchvision can fetch", rich_help_panel=DATA)
]
VerifyData = Annotated[bool, verify_data_option(DATA)]
MaxBad = Annotated[float, max_bad_option(DATA)]
ImageSize = Annotated[
    tuple[int, int] | None,
    typer.Option(help="height and width of the network input (default: by data set)", rich_help_panel=DATA),
]
KeepRatio = Annotated[
    bool,
    typer.Option(
        "--keep-ratio",
        help="segmentation: images keep their aspect ratio, the input size only bounds them",
        rich_help_panel=DATA,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        help="maximum number of images per set (a seeded subset); of anomalies: of clean images",
        rich_help_panel=DATA,
    ),
]
KeepTogether = Annotated[
    str | None,
    typer.Option(
        help="text in file names of folder:DIR, segmentation:DIR or coco:DIR: files that are equal up to its last "
        "occurrence, e.g. up to the last _, go to one part of a seeded split",
        rich_help_panel=DATA,
    ),
]
Features = Annotated[
    list[str] | None,
    typer.Option(
        help="closed networks: .npz files with features, logits and labels instead of images, one per set: "
        "train.npz, val.npz, test.npz, any other: an OoD set; NAME=FILE renames; several",
        rich_help_panel=DATA,
    ),
]
Workers = Annotated[int, typer.Option(help="processes that load images", rich_help_panel=DATA)]
Network = Annotated[
    str | None,
    typer.Option(
        help="a name, see --list, file.py:build, package.module:build, timm:NAME, torchvision:NAME, "
        "smp:ARCH/ENCODER, transformers:DIR or predictions:FILE (default: by data set)",
        rich_help_panel=NETWORK,
    ),
]
NetworkArg = Annotated[
    list[str] | None,
    typer.Option(help="argument of the network's constructor, name=value; several", rich_help_panel=NETWORK),
]
Checkpoint = Annotated[
    list[Path] | None,
    typer.Option(
        help="weights (safetensors or torch file); further files: ensemble members", rich_help_panel=NETWORK
    ),
]
Classes = Annotated[
    Path | None,
    typer.Option(
        help="text file with one class name per network output, in its order (default: the data set's order)",
        rich_help_panel=NETWORK,
    ),
]
Mean = Annotated[
    list[float] | None,
    typer.Option(
        help="mean of the network's input, one number per channel, in its channel order (default: from the "
        "network's configuration, else of the data set)",
        rich_help_panel=NETWORK,
    ),
]
Std = Annotated[
    list[float] | None,
    typer.Option(help="standard deviation of the network's input, as --mean", rich_help_panel=NETWORK),
]
ChannelOrder = Annotated[
    str | None,
    typer.Option(
        help="rgb or bgr: order of the network's input channels (default: rgb)", rich_help_panel=NETWORK
    ),
]
InputRange = Annotated[
    float | None,
    typer.Option(
        help="1 or 255: largest pixel value that --mean and --std refer to; alone: images are not normalised "
        "(default: 1)",
        rich_help_panel=NETWORK,
    ),
]
LatentLayer = Annotated[
    str | None,
    typer.Option(
        help="dropout or other layer whose Monte-Carlo samples LaRED and LaREM use (default: found)",
        rich_help_panel=NETWORK,
    ),
]
FeatureLayers = Annotated[
    list[str] | None,
    typer.Option(
        help="layers whose outputs are features, shallow to deep (default: found); several",
        rich_help_panel=NETWORK,
    ),
]
HeadLayer = Annotated[
    str | None,
    typer.Option(help="last linear layer or 1x1 convolution (default: found)", rich_help_panel=NETWORK),
]
DescribeNetwork = Annotated[
    bool,
    typer.Option(
        "--describe-network",
        help="show which layers were found, with shapes, and stop",
        rich_help_panel=NETWORK,
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        help="named training config, see --list (default: by network and data set)", rich_help_panel=NETWORK
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(help="training epochs (default: from the training config)", rich_help_panel=NETWORK),
]
Seeds = Annotated[
    list[int] | None,
    typer.Option(
        help="random seeds; one network is trained for each, of a checkpoint Monte-Carlo masks are drawn; several",
        rich_help_panel=NETWORK,
    ),
]
EnsembleSize = Annotated[
    int | None,
    typer.Option(help="networks in the deep ensemble (default: 5, miniature: 3)", rich_help_panel=NETWORK),
]
Outliers = Annotated[
    str | None,
    typer.Option(
        help="training images of outlier-exposure: a set, dead-leaves or folder:DIR (default: by data set)",
        rich_help_panel=NETWORK,
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps", rich_help_panel=NETWORK)]
Precision = Annotated[
    str,
    typer.Option(help="dtype of the feature-extraction passes: float32 or bfloat16", rich_help_panel=NETWORK),
]
BatchSize = Annotated[
    int, typer.Option(help="batch size of the feature-extraction passes", rich_help_panel=NETWORK)
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        help="method names, post-hoc, all, package.module:Class or file.py:Class; NAME@k=10 sets arguments; they "
        "hold for images, pixels and objects; several",
        rich_help_panel=METHODS,
    ),
]
Protocols = Annotated[
    list[str] | None,
    typer.Option(
        help="no-ood, fgsm-val, oracle-val; methods without the requested protocol use their default; several",
        rich_help_panel=METHODS,
    ),
]
Naive = Annotated[bool, typer.Option(help="also run the image-statistics baseline", rich_help_panel=METHODS)]
Level = Annotated[
    list[str] | None,
    typer.Option(
        help="levels to run: image, pixel, object, as far as the task has them (default: all); pixel alone needs no "
        "in-distribution test images; several",
        rich_help_panel=METHODS,
    ),
]
LeaveOneOut = Annotated[
    bool,
    typer.Option(
        "--leave-one-out",
        help="with --level pixel: draw <ind>-anomalies on the fit images, and score each by fits without its image",
        rich_help_panel=METHODS,
    ),
]
PixelEvaluator = Annotated[
    str,
    typer.Option(
        help="exact, or smiyc: as SegmentMeIfYouCan's code evaluates score maps", rich_help_panel=METHODS
    ),
]
FalseAlarmRate = Annotated[
    float | None,
    typer.Option(help="false-alarm rate that thresholds are set for (default: .05)", rich_help_panel=METHODS),
]
FitLimit = Annotated[
    int | None,
    typer.Option(
        help="maximum number of training images that methods are fitted on (a seeded subset); networks train on all",
        rich_help_panel=METHODS,
    ),
]
CalibrateShare = Annotated[
    float | None,
    typer.Option(
        help="share of the test images that give calibration and thresholds, the rest is scored; for networks that "
        "were trained on the validation images (default: the validation images)",
        rich_help_panel=METHODS,
    ),
]
CalibrateOn = Annotated[
    str | None,
    typer.Option(
        help="set whose images give calibration and thresholds: folder:DIR, or the test part of another "
        "in-distribution set, segmentation:DIR, coco:DIR or file.py:Class; its labels are not read (default: the "
        "validation images)",
        rich_help_panel=METHODS,
    ),
]
McSamples = Annotated[int, typer.Option(help="Monte-Carlo samples per image", rich_help_panel=METHODS)]
Reduction = Annotated[
    str,
    typer.Option(help="reduction of latent maps: fullmean, mean, avgpool or raw", rich_help_panel=METHODS),
]
Confidence = Annotated[
    float, typer.Option(help="minimum confidence of a scored detection", rich_help_panel=METHODS)
]
Recipe = Annotated[
    str | None,
    typer.Option(
        help="anomaly recipe of <ind>-anomalies: a name, see --list, or a YAML file (default: by data set)",
        rich_help_panel=ANOMALIES,
    ),
]
Severity = Annotated[
    str,
    typer.Option(
        help="severity of <ind>-anomalies: mixed, 1 to 5, or all (every image five times)",
        rich_help_panel=ANOMALIES,
    ),
]
EveryKind = Annotated[
    bool,
    typer.Option(
        "--every-kind",
        help="apply every kind of the recipe to every image of <ind>-anomalies",
        rich_help_panel=ANOMALIES,
    ),
]
Out = Annotated[Path | None, typer.Option(help="output folder (default: runs/<ind>)", rich_help_panel=OUTPUT)]
Track = Annotated[
    list[str] | None,
    typer.Option(
        help="also log training curves and metrics to mlflow or tensorboard; several", rich_help_panel=OUTPUT
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="show sets, images, passes, trainings, estimated minutes and disk, and stop",
        rich_help_panel=OUTPUT,
    ),
]
List = Annotated[
    bool,
    typer.Option(
        "--list", help="show data sets, recipes, networks, presets and methods", rich_help_panel=OUTPUT
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="show tracebacks", rich_help_panel=OUTPUT)]
