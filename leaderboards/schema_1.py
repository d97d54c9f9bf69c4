"""Results of schema 1, which had a record of its own for each level, as schema 2 has them.

What schema 1 did not record is None or empty, and tables show it as not recorded.
"""

from __future__ import annotations

from typing import Any

from leaderboards.schema import IMAGE, OBJECT, PIXEL, SCHEMA

PIXEL_METHODS = {"max_logit": "max-logit", "latent": "latent-neighbour"}
"""Method names of the scores of schema 1 that had other names."""


def upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a schema-1 file, of whichever level, in schema 2."""
    if "score" in content:
        return _pixels(content)
    return _objects(content) if "n_fit" in content else content | {"level": IMAGE, "schema": SCHEMA}


def _pixels(content: dict[str, Any]) -> dict[str, Any]:
    score, size = content["score"], content["image_size"]
    kept = {name: value for name, value in content.items() if name not in ("score", "image_size")}
    return kept | {
        "level": PIXEL,
        "method": PIXEL_METHODS.get(score, score),
        "paper": "",
        "protocol": "no-ood",
        "threshold": None,
        "settings": {"image_size": size},
        "cost": {},
        "ood": [_pixel_cell(cell) for cell in content["ood"]],
        "schema": SCHEMA,
    }


def _pixel_cell(cell: dict[str, Any]) -> dict[str, Any]:
    normal, anomalous, ignored = cell["pixels"]
    means = {"n": cell["n_both"], "metrics": cell["image_means"], "failure": None}
    kept = ("name", "origin", "fingerprint", "metrics", "failure", "strata", "n_images")
    return {name: cell[name] for name in kept} | {
        "n_in": normal,
        "n_out": anomalous,
        "counts": {"ignored": ignored},
        "chance": cell["random"],
        "blocks": {"image-means": means} if cell["image_means"] else {},
    }


def _objects(content: dict[str, Any]) -> dict[str, Any]:
    moved = ("image_size", "fit_seconds", "score_seconds")
    kept = {name: value for name, value in content.items() if name not in moved}
    return kept | {
        "level": OBJECT,
        "settings": content["settings"] | {"image_size": content["image_size"]},
        "cost": {name: content[name] for name in moved[1:]},
        "ood": [_object_cell(cell) for cell in content["ood"]],
        "schema": SCHEMA,
    }


def _object_cell(cell: dict[str, Any]) -> dict[str, Any]:
    unknown = cell["unknown"]
    names = ("flagged", "taken", "missed")
    counts = {} if unknown is None else {"unknown": unknown["n"], **{name: unknown[name] for name in names}}
    open_set = {
        "n": counts.get("unknown", 0),
        "metrics": cell["open_set"],
        "failure": cell["open_set_failure"],
    }
    kept = ("name", "origin", "fingerprint", "n_in", "n_out", "metrics", "failure", "n_images")
    return {name: cell[name] for name in kept} | {"counts": counts, "blocks": {"open-set": open_set}}
