"""Console output of the commands: one-line errors, exit codes, progress bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from anomalies.recipe import Recipe, default_recipe, recipe_names

console = Console(stderr=True)
FAILED, BAD_USAGE = 1, 2


@contextmanager
def reporting(code: int, debug: bool) -> Iterator[None]:
    """Context in which expected errors are printed in one line and become an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on where it stopped")
        raise typer.Exit(FAILED) from None
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        if debug:
            raise
        console.print(f"error: {one_line(error)}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(code) from None


def one_line(error: BaseException) -> str:
    """The message of an error; what the system says, with the file, for system errors without one."""
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{where}"
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar; call what it gives with (done, total)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def recipe_of(name: str | None, ind: str | None = None) -> Recipe:
    """A shipped recipe by name, or a user's by its file.

    Args:
        name: of the recipe or file; "reference" alone means the data set's own, where it has none that of
            Cityscapes; None: the data set's default.
        ind: name of the data set.

    Raises:
        ValueError, FileNotFoundError: neither, or a file that is no recipe.
    """
    if name is None:
        return default_recipe(ind or "")
    shipped = recipe_names()
    for owner in (ind, "cityscapes"):
        if name not in shipped and f"{name}/{owner}" in shipped:
            return Recipe.named(f"{name}/{owner}")
    if name not in shipped and (name.endswith((".yaml", ".yml")) or Path(name).is_file()):
        return Recipe.load(name)
    return Recipe.named(name)
