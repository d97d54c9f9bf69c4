"""The critical-difference diagram (Demsar, JMLR 2006)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from leaderboards.analysis.ranks import ENOUGH, Ranks
from leaderboards.figures.style import PALETTE, save
from leaderboards.file_names import distinct

NUMBERED = 20
"""Ranks whose numbers stand side by side without touching."""


def ranks_figures(ranked: Mapping[str, Ranks], miniature: bool, out: Path) -> dict[Path, Ranks]:
    """A diagram per protocol: {file: ranks}."""
    found, short = {}, distinct(ranked)
    for protocol, ranks in ranked.items():
        name = "critical-difference" if len(ranked) == 1 else f"critical-difference-{short[protocol]}"
        found[out / f"{name}.png"] = ranks
        ranks_figure(ranks, f"{'MINIATURE  ' if miniature else ''}protocol {protocol}", out / f"{name}.png")
    return found


def ranks_figure(found: Ranks, title: str, path: Path) -> None:
    """The critical-difference diagram: an axis of mean ranks, the best on the left, bars under it."""
    names, count = list(found.mean), len(found.mean)
    half = (count + 1) // 2
    top = 0.9 + 0.22 * len(found.bars)
    height = top + 0.3 * half + 0.6
    figure = Figure(figsize=(8, 0.75 * height + 0.9), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlim=(1 - 0.45 * count, count + 0.45 * count), ylim=(-height, 1.5))
    axes.set_axis_off()
    axes.plot([1, count], [0, 0], color="black", linewidth=1)
    for rank in range(1, count + 1):
        axes.plot([rank, rank], [0, 0.15], color="black", linewidth=1)
        if rank == 1 or rank % (1 + count // NUMBERED) == 0:
            axes.text(rank, 0.25, str(rank), ha="center", fontsize=8)
    axes.plot([1, 1 + found.critical], [1.0, 1.0], color=PALETTE[1], linewidth=2)
    axes.text(1, 1.1, f"critical difference {found.critical:.2f}", color=PALETTE[1], fontsize=8)
    _names(axes, found.mean, names[:half], top, 1 - 0.05 * count, "right")
    _names(axes, found.mean, names[half:][::-1], top, count + 0.05 * count, "left")
    for i, (first, last) in enumerate(found.bars):
        ends = [found.mean[first] - 0.04, found.mean[last] + 0.04]
        axes.plot(ends, [-0.35 - 0.22 * i] * 2, color=PALETTE[0], linewidth=4, solid_capstyle="butt")
    few = f"; fewer than {ENOUGH} blocks: little power" if found.blocks < ENOUGH else ""
    axes.set_title(
        f"{title}\nmean rank by AUROC over {found.blocks} blocks, Friedman p = {found.p:.2g}{few}", fontsize=9
    )
    save(figure, path)


def _names(axes, mean: dict[str, float], names: Sequence[str], top: float, edge: float, side: str) -> None:  # type: ignore[no-untyped-def]
    for i, name in enumerate(names):
        y = -top - 0.3 * i
        axes.plot([mean[name], mean[name], edge], [0, y, y], color="grey", linewidth=0.8)
        text = f"{name}  {mean[name]:.2f} " if side == "right" else f" {mean[name]:.2f}  {name}"
        axes.text(edge, y, text, ha=side, va="center", fontsize=8)
