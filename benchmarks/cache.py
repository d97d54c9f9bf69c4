"""What the cache holds, and how to make room: ``python -m benchmarks.cache list``, ``... prune --older-than 90``."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.table import Table

from benchmarks.cache_entries import (
    ACTIVATIONS,
    KINDS,
    MINIATURE,
    NETWORK,
    Entry,
    entries,
    human,
    remove,
    size_of,
    unreadable,
)
from datamodules.locate import cache_dir
from lsood.command import BAD_USAGE, FAILED, reporting
from lsood.io import DAY
from lsood.terminal import Terminal

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
Debug = Annotated[bool, typer.Option("--debug", help="show tracebacks")]


@app.callback()
def main() -> None:
    """Show and prune the cache folder: $LSOOD_CACHE, else ~/.cache/lsood-bench."""


@app.command("list")
def list_(debug: Debug = False) -> None:
    """Show miniatures, trained networks and activations with size and last use."""
    with reporting(FAILED, debug):
        _show(entries())
        cache = cache_dir()
        size = size_of(cache) if cache.is_dir() else 0
        Terminal().print(f"{cache}: {human(size)} in all", markup=False, soft_wrap=True)


@app.command(epilog="Example: python -m benchmarks.cache prune --older-than 90 --activations")
def prune(
    older_than: Annotated[
        float | None, typer.Option(help="days since the last use (of miniatures: since they were made)")
    ] = None,
    networks: Annotated[bool, typer.Option("--networks", help="trained networks")] = False,
    activations: Annotated[bool, typer.Option("--activations", help="activations")] = False,
    miniatures: Annotated[bool, typer.Option("--miniatures", help="generated miniatures")] = False,
    damaged: Annotated[
        bool, typer.Option("--unreadable", help="only what is damaged; reads all of it")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would be removed, and stop")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    debug: Debug = False,
) -> None:
    """Remove entries of the cache. Without a kind: of all kinds. Shows them and asks first.

    What is removed is made anew when a run needs it. Entries that a process is writing are left.
    """
    with reporting(BAD_USAGE, debug):
        kinds = [
            kind for kind, asked in zip(KINDS, (miniatures, networks, activations), strict=True) if asked
        ]
        if older_than is None and not kinds and not damaged:
            raise ValueError(
                "name what to remove: --older-than DAYS, --networks, --activations, --miniatures or --unreadable"
            )
        if older_than is not None and older_than < 0:
            raise ValueError(f"--older-than must not be negative, got {older_than:g}")
    output = Terminal()
    with reporting(FAILED, debug):
        latest = time.time() - (older_than or 0) * DAY
        chosen = [
            entry
            for entry in entries()
            if entry.kind in (kinds or KINDS) and (older_than is None or entry.used < latest)
        ]
        chosen = [entry for entry in chosen if unreadable(entry)] if damaged else chosen
        _show(chosen)
        if dry_run or not chosen:
            output.print("nothing was removed")
            return
        if not yes and not _agreed(f"remove {len(chosen)} entries, {human(sum(e.size for e in chosen))}?"):
            output.print("nothing was removed")
            return
        left = {entry: why for entry in chosen if (why := remove(entry)) is not None}
        for entry, why in left.items():
            output.print(f"left: {entry.path} ({why})", markup=False, soft_wrap=True)
        size = sum(entry.size for entry in chosen if entry not in left)
        output.print(f"removed {len(chosen) - len(left)} entries, {human(size)}")


def _show(found: list[Entry]) -> None:
    titles = {MINIATURE: "miniatures", NETWORK: "networks", ACTIVATIONS: "activations"}
    for kind in KINDS:
        own = [entry for entry in found if entry.kind == kind]
        if not own:
            continue
        table = Table("what", "folder", "size", "last use", title=titles[kind])
        for entry in own:
            used = "being written" if entry.in_use else _age(time.time() - entry.used)
            table.add_row(entry.what, entry.path.name[:12], human(entry.size), used)
        table.add_row("", "", human(sum(entry.size for entry in own)), "", style="bold")
        Terminal().print(table)


def _age(seconds: float) -> str:
    return "today" if seconds < DAY else f"{seconds / DAY:.0f} d ago"


def _agreed(question: str) -> bool:
    try:
        return typer.confirm(question)
    except typer.Abort:  # nobody is there to answer
        return False


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.cache")
