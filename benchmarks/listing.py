"""What there is to choose from: ``python -m benchmarks.run --list``. Read from the registries; imports no torch."""

from __future__ import annotations

from rich.table import Table

from anomalies.recipe import Recipe, recipe_names
from benchmarks.tasks import TASKS
from datamodules.registry import DATAMODULES, ood_descriptions
from lsood import method_table
from networks.presets import PRESETS
from networks.registry import NETWORKS

OWN = {
    "folder:DIR": ("classification", "all images below a folder"),
    "segmentation:DIR": ("segmentation", "images/, with anomaly masks where the folder has them"),
    "coco:DIR": ("detection", "images and labels in COCO's format"),
    "coco-masks:DIR": ("segmentation", "the same with masks"),
    "file.py:Class": ("", "test images of a data module of yours"),
}
"""{data set of the user: (task as --ind, what --ood reads)}."""


def listing() -> list[Table]:
    """Every in-distribution set, OoD set, recipe, network, preset and method."""
    return [_sets(), _ood_sets(), _recipes(), _networks(), _presets(), *_methods(), _method_groups()]


def _sets() -> Table:
    table = Table("in-distribution set", "task", "classes", "default network", title="--ind")
    for name in DATAMODULES:
        classes = DATAMODULES.about(name, "class_names", ())
        network = DATAMODULES.about(name, "default_network", "")
        table.add_row(name, DATAMODULES.about(name, "task", ""), str(len(classes) or ""), network)
    for spec, (task, _) in OWN.items():
        table.add_row(spec, task, "", "")
    return table


def _ood_sets() -> Table:
    table = Table("OoD set", "what it is", title="--ood")
    for name, description in ood_descriptions().items():
        table.add_row(name, description)
    table.add_row("anomalies", "short for <ind>-anomalies; behind folder:DIR and the others too")
    for spec, (_, description) in OWN.items():
        table.add_row(spec, description)
    table.add_row("generated:DIR", "a set made by python -m anomalies.generate")
    return table


def _recipes() -> Table:
    table = Table("recipe", "kinds", title="--recipe (or a YAML file)")
    for name in recipe_names():
        table.add_row(name, ", ".join(dict.fromkeys(entry.kind for entry in Recipe.named(name).entries)))
    return table


def _networks() -> Table:
    table = Table("network", "task", "what it is", title="--network")
    for name in NETWORKS:
        table.add_row(name, NETWORKS.about(name, "task", ""), NETWORKS.about(name, "description", ""))
    return table


def _presets() -> Table:
    table = Table("preset", "network", "source", title="--preset")
    for name, preset in PRESETS.items():
        table.add_row(name, preset.network, preset.paper)
    return table


def _methods() -> list[Table]:
    """A table per group: one line a method where the terminal has 120 columns."""
    found = []
    for heading, rows in method_table.tables().items():
        table = Table("method", "levels", "cost", "protocols", "paper", title=f"--methods: {heading.lower()}")
        for row in rows:
            table.add_row(row.name, row.levels, row.cost, row.protocols, row.paper)
        found.append(table)
    return found


def _method_groups() -> Table:
    title = "--methods (NAME@k=10 sets arguments; scores, fit sets and checks of all: docs/methods.md)"
    table = Table("stands for", "methods", title=title)
    table.add_row("post-hoc", "all that need neither OoD images nor further networks")
    table.add_row("all", "these and those with further networks")
    for task in TASKS:
        defaults = TASKS.about(task, "default_methods", {}).get("image", ())
        table.add_row(f"none given, {task}", ", ".join(defaults))
    return table
