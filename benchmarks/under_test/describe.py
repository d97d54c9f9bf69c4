"""``--describe-network``: the layers that a run would use, how they were found, and the network's input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table
from rich.text import Text
from torch import nn

from benchmarks.pipeline.config import Settings
from benchmarks.under_test.outside import adapted, of_user, opened, order_of
from benchmarks.under_test.training import build_network, from_checkpoint, network_name
from datamodules import BenchmarkDataModule
from lsood.text import shape_text
from networks.outside.configuration import InputConfig
from networks.outside.description import Row

HEADS = ("what", "layer", "shape of an image", "how found")
NAMED = ("feature_layers", "latent_layer", "region_layer", "region_dropout", "head_layer")
SHOWN = 20


def describe(settings: Settings, data: BenchmarkDataModule) -> Table:
    """The table of a run's network for a data set that is set up; nothing is trained.

    Raises:
        ValueError: what :func:`benchmarks.under_test.training.under_test` raises for a network that cannot be used.
    """
    name = network_name(settings, data)
    if settings.checkpoints:
        network = from_checkpoint(settings, data, settings.checkpoints[0]).network
    else:
        network = build_network(name, data, settings)
    title = f"{name} on {data.name}" + ("" if settings.checkpoints else ", with the weights it is built with")
    table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in HEADS:
        table.add_column(head, overflow="fold")
    rows = [*_layers(settings, data, network), *_input(settings, data), *_classes(settings, data, network)]
    for row in rows:
        table.add_row(*(Text(text) for text in (row.what, row.name, row.shape, row.how)))
    if notes := getattr(getattr(network, "description", None), "notes", ()):
        table.caption, table.caption_justify = Text("\n".join(notes), "yellow"), "left"
    return table


def _layers(settings: Settings, data: BenchmarkDataModule, network: nn.Module) -> Iterator[Row]:
    if not hasattr(network, "description"):
        network = adapted(settings, data, network)
    description: Any = getattr(network, "description", None)
    if description is not None:
        yield from (Row(*row) for row in description.rows)
        return
    for attribute in NAMED:
        named = getattr(network, attribute, None)
        for layer in (named,) if isinstance(named, str) else named or ():
            yield Row(attribute.replace("_", " "), layer, "named by the network")


def _input(settings: Settings, data: BenchmarkDataModule) -> Iterator[Row]:
    stated = opened(settings, data).input if of_user(settings) else InputConfig()
    given = settings.mean is not None or settings.input_range is not None
    ours, theirs, mine = "of the data set", "of the network's configuration", "given"
    yield Row(
        "input size",
        "",
        mine if settings.image_size else theirs if stated.image_size else ours,
        shape_text((data.channels, *data.image_size)),
    )
    how = mine if given else theirs if stated.mean else ours
    for what, values in (("mean", data.mean), ("std", data.std)):
        yield Row(f"input {what}", " ".join(f"{value:.4g}" for value in values), f"{how}; of RGB in 0 to 1")
    order = mine if settings.channel_order else theirs if stated.channel_order else "default"
    yield Row("channel order", order_of(settings, stated), order)


def _classes(settings: Settings, data: BenchmarkDataModule, network: nn.Module) -> Iterator[Row]:
    rows = getattr(network, "head_rows", None)
    how = "the data set's order" if rows is None else "matched by name"
    names = [n if rows is None else f"{n} ({rows[i]})" for i, n in enumerate(data.class_names)]
    more = f", ... ({len(names)})" if len(names) > SHOWN else ""
    yield Row("classes", ", ".join(names[:SHOWN]) + more, how, str(len(names)))
