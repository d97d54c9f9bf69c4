"""What a run of the benchmark is asked to do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomalies.variants import SEVERITY_CHOICES
from benchmarks.tracking import check_trackers
from datamodules.imagesets.left_out import MAX_BAD
from datamodules.ood.outliers.clashes import one_place
from leaderboards.schema import LEVELS, PIXEL
from lsood.choices import PIXEL_EVALUATORS, PRECISIONS, PROTOCOLS, REDUCTIONS
from lsood.io import check_file, check_writable, expanded
from lsood.text import unknown
from networks.outside.classes import read_names
from networks.outside.spec import arguments_of

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Settings:
    """The options of ``python -m benchmarks.run``, checked, with a leading ``~`` of paths replaced.

    Attributes:
        false_alarm_rate: that thresholds are set for; None: 5 %, or the smallest that the validation images can give.
        fit_limit: at most so many training images fit the methods; networks train on all.
        calibrate_share: of the test images that give calibration and thresholds instead of the validation images.
        calibrate_on: set whose images give them instead: ``folder:PATH``, or the test part of an in-distribution set.
        max_bad: largest share of a set that may be left out because it cannot be read.
        network: a name, or a SPEC of a network of the user (`networks.outside.spec`). module: it itself, in place of a
            name. network_args: "name=value" of its constructor.
        classes: file with a class name per network output, in its order; None: those of the data set.
        mean, std: of the network's input, per channel in its order, for pixels in [0, input_range]; None: what the
            network states, else the data set's; with an input_range alone 0 and 1.
        channel_order: "rgb" or "bgr" of the network's input; None: what it states, else "rgb".
        latent_layer, feature_layers, head_layer: of the network; None, (), None: found.
        describe_network, dry_run: stop after showing what was found, what would be done.
        keep_together: text in file names; files equal up to its last occurrence stay in one part of a seeded split.
        features: files of measured features, "NAME=FILE" or "FILE", in place of network and images.
        track: of `benchmarks.tracking.TRACKERS`.
        training: arguments of `networks.TrainingConfig` in place of those of the preset or the default.
        trains_alone: networks are trained and nothing is measured; ``checkpoints`` is what they start from.
        out: folder that results and leaderboard are written to; None: nothing is written.
        progress: show progress bars on a terminal. command: that the results say they come from.
        levels: of the task that are run; () stands for all. pixel_evaluator: of `lsood.choices.PIXEL_EVALUATORS`.
        leave_one_out: <ind>-anomalies are drawn on the fit images, and scored by fits without the image they are on.
        keep_ratio: images of segmentation keep their aspect ratio, and image_size only bounds them.
        methods: as typed; () stands for the defaults of the task, see `benchmarks.tasks`.

    Raises:
        ValueError: an option that cannot work, in one line.
    """

    ind: str
    ood: tuple[str, ...]
    methods: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ("no-ood",)
    naive: bool = True
    levels: tuple[str, ...] = ()
    pixel_evaluator: str = "exact"
    leave_one_out: bool = False
    network: str | None = None
    module: nn.Module | None = field(default=None, repr=False, compare=False)
    preset: str | None = None
    network_args: tuple[str, ...] = ()
    checkpoints: tuple[Path, ...] = ()
    classes: Path | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channel_order: str | None = None
    input_range: float | None = None
    latent_layer: str | None = None
    feature_layers: tuple[str, ...] = ()
    head_layer: str | None = None
    describe_network: bool = False
    data_root: Path | None = None
    miniature: bool = False
    mc_samples: int = 16
    reduction: str = "fullmean"
    seeds: tuple[int, ...] = (0,)
    ensemble_size: int | None = None
    outliers: str | None = None
    epochs: int | None = None
    image_size: tuple[int, int] | None = None
    keep_ratio: bool = False
    limit: int | None = None
    recipe: str | None = None
    severity: str = "mixed"
    every_kind: bool = False
    device: str = "cpu"
    precision: str = "float32"
    batch_size: int = 32
    workers: int = 0
    out: Path | None = None
    download: bool = False
    false_alarm_rate: float | None = None
    fit_limit: int | None = None
    calibrate_share: float | None = None
    calibrate_on: str | None = None
    verify_data: bool = False
    max_bad: float = MAX_BAD
    confidence: float = 0.25
    keep_together: str | None = None
    features: tuple[str, ...] = ()
    track: tuple[str, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    trains_alone: bool = False
    dry_run: bool = False
    progress: bool = True
    command: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", expanded(self.out))
        if self.out is not None:
            check_writable(self.out, f"--out {self.out}")
        for name in ("ood", "protocols", "track", "levels"):
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))
        object.__setattr__(self, "data_root", expanded(self.data_root))
        object.__setattr__(self, "checkpoints", tuple(path.expanduser() for path in self.checkpoints))
        if not (self.ood or self.describe_network or self.trains_alone):
            raise ValueError("--ood needs at least one OoD set; see --list")
        if others := [p for p in self.protocols if p not in PROTOCOLS]:
            raise ValueError(
                f"--protocols: unknown protocol {others[0]!r}; protocols: {', '.join(PROTOCOLS)}"
            )
        self._check_levels()
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError("--seeds needs at least one seed, each once")
        if min(self.seeds) < 0:
            raise ValueError(f"--seeds must not be negative, got {min(self.seeds)}")
        if self.mc_samples < 2:
            raise ValueError(
                f"--mc-samples must be at least 2 (an entropy needs a spread), got {self.mc_samples}"
            )
        if self.reduction not in REDUCTIONS:
            raise ValueError(
                f"--reduction: unknown reduction {self.reduction!r}; known: {', '.join(REDUCTIONS)}"
            )
        if self.precision not in PRECISIONS:
            raise ValueError(f"--precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}")
        for name, value in (
            ("--batch-size", self.batch_size),
            ("--epochs", self.epochs),
            ("--limit", self.limit),
            ("--fit-limit", self.fit_limit),
        ):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.severity not in SEVERITY_CHOICES:
            raise ValueError(f"--severity must be 1 to 5, mixed or all, got {self.severity!r}")
        if self.ensemble_size is not None and self.ensemble_size < 2:
            raise ValueError(f"--ensemble-size must be at least 2, got {self.ensemble_size}")
        if not 0 <= self.confidence < 1:
            raise ValueError(f"--confidence must lie in 0 to below 1, got {self.confidence}")
        for name, share in (
            ("--false-alarm-rate", self.false_alarm_rate),
            ("--calibrate-share", self.calibrate_share),
        ):
            if share is not None and not 0 < share < 1:
                raise ValueError(f"{name} must lie above 0 and below 1, got {share}")
        if self.calibrate_on is not None:
            if self.calibrate_share is not None:
                raise ValueError("--calibrate-share and --calibrate-on exclude each other; name one of them")
            tested = (self.ind, *self.ood)
            if self.calibrate_on in tested or any(one_place(self.calibrate_on, name) for name in tested):
                raise ValueError(
                    f"--calibrate-on {self.calibrate_on}: this set is under test; --calibrate-share takes thresholds "
                    "from a part of the in-distribution test set"
                )
        if not 0 <= self.max_bad < 1:
            raise ValueError(f"--max-bad must lie in 0 to below 1, got {self.max_bad}")
        self._check_input()
        check_trackers(self.track)
        if self.workers < 0:
            raise ValueError(f"--workers must not be negative, got {self.workers}")
        if self.data_root is not None and not self.data_root.is_dir():
            raise FileNotFoundError(
                f"--data-root {self.data_root} does not exist; name the folder that holds the data sets"
            )
        arguments_of(self.network_args)
        if self.classes is not None:
            read_names(self.classes)
        for path in self.checkpoints:
            check_file(path, f"--checkpoint {path}")

    @property
    def rows_of_ind(self) -> bool:
        """Whether in-distribution validation and test images are scored: not where pixels of OoD images alone are."""
        return self.levels != (PIXEL,)

    def _check_levels(self) -> None:
        """Which rows are scored, and how pixels are."""
        if unknown_levels := [level for level in self.levels if level not in LEVELS]:
            raise unknown("level", unknown_levels[0], LEVELS)
        if self.leave_one_out and self.rows_of_ind:
            raise ValueError(
                "--leave-one-out draws anomalies on the images that are fitted on: it needs --level pixel"
            )
        if self.leave_one_out and self.fit_limit is not None:
            raise ValueError(
                "--leave-one-out fits on all training images but one: give --limit, not --fit-limit"
            )
        if self.pixel_evaluator not in PIXEL_EVALUATORS:
            raise ValueError(
                f"--pixel-evaluator must be one of {', '.join(PIXEL_EVALUATORS)}, got {self.pixel_evaluator!r}"
            )

    def _check_input(self) -> None:
        """What the network's input is said to be."""
        if self.channel_order not in (None, "rgb", "bgr"):
            raise ValueError(f"--channel-order must be rgb or bgr, got {self.channel_order!r}")
        if self.input_range not in (None, 1, 255):
            raise ValueError(f"--input-range must be 1 or 255, got {self.input_range:g}")
        if self.image_size is not None and min(self.image_size) < 1:
            raise ValueError(f"--image-size must be at least 1 1, got {' '.join(map(str, self.image_size))}")
        for name, values in (("--mean", self.mean), ("--std", self.std)):
            if wrong := [value for value in values or () if not math.isfinite(value)]:
                raise ValueError(f"{name} must be finite numbers, got {wrong[0]}")
        if self.std is not None and min(self.std) <= 0:
            raise ValueError(f"--std must be above 0, got {' '.join(f'{value:g}' for value in self.std)}")
        if (self.mean is None) != (self.std is None):
            raise ValueError("--mean and --std belong together; name both (--std 1 1 1 divides by nothing)")
        if self.mean is not None and self.std is not None and len(self.mean) != len(self.std):
            raise ValueError(
                f"--mean has {len(self.mean)} numbers, --std {len(self.std)}; one per channel each"
            )


def resolve_device(name: str) -> str:
    """ "auto", "cpu", "cuda" or "mps" to what is there. "auto" is a CUDA GPU, else the CPU: on an Apple GPU part of the
    measurement runs on the CPU all the same, which has to be asked for.

    Raises:
        ValueError: an unknown name, or a device that PyTorch does not see here.
    """
    if name not in ("auto", "cpu", "cuda", "mps"):
        raise ValueError(f"--device must be auto, cpu, cuda or mps, got {name!r}")
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: PyTorch sees no GPU here; use --device cpu")
    if name == "mps" and not torch.backends.mps.is_available():
        raise ValueError("--device mps: PyTorch sees no Apple GPU here; use --device cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
