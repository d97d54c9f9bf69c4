"""Which pictures of boxes in a folder of results belong to which board and OoD set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from leaderboards.boards import boards
from leaderboards.figures.scores import Place
from leaderboards.file_names import distinct
from leaderboards.schema import OBJECT, OodCell, Result
from leaderboards.store import box_picture_path, old_box_picture_path


def box_pictures(results: Sequence[Result], folder: Path) -> dict[Place, tuple[Path, str]]:
    """{place: (picture, its name beside the page)}. Every run writes the picture of a set anew: it is that of the
    newest result on the set. A picture of version 0.1, whose name can stand for several sets, is shown where
    only one fits.
    """
    newest: dict[str, tuple[Result, OodCell, str]] = {}
    for board in boards(results):
        for run, cell in [(r, c) for r in board.results for c in r.ood if r.level == OBJECT]:
            if cell.name not in newest or newest[cell.name][0].created <= run.created:
                newest[cell.name] = (run, cell, board.id)
    old = [old_box_picture_path(folder, name) for name in newest]
    found = {}
    for name, (_, cell, board_id) in newest.items():
        paths = [box_picture_path(folder, name)]
        if old.count(before := old_box_picture_path(folder, name)) == 1:
            paths.append(before)
        if path := next((path for path in paths if path.is_file()), None):
            found[board_id, name, cell.fingerprint] = path
    short = distinct(name for _, name, _ in found)
    return {place: (path, f"boxes-{short[place[1]]}.png") for place, path in found.items()}
