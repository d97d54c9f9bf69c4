"""What the intervals of a run assume, told once it has scored."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.pipeline.scored import Scored
from lsood.io import log


def tell_intervals(scored: Sequence[Scored]) -> list[str]:
    """Warn where there are no intervals, because frames of a sequence are too few independent ones, and name the sets
    whose images are taken as independent. Returns the warnings, one per level and OoD set.
    """
    lines, independent = [], dict[str, None]()
    for level, ood in dict.fromkeys((one.level, cell.name) for one in scored for cell in one.cells):
        known = {
            one.method: cell.intervals
            for one in scored
            for cell in one.cells
            if (one.level, cell.name) == (level, ood) and cell.intervals is not None
        }
        if known and not any(one.sequences[-1] for one in known.values()):
            independent[ood] = None
        if few := [name for name, one in known.items() if one.failure]:
            lines.append(f"{level} level, {ood}: no intervals for {', '.join(few)}: {known[few[0]].failure}")
    if independent:
        log.info("intervals assume independent images of %s", ", ".join(independent))
    for line in lines:
        log.warning(line)
    return lines
