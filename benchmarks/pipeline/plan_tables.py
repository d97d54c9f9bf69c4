"""A plan as a person reads it: ``python -m benchmarks.run --dry-run``."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from rich.table import Table

from benchmarks.cache_entries import human
from benchmarks.pipeline.plan import Plan, SeedPlan
from datamodules import ImageSet

RESULT, SCORE = 30_000, 24
"""Bytes of a result without its scores, and of a score."""


def tables(plan: Plan) -> list[RenderableType]:
    """Sets, trainings, passes, and what they add up to."""
    found: list[RenderableType] = [_sets(plan)]
    found += [f"missing: {name}: {why}" for name, why in plan.missing.items()]
    for seed in plan.seeds:
        found += [_trainings(seed), _passes(seed)]
        found += [f"not counted: {note}" for note in seed.notes]
        found += [f"{method} will fail: {why}" for method, why in seed.failures.items()]
    return [*found, *_total(plan)]


def _sets(plan: Plan) -> Table:
    table = Table("set", "images", "origin", "where", title="sets")
    rows = {f"{plan.data.name}, {part}": images for part, images in plan.data.sets.items()}
    for name, images in {**rows, **plan.data.ood_sets}.items():
        where = str(_place(images) or plan.data.root or "")
        table.add_row(name, str(len(images)), images.origin, where)
    return table


def _place(images: ImageSet) -> object:
    """The folder that images are read from; None where they are in no files of their own."""
    return getattr(images.read_from(0)[0] if len(images) else images, "root", None)


def _trainings(plan: SeedPlan) -> Table:
    table = Table("network", "seed", "epochs", "state", "estimate", title=f"trainings, seed {plan.seed}")
    for one in plan.trainings:
        state, seconds = ("in the cache", "") if one.cached else ("needed", _time(plan.training_seconds(one)))
        table.add_row(one.name, str(one.seed), str(one.epochs), state, seconds)
    if not plan.trainings:
        table.add_row("none: the weights are given", "", "", "", "")
    return table


def _passes(plan: SeedPlan) -> Table:
    title = f"passes, seed {plan.seed}"
    table = Table("set", "images", "forwards an image", "images to forward", "estimate", "disk", title=title)
    for one in plan.passes:
        cells = (str(one.forwards), str(one.images * one.forwards), _time(one.seconds), _size(one.size))
        cells = cells if one.forwards else ("0: in the cache", "0", "", "")
        table.add_row(one.title, str(one.images), *cells)
    return table


def _total(plan: Plan) -> list[str]:
    trainings = [seed.training_seconds(one) for seed in plan.seeds for one in seed.trainings]
    passes = [one.seconds for seed in plan.seeds for one in seed.passes]
    sizes = [one.size for seed in plan.seeds for one in seed.passes]
    weights = sum(seed.weights for seed in plan.seeds for one in seed.trainings if not one.cached)
    scored = len(plan.data.sets["test"]) + sum(map(len, plan.data.ood_sets.values()))
    rows = sum(len(names) for seed in plan.seeds for names in seed.methods.values())
    images = sum(one.images * one.forwards for seed in plan.seeds for one in seed.passes)
    parts = [_time(_sum(trainings)), _time(_sum(passes)), _time(_sum([*trainings, *passes]))]
    return [
        f"network {plan.network}: {images} images to forward",
        f"estimate: trainings {parts[0]}, passes {parts[1]}, together {parts[2]}; measured on a few batches of this "
        "machine just now, without fitting, scoring and pages",
        f"disk, estimate: weights {human(weights)}, activations {_size(_sum(sizes))}, "
        f"results {human(rows * (RESULT + SCORE * scored))}",
        "nothing was trained or measured; run the same command without --dry-run",
    ]


def _sum(values: Iterable[float | None]) -> float | None:
    """The sum; None where one is not known."""
    values = list(values)
    return None if None in values else sum(value for value in values if value is not None)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "not known"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _size(size: float | None) -> str:
    return "not known" if size is None else human(size)
