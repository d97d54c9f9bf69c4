"""Command that renders the kinds on an image of the user: ``python -m anomalies.preview --image FILE``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from anomalies.base import SEVERITIES, Image
from anomalies.drawing import draw_once
from anomalies.recipe import Entry, Recipe, recipe_of
from anomalies.registry import ANOMALIES
from anomalies.scene import Scene
from anomalies.sets.codec import encode_png
from anomalies.sets.console import console, progress
from anomalies.sets.reading import read_image
from anomalies.sets.summary.sheet import outlined, sheet
from lsood.command import BAD_USAGE, reporting
from lsood.images.depth import warn_of_depth
from lsood.io import write_bytes
from lsood.text import shown

KEY = "preview"
CLEAN = "clean"
DATA, ANOMALY, OUTPUT = "Data", "Anomalies", "Output"

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


def every_kind() -> Recipe:
    """All kinds with their own parameters."""
    return Recipe("all kinds", tuple(Entry(kind) for kind in ANOMALIES))


def preview(
    image: Image,
    recipe: Recipe,
    *,
    seed: int = 0,
    width: int = 256,
    scene: Scene | None = None,
    outlines: bool = False,
    watch: Callable[[int, int], None] | None = None,
) -> Image:
    """Each kind of a recipe at five severities on one sheet, the first row clean.

    Args:
        image: (H, W, 3) RGB or (H, W, 1) grey uint8.
        seed: of the anomalies.
        width: of the small images, in pixels.
        scene: labels and depth, for kinds that depend on them.
        outlines: draw the outlines of the masks.
        watch: called with (kinds done, kinds).

    Returns:
        (h, w, 3) uint8 RGB.
    """
    kinds = {entry.kind: entry for entry in recipe.entries}
    columns = [str(severity) for severity in SEVERITIES]
    cells = {(CLEAN, columns[0]): outlined(image, None, width)}
    for done, (kind, entry) in enumerate(kinds.items(), 1):
        for severity in SEVERITIES:
            drawn = draw_once(entry.anomaly(severity), image, KEY, seed, scene or Scene())
            cells[kind, str(severity)] = outlined(drawn.image, drawn.mask if outlines else None, width)
        if watch is not None:
            watch(done, len(kinds))
    return sheet(cells, [CLEAN, *kinds], columns, width)


@app.command(epilog="Example: python -m anomalies.preview --image frame.png --out sheet.png")
def main(
    image: Annotated[Path, typer.Option(help="image file", rich_help_panel=DATA)],
    recipe: Annotated[
        str | None,
        typer.Option(
            help="show only its kinds, with its parameters: a shipped recipe or a YAML file",
            rich_help_panel=ANOMALY,
        ),
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="show only this kind; may be repeated", rich_help_panel=ANOMALY)
    ] = None,
    seed: Annotated[int, typer.Option(help="seed of the anomalies", rich_help_panel=ANOMALY)] = 0,
    out: Annotated[Path, typer.Option(help="PNG file to write", rich_help_panel=OUTPUT)] = Path(
        "preview.png"
    ),
    width: Annotated[
        int, typer.Option(help="width of the thumbnails in pixels", rich_help_panel=OUTPUT)
    ] = 256,
    outlines: Annotated[
        bool, typer.Option("--outlines", help="draw the outlines of the masks", rich_help_panel=OUTPUT)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show tracebacks", rich_help_panel=OUTPUT)] = False,
) -> None:
    """Show every kind of anomaly at all five severities on one image."""
    with reporting(BAD_USAGE, debug), progress("drawing") as watch:
        if not 16 <= width <= 2048:
            raise ValueError(f"--width must be 16 to 2048, got {width}")
        chosen = every_kind() if recipe is None else recipe_of(recipe)
        if kind:
            chosen = replace(chosen, entries=tuple(_entry(chosen, name) for name in kind))
        image, out = image.expanduser(), out.expanduser()
        if out.resolve() == image.resolve():
            raise ValueError(f"--out {out} is the image itself: choose another file")
        pixels, _ = read_image(image)
        warn_of_depth(f"--image {shown(image)}", [image])
        page = preview(pixels, chosen, seed=seed, width=width, outlines=outlines, watch=watch)
        write_bytes(out, encode_png(np.ascontiguousarray(page)))
    console.print(f"{shown(out)}: {len(chosen.entries)} kinds", markup=False, soft_wrap=True)


def _entry(recipe: Recipe, kind: str) -> Entry:
    """The recipe's entry of a kind; any other kind with its own parameters."""
    return next((entry for entry in recipe.entries if entry.kind == kind), None) or Entry(kind)


if __name__ == "__main__":
    app(prog_name="python -m anomalies.preview")
