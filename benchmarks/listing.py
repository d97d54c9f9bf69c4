"""What there is to choose from: ``python -m benchmarks.run --list``."""

from __future__ import annotations

from rich.table import Table

import networks
from anomalies import Recipe, recipe_names
from benchmarks.naive import Naive
from benchmarks.pipeline.config import METHODS
from datamodules import DATAMODULES, ood_descriptions
from lsood.methods import registered


def listing() -> list[Table]:
    """Every in-distribution set, OoD set, recipe, network and method."""
    sets = Table("in-distribution set", "task", "classes", "default network", title="--ind")
    for name in DATAMODULES:
        classes = len(DATAMODULES.about(name, "class_names"))
        network = DATAMODULES.about(name, "default_network") or ""
        sets.add_row(name, DATAMODULES.about(name, "task"), str(classes), network)
    ood = Table("OoD set", "what it is", title="--ood")
    for name, description in ood_descriptions().items():
        ood.add_row(name, description)
    ood.add_row("folder:PATH", "any folder of images")
    ood.add_row("generated:PATH", "a set of python -m anomalies.generate")
    recipes = Table("recipe", "kinds", title="--recipe (or a YAML file)")
    for name in recipe_names():
        recipes.add_row(name, ", ".join(dict.fromkeys(entry.kind for entry in Recipe.named(name).entries)))
    nets = Table("network", "task", "what it is", title="--network")
    for name, spec in networks.NETWORKS.items():
        nets.add_row(name, spec.task, spec.description)
    methods = Table(
        "method",
        "protocols",
        "paper",
        "by default",
        title="--methods (groups: post-hoc, all; NAME@k=10 sets arguments)",
    )
    for name, kind in registered().items():
        methods.add_row(
            name, ", ".join(kind.protocols), kind.paper, "yes" if name in (*METHODS, Naive.name) else ""
        )
    return [sets, ood, recipes, nets, methods]
