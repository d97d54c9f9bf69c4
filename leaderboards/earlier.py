"""What results of earlier versions of schema 2 did not record, or recorded otherwise."""

from __future__ import annotations

from typing import Any

NOISE = ("bright-noise", "gaussian-noise", "mnist-noise", "uniform-noise")


def completed(content: Any) -> Any:
    """The JSON of a result with what follows from the names of its OoD sets: what is synthetic, and another origin than
    "official" for noise and for folders of the user. What has another form is left as it is, to be refused.
    """
    cells = content.get("ood") if isinstance(content, dict) else None
    if not isinstance(cells, list):
        return content
    return content | {"ood": [_completed(cell) if isinstance(cell, dict) else cell for cell in cells]}


def _completed(cell: dict[str, Any]) -> dict[str, Any]:
    name, origin = cell.get("name"), cell.get("origin")
    if "synthetic" in cell or not isinstance(name, str):
        return cell
    drawn = name.startswith("generated:") or name.endswith("-anomalies")
    synthetic = "noise" if name in NOISE else "anomalies" if drawn else ""
    if origin == "official" and name.startswith(("folder:", "generated:")):
        origin = "own"
    if origin == "official" and name in NOISE and name != "mnist-noise":
        origin = "generated"
    return cell | {"synthetic": synthetic, "origin": origin}
