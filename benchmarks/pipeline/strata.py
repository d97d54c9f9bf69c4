"""Kind, severity and source of images that were made from others, and metrics by kind and severity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from leaderboards.schema import MetricValue, Stratum
from lsood.extraction.activations import Activations
from lsood.metrics.intervals import Estimate
from lsood.metrics.resampling import Blocks
from lsood.metrics.strata import evaluate_strata

ANOMALY_INFO = ("kind", "severity", "source")
Name = tuple[str | None, int | None]


def anomaly_info(x: Activations) -> pd.DataFrame:
    """Columns kind, severity and source of every image, by key; no column where nothing was drawn."""
    info: dict[str, list[Any]] | None = x.metadata.get("anomaly_info")
    if not info:
        return pd.DataFrame(index=pd.Index(x.ids))
    return pd.DataFrame({name: info[name] for name in ANOMALY_INFO}, index=pd.Index(info["key"])).loc[x.ids]


def strata_rows(info: pd.DataFrame) -> dict[Name, Sequence[int]]:
    """{(kind, severity): positions of its images}; None stands for any. By kind, by severity, by both; severity 0 is
    none.
    """
    if "kind" not in info:
        return {}
    table = info.reset_index(drop=True)
    found: dict[Name, Any] = {(kind, None): rows for kind, rows in table.groupby("kind").indices.items()}
    found |= {(None, int(s)): rows for s, rows in table.groupby("severity").indices.items() if s}
    both = table.groupby(["kind", "severity"]).indices
    return found | {(kind, int(s)): rows for (kind, s), rows in both.items() if s}  # type: ignore[misc]


def strata_of(scores_in: pd.DataFrame, scores_out: pd.DataFrame, blocks: Blocks) -> list[Stratum]:
    """AUROC and FPR95 of every kind, severity and both, of one method's scores."""
    rows = strata_rows(scores_out)
    if not rows:
        return []
    found = evaluate_strata(scores_in["score"], scores_out["score"], rows, blocks)
    return [Stratum(*name, len(index), figures(found.get(name, {}))) for name, index in rows.items()]


def figures(estimates: Mapping[str, Estimate]) -> dict[str, MetricValue]:
    """Estimates as they stand in results."""
    return {name: MetricValue(e.value, e.low, e.high) for name, e in estimates.items()}


def halves(x: Activations, seed: int) -> tuple[Tensor, Tensor]:
    """Two seeded halves of a set (row indices); images made from the same one stay together."""
    info = anomaly_info(x)
    names = list(info["source"]) if "source" in info else x.ids
    group = {name: i for i, name in enumerate(dict.fromkeys(names))}
    order = torch.randperm(len(group), generator=torch.Generator().manual_seed(seed))
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    rank = place[torch.tensor([group[name] for name in names])]
    rows = torch.argsort(rank, stable=True)
    cut = int((rank < len(order) // 2).sum())
    return rows[:cut], rows[cut:]
