"""Variants: how often and at which severities a recipe is applied to every image of a set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from anomalies.base import SEVERITIES

SEVERITY_CHOICES = ("mixed", "all", *map(str, SEVERITIES))


@dataclass(frozen=True)
class Variant:
    """One anomalous version of every image.

    Attributes:
        name: folder of its files.
        severity: 1 to 5; None: drawn per image.
        entry: of the recipe; None: drawn per image.
    """

    name: str
    severity: int | None = None
    entry: int | None = None


def variants(kinds: Sequence[str], severity: str = "mixed", every_kind: bool = False) -> tuple[Variant, ...]:
    """The anomalous versions of every image.

    Args:
        kinds: of the recipe's entries.
        severity: "mixed" (as the recipe says), "all" (every image five times), or "1" to "5".
        every_kind: each entry of the recipe on each image, instead of one by weight.
    """
    severities: list[tuple[str, int | None]] = [("mixed", None)]
    if severity != "mixed":
        chosen = SEVERITIES if severity == "all" else (int(severity),)
        severities = [(str(value), value) for value in chosen]
    if every_kind:
        return tuple(
            Variant(f"{name}/{label}", value, entry)
            for entry, name in enumerate(_unique(kinds))
            for label, value in severities
        )
    if severity == "all":
        return tuple(Variant(f"severity-{label}", value) for label, value in severities)
    return (Variant("anomalous", severities[0][1]),)


def _unique(names: Sequence[str]) -> list[str]:
    total, seen, unique = Counter(names), Counter[str](), []
    for name in names:
        seen[name] += 1
        unique.append(name if total[name] == 1 else f"{name}-{seen[name]}")
    return unique
