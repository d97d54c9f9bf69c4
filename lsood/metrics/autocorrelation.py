"""How many frames that follow each other are one block: from the autocorrelation of their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from lsood.metrics.curve import Array

MANY = 10


def block_length(scores: Array, sources: Sequence[str], sequences: Mapping[str, str] | None) -> int:
    """Length of circular blocks by the rule of Politis & White (2004), corrected by Patton, Politis & White (2009),
    from the autocovariance R of the frames' ranks: a monotone map of the scores changes nothing.

    m is the first lag after which five lags (more from 10^25 frames) stay below 2 sqrt(log10 N / N), at most
    sqrt(N) + 5. With the flat-top weights w of Politis & Romano (1995), 1 up to lag m and falling to 0 at 2 m,

        length = (2 G^2 / D)^(1/3) N^(1/3),  G = sum w |k| R(k),  D = 4/3 (sum w R(k))^2,

    rounded up, at most 3 sqrt(N) and N / 3; 1 where m is 0. R sums the products of all sequences. Deviations are from
    the mean of the sequence, from that of all where there are ten sequences and more: differences between so many are
    then part of the dependence.

    Args:
        scores: (n,) of images, or of what lies on them. sources: n names; a frame's rank is the mean over its own.
        sequences: {source: its sequence}; sources without one are left out.
    """
    named = np.array([name in (sequences or {}) for name in sources], dtype=bool)
    if not named.any() or sequences is None:
        return 1
    ranks = rankdata(np.asarray(scores, dtype=np.float64)[named])
    frames, index = np.unique(np.asarray(sources)[named], return_inverse=True)
    values = np.bincount(index, ranks) / np.bincount(index)
    names = np.array([sequences[frame] for frame in frames.tolist()])
    parts = [values[names == name] for name in np.unique(names)]
    parts = [part for part in parts if len(part) > 1]
    n = sum(map(len, parts))
    if n < 4:
        return 1
    centre = np.concatenate(parts).mean() if len(parts) >= MANY else None
    parts = [part - (part.mean() if centre is None else centre) for part in parts]
    return _length(parts, n)


def _length(parts: Sequence[Array], n: int) -> int:
    def covariance(lag: int) -> float:
        return sum(float(part[: len(part) - lag] @ part[lag:]) for part in parts if len(part) > lag) / n

    quiet = max(5, int(np.ceil(np.sqrt(np.log10(n)))))
    last = int(np.ceil(np.sqrt(n))) + quiet
    r = np.array([covariance(lag) for lag in range(2 * last + quiet + 1)])
    if r[0] <= 0:
        return 1
    loud = np.abs(r / r[0]) >= 2 * np.sqrt(np.log10(n) / n)
    m = next((lag for lag in range(last) if not loud[lag + 1 : lag + 1 + quiet].any()), last)
    if m == 0:
        return 1
    lags = np.arange(1, 2 * m + 1)
    weight = np.minimum(1.0, 2 * (1 - lags / (2 * m)))
    g = 2 * float((weight * lags * r[lags]).sum())
    spectrum = float(r[0] + 2 * (weight * r[lags]).sum())
    highest = max(1, int(np.ceil(min(3 * np.sqrt(n), n / 3))))
    if spectrum <= 0:
        return highest
    length = (2 * g**2 / (4 / 3 * spectrum**2)) ** (1 / 3) * n ** (1 / 3)
    return int(np.clip(np.ceil(length), 1, highest))
