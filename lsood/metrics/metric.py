"""What a metric is: its name in results, its title in tables, which direction is better, how it is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lsood.metrics.curve import Array, Curve


@dataclass(frozen=True)
class Metric:
    """A metric; all but the function are literals, so that tables need not import it.

    Attributes:
        name: key in results and CSV columns. title: column head in tables.
        better: "higher", "lower", or what else it should be, "as stated".
        order: position among the columns.
        about: one clause for the notes below tables.
        compute: (curve, threshold) -> (R,), one value per resample; None: computed elsewhere together with others.
        count: a count, not a share in [0, 1] that tables show in percent.
        interval: (curve of R draws of images, each once; threshold) -> 95 % intervals (R,), (R,) in closed form, of
            independent images; None: bootstrap, as where images depend on each other.
        known_alone: depends on in-distribution rows alone, so that its interval does too.
        lowest, highest: bounds of its values; None: no upper one.
    """

    name: str
    title: str
    better: str
    order: int
    about: str
    compute: Callable[[Curve, float], Array] | None = None
    count: bool = False
    interval: Callable[[Curve, float], tuple[Array, Array]] | None = None
    known_alone: bool = False
    lowest: float = 0.0
    highest: float | None = 1.0

    def of(self, curve: Curve, threshold: float) -> Array:
        """(R,) values for a curve."""
        if self.compute is None:
            raise TypeError(f"{self.name} is not computed from a curve")
        return self.compute(curve, threshold)
