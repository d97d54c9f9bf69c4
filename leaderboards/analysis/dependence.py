"""Which images of stored scores depend on each other: those made from one source, and frames of one sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leaderboards.schema import Intervals

if TYPE_CHECKING:
    import pandas as pd

    from lsood.metrics.resampling import Blocks, Sources

OTHER_SET = "other set/"
MADE_FROM = {
    "cifar10-c-generated": "cifar10",
    "drive-synood-od": "bdd100k",
    "drive-synood-od-hiconf": "bdd100k",
}
"""{OoD set: the in-distribution set whose test images it was made from}, beside ``<ind>-anomalies``."""


def on_test_images(ind: str, ood: str) -> bool:
    """Whether the images of an OoD set were made from the in-distribution test images themselves."""
    return ood == f"{ind}-anomalies" or MADE_FROM.get(ood) == ind or ood.startswith("generated:")


def dependence(
    scores_in: pd.DataFrame, scores_out: pd.DataFrame, paired: bool
) -> tuple[Sources, dict[str, str]]:
    """Names of the sources of both sides' images, and {source: its sequence} of those whose sequence is known.

    Args:
        scores_in, scores_out: columns key, and where known source and sequence.
        paired: see :func:`on_test_images`.
    """
    sides: list[list[str]] = []
    sequences: dict[str, str] = {}
    for scores, prefix in ((scores_in, ""), (scores_out, "" if paired else OTHER_SET)):
        of = scores["source"].fillna(scores["key"]) if "source" in scores else scores["key"]
        names = [f"{prefix}{source}" for source in of]
        sides.append(names)
        if "sequence" in scores:
            there = scores["sequence"].notna()
            known = zip(names, scores["sequence"], there, strict=True)
            sequences |= {name: f"{prefix}{sequence}" for name, sequence, is_known in known if is_known}
    return (sides[0], sides[1]), sequences


def image_blocks(scores_in: pd.DataFrame, scores_out: pd.DataFrame, paired: bool) -> Blocks:
    """The images of one method's scores in blocks, see :func:`dependence`; with a column score."""
    from lsood.metrics.resampling import Blocks

    sources, sequences = dependence(scores_in, scores_out, paired)
    return Blocks.fitting([scores_in["score"], scores_out["score"]], sources, sequences)


def intervals_of(blocks: Blocks) -> Intervals:
    """What intervals over these blocks rest on, as it stands in results."""
    return Intervals(list(blocks.sequences), blocks.length, round(blocks.fewest, 1), blocks.too_few)
