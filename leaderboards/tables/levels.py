"""What the three levels show in tables, as data: metrics, order, the reference row, titles and notes.

Titles, directions and explanations of metrics come from `lsood.metrics.table`: a new metric appears in CSV files and on
the page without a change here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboards.analysis.alarm_rates import RATE
from leaderboards.analysis.gain import NAIVE
from leaderboards.schema import IMAGE, OBJECT, PIXEL, MetricValue, OodCell
from lsood.metrics.table import OPEN_SET, PIXELS, ROWS, names
from lsood.registry import Registry

RANDOM = "random"
ARROWS = {"higher": "↑", "lower": "↓"}


@dataclass(frozen=True)
class Column:
    """A column of figures: key of a row, head, direction, explanation; ``count`` is not shown in percent."""

    name: str
    title: str
    better: str
    about: str
    count: bool = False

    @property
    def head(self) -> str:
        """The title with an arrow in the better direction."""
        return f"{self.title} {ARROWS.get(self.better, '')}".rstrip()


GAIN = Column("gain", "gain", "higher", "share of the baseline's distance to AUROC 1 that is gained")
SECONDS = Column(
    "seconds",
    "fit+score, s",
    "lower",
    "seconds of fitting, tuning and calibration, and of scoring the rows of all sets of the run, without any pass over "
    "images, also those that this method alone needs (earlier results: with metrics and intervals)",
)
FURTHER = {column.name: column for column in (GAIN, SECONDS)}


@dataclass(frozen=True)
class View:
    """Metrics that stand in one table.

    Attributes:
        table: of `lsood.metrics.table`. leading: the metric that rows are sorted by; shown with its interval.
        block: of a cell that holds them, "" for its main metrics. heading: above the table.
        terminal, markdown: what these tables show, by name and in order; empty: every metric.
    """

    table: Registry
    leading: str
    block: str = ""
    heading: str = ""
    terminal: Sequence[str] = ()
    markdown: Sequence[str] = ()

    def columns(self, chosen: Sequence[str] = ()) -> list[Column]:
        """The chosen columns, by default every metric of the table, the leading one first."""
        every = sorted(names(self.table), key=lambda name: name != self.leading)
        return [FURTHER.get(name) or _column(self.table, name) for name in chosen or every]


def _column(table: Registry, name: str) -> Column:
    title, better, about = (str(table.about(name, field)) for field in ("title", "better", "about"))
    return Column(name, title, better, about, bool(table.about(name, "count", False)))


@dataclass(frozen=True)
class Level:
    """How the results of a level are shown.

    Attributes:
        name: in results. rows: what a row is. prefix: of titles. csv: name of the file.
        views: the tables. reference: name of the row that is shown apart and never ranked: a method, or RANDOM for
            what a random score reaches on the set.
        sizes: how many rows there are, filled with the fields of a row of the table.
        note: what the figures mean beyond the metrics' own explanations.
        strata_note: the same for kinds and severities.
        counts: further counts of a cell. settings: of a run that belong to a row.
        means: block of the same metrics as means over images, and what it is called.
        intervals: metrics that are shown with their intervals, beside the leading ones. best: mark the best of each.
        scale: of the leading metric's colours in tables by kind: darkest and brightest.
    """

    name: str
    rows: str
    prefix: str
    csv: str
    views: tuple[View, ...]
    reference: str
    sizes: str
    note: str
    strata_note: str = ""
    counts: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    means: tuple[str, str] | None = None
    intervals: Sequence[str] = ()
    best: bool = False
    scale: tuple[float, float] = (0.4, 1.0)

    @property
    def leading(self) -> Column:
        """The metric that rows are sorted by first."""
        return self.views[0].columns()[0]

    @property
    def columns(self) -> list[Column]:
        """Every metric of every view."""
        return [column for view in self.views for column in view.columns()]

    def metrics(self, cell: OodCell) -> dict[str, MetricValue]:
        """Of a cell: those of all views."""
        blocks = [cell.blocks[view.block].metrics for view in self.views if view.block in cell.blocks]
        return {**cell.metrics, **{name: value for block in blocks for name, value in block.items()}}


IMAGES = Level(
    name=IMAGE,
    rows="images",
    prefix="",
    csv="leaderboard.csv",
    views=(
        View(
            ROWS,
            "auroc",
            terminal=("auroc", "gain", "fpr95", "aupr_out", RATE, "seconds"),
            markdown=("auroc", "gain", "fpr95", "aupr_out", "aupr_in", RATE),
        ),
    ),
    reference=NAIVE,
    intervals=(RATE,),
    sizes="{n_in} / {n_out} images",
    note="AUPR depends on the numbers of in-distribution and OoD images. Intervals are 95 %: closed forms, see "
    "Intervals in docs/methods.md (earlier results: DeLong for AUROC, of length 0 at AUROC 0 and 1, and bootstrap over "
    "images). If anomalies were generated on the in-distribution test images, images count by their source, and frames "
    "of a sequence by blocks; metrics other than AUROC then have a bootstrap.",
    strata_note="By kind and severity: AUROC of the images of a kind or severity against all in-distribution images; "
    "intervals as in the tables above. Cells with fewer than 5 images are blank. 50 is chance: the anomaly "
    "is missed. Below 50 anomalous images score lower than normal ones.",
)
PIXEL_LEVEL = Level(
    name=PIXEL,
    rows="pixels",
    prefix="Pixels: ",
    csv="pixels.csv",
    views=(View(PIXELS, "ap"),),
    reference=RANDOM,
    sizes="{n_images} images with masks",
    note="The pixels of all images with an anomaly mask are pooled, at the size of the masks (of results that name no "
    "evaluator: at the network's input size), without ignored pixels; exact for float16 scores, with evaluator smiyc "
    "at the thresholds of SegmentMeIfYouCan's code. AP depends on the share of anomalous pixels, which is the AP of a "
    "random score. "
    "sIoU, PPV and F1 comp. are computed on components at the threshold of F1*, as in SegmentMeIfYouCan. Intervals are "
    "95 %, Wilson's with the variance of a bootstrap over source images.",
    strata_note="By kind and severity: AP over the pixels of the images of a kind or severity. AP depends on the share "
    "of anomalous pixels: compare methods on one kind, not kinds with each other. Cells with fewer than 5 images are "
    "blank.",
    counts=("ignored",),
    settings=("pixel_evaluator",),
    means=("image-means", "mean over images"),
    intervals=names(PIXELS),
    scale=(0.0, 1.0),
)
OBJECTS = Level(
    name=OBJECT,
    rows="detections",
    prefix="Objects: ",
    csv="objects.csv",
    views=(
        View(
            ROWS,
            "auroc",
            heading="objects",
            terminal=("auroc", "fpr95", "aupr_out", RATE),
            markdown=("auroc", "fpr95", "aupr_out", RATE),
        ),
        View(OPEN_SET, "unknown_ap", block="open-set", heading="unknown objects"),
    ),
    reference="",
    intervals=(RATE,),
    sizes="{n_in} / {n_out} detections of confidence {confidence:g} and more",
    note="OoD rows are the detections on OoD images. A detection finds one object, by IoU ≥ 0.5; R_U, missed and "
    "classified as known add up to 100. A-OSE is a count. The threshold for flagging comes from detections on "
    "in-distribution validation images. Intervals are 95 %, Wilson's with the variance of a bootstrap over images.",
    counts=("unknown", "flagged", "taken", "missed"),
    settings=("confidence",),
    best=True,
)
LEVELS = {level.name: level for level in (IMAGES, PIXEL_LEVEL, OBJECTS)}
