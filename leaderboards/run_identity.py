"""Which results belong together: everything that must agree for two rows to be ranked, or two seeds to be averaged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from leaderboards.schema import PIXEL, Result

Identity = dict[str, Any]
EVALUATOR = "pixel evaluator"
EARLIER = "exact, masks at the network's input size"
TRAINING = "training "
SETTINGS = {
    "image_size": "image size",
    "mc_samples": "Monte-Carlo samples",
    "reduction": "reduction",
    "recipe_fingerprint": "anomaly recipe",
    "severity": "severity",
    "every_kind": "every kind",
    "precision": "precision",
    "confidence": "confidence",
    "calibrate_share": "calibration share",
    "calibrate_on": "calibration set",
}
"""{setting of a run: its name in an identity}."""
INPUT = {
    "arguments": "arguments of the network",
    "mean": "mean",
    "std": "standard deviation",
    "channel_order": "channel order",
    "classes": "classes of the outputs",
}
"""{option of a network: its name in an identity}, however its weights came about."""


def identity(result: Result) -> Identity:
    """What must agree between results of one board, by name; without what was not recorded.

    In-distribution data and what was left out of it, network, its training options without the seed (of a given
    checkpoint: the sha256 of its weights), pre-processing, Monte-Carlo settings, anomaly recipe, precision. Not the
    method, OoD sets, commit, versions, seed, and the weights that training with a seed gives.
    """
    ind, network = result.ind, result.network
    found: Identity = {
        "in-distribution set": ind.name,
        "origin": ind.origin,
        "images": ind.fingerprint,
        "limit/n_fit": ind.n_fit,
        "n_val": ind.n_val,
        "n_test": ind.n_test,
        "network": network.name,
        "parameters": network.parameters,
        "latent layer": network.latent_layer,
    }
    if ind.left_out:
        found["left out"] = ind.left_out
    found |= {name: network.options[key] for key, name in INPUT.items() if key in network.options}
    if "checkpoint" in network.options:
        found |= {"weights": network.checkpoint, "trained here": False}
    elif network.options:
        free = {"seed", *INPUT}
        options = {name: value for name, value in network.options.items() if name not in free}
        found |= {f"{TRAINING}{name}": value for name, value in options.items()} | {"trained here": True}
    if result.level == PIXEL:
        found[EVALUATOR] = result.settings.get("pixel_evaluator", EARLIER)
    found |= {
        name: result.settings[key] for key, name in SETTINGS.items() if result.settings.get(key) is not None
    }
    if result.settings.get("keep_ratio"):
        size = SETTINGS["image_size"]
        found[size] = f"{'x'.join(map(str, found[size]))}, ratio kept"
    return found


def run_id(result: Result) -> str:
    """12 hex digits of the sha256 of :func:`identity`."""
    return id_of(identity(result))


def id_of(found: Mapping[str, Any]) -> str:
    """12 hex digits of the sha256 of an identity as JSON; results that name no pixel evaluator keep theirs."""
    found = {name: value for name, value in found.items() if (name, value) != (EVALUATOR, EARLIER)}
    return hashlib.sha256(canonical(found).encode()).hexdigest()[:12]


def canonical(found: Any) -> str:
    """JSON of an identity or one of its values: the same for tuples and lists, and for any order of keys."""
    return json.dumps(found, sort_keys=True, default=str)


def together(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two identities agree in everything that both recorded."""
    return all(canonical(a[name]) == canonical(b[name]) for name in a.keys() & b.keys())
