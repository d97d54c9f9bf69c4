"""Which images depend on each other, and drawing them with replacement: images that were made from one source stay
together, and so do frames that follow each other in a sequence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lsood.metrics.autocorrelation import block_length
from lsood.metrics.curve import Array

RESAMPLES = 200
CELLS = 4_000_000  # resamples x images held at once
FEWEST = 10

Sources = tuple[Sequence[str], Sequence[str]]
Sequences = Mapping[str, str]
"""{source: the sequence it belongs to}, of those that belong to one; frames follow each other by name."""
Rows = NDArray[np.int64]


def chunks(resamples: int, cells: int) -> Iterator[int]:
    """Parts of so many resamples that fit into memory, if each holds so many cells (images, score levels)."""
    part = max(1, CELLS // cells)
    for start in range(0, resamples, part):
        yield min(part, resamples - start)


@dataclass(frozen=True)
class Blocks:
    """The images of one or two sides in blocks that are drawn as one.

    A block is ``length`` sources that follow each other in a sequence, circularly; a sequence that is not longer, and a
    source without one, is one block. All images of a source go with it. On average every source is drawn as often as
    any other: a block of a longer sequence 1 / length times as often as one that is alone. Sides that share a source or
    a sequence are drawn together, others apart. With length 1 that is the bootstrap over sources.

    Attributes:
        sides: per side, (n,) the source of every image. length: sources of a block.
        runs: (C, S) 1 where a block holds a source. draws: (C,) how often it is drawn on average.
        strata: (C,) which blocks are drawn together. sequences: per side, how many there are of two sources and more.
        known: the first side alone, in blocks of the length that its scores ask for; None: not fitted to scores.
    """

    sides: tuple[Rows, ...]
    length: int
    runs: csr_array
    draws: Array
    strata: Rows
    sequences: tuple[int, ...]
    known: Blocks | None = None

    @classmethod
    def of(
        cls, sides: Sequence[Sequence[str]], sequences: Sequences | None = None, length: int = 1
    ) -> Blocks:
        """From the names of the images' sources on every side."""
        sequences = sequences or {}
        names, index = np.unique(np.array([name for side in sides for name in side]), return_inverse=True)
        rows = np.split(index, list(accumulate(map(len, sides)))[:-1])
        groups: dict[tuple[bool, str], list[int]] = {}
        for i, name in enumerate(names.tolist()):
            key = (True, sequences[name]) if name in sequences else (False, name)
            groups.setdefault(key, []).append(i)
        group_of = np.empty(len(names), dtype=np.int64)
        place: list[int] = []
        member: list[int] = []
        draws: list[float] = []
        owner: list[int] = []
        for g, sources in enumerate(groups.values()):
            group_of[sources] = g
            long = len(sources) > length
            starts = range(len(sources)) if long else range(1)
            for start in starts:
                block = [sources[(start + k) % len(sources)] for k in range(min(length, len(sources)))]
                place += [len(draws)] * len(block)
                member += block
                draws.append(1 / length if long else 1.0)
                owner.append(g)
        apart = len(rows) > 1 and not set(group_of[rows[0]]) & set(group_of[rows[1]])
        second = set(group_of[rows[-1]].tolist()) if apart else set()
        known = [np.unique(side) for side in rows]
        counts = [np.bincount(group_of[side]) for side in known]
        return cls(
            tuple(rows),
            length,
            csr_array((np.ones(len(place)), (place, member)), shape=(len(draws), len(names))),
            np.array(draws),
            np.array([int(g in second) for g in owner]),
            tuple(int((c > 1).sum()) for c in counts),
        )

    @classmethod
    def fitting(
        cls,
        scores: Sequence[Array],
        sides: Sequence[Sequence[str]],
        sequences: Sequences | None = None,
        owners: Sequence[Sequence[str]] | None = None,
    ) -> Blocks:
        """With the longest of the block lengths that the scores of each side ask for.

        Args:
            scores: per side, (n,) of the images or of what lies on them. owners: the source of each; default ``sides``.
        """
        pairs = zip(scores, sides if owners is None else owners, strict=True)
        lengths = [block_length(x, names, sequences) if sequences else 1 for x, names in pairs]
        known = cls.of(sides[:1], sequences, lengths[0])
        return replace(cls.of(sides, sequences, max(lengths)), known=known)

    def take(self, *rows: NDArray[np.integer] | Sequence[int]) -> Blocks:
        """Of other images, given on every side as rows of these: some of them, or what lies on them."""
        chosen = tuple(
            side[np.asarray(own, dtype=np.int64)] for side, own in zip(self.sides, rows, strict=True)
        )
        return replace(self, sides=chosen, known=self.known and self.known.take(rows[0]))

    def _images(self, side: int) -> Array:
        """(C,) images of a side in every block."""
        counts = np.bincount(self.sides[side], minlength=self.runs.shape[1])
        return np.asarray(self.runs @ counts.astype(float))

    @cached_property
    def units(self) -> tuple[float, ...]:
        """Per side, how many independent images its images stand for at least (Kish 1965): (sum n)^2 / sum n^2 over
        blocks of n images; all where images are independent, the number of blocks where these are equally large.
        """
        found = []
        for side in range(len(self.sides)):
            images = self._images(side)
            spread = float(self.draws @ images**2)
            found.append(float(self.draws @ images) ** 2 / spread if spread else 0.0)
        return tuple(found)

    @cached_property
    def fewest(self) -> float:
        """The units of the side that has fewest."""
        return min(self.units)

    @property
    def total(self) -> float:
        """Blocks of all sides together."""
        return float(self.draws.sum())

    @property
    def independent(self) -> bool:
        """Whether every image is a block of its own."""
        images = sum(map(len, self.sides))
        return self.length == 1 and len({source for side in self.sides for source in side.tolist()}) == images

    @property
    def degrees(self) -> float:
        """Degrees of freedom of a variance over blocks; infinite where a block is one source."""
        return max(self.fewest - 1, 1.0) if self.length > 1 else float("inf")

    @property
    def too_few(self) -> str | None:
        """Why a side of dependent frames has no interval; None: it has ten blocks or more, or no sequences."""
        for units, sequences, side in zip(self.units, self.sequences, self.sides, strict=True):
            if sequences and units < FEWEST:
                return (
                    f"too few independent frames: {len(np.unique(side))} in sequences, dependent over {self.length}, "
                    f"are {units:.1f} blocks; {FEWEST} are needed"
                )
        return None

    def weights(self, random: np.random.Generator, resamples: int) -> list[Array]:
        """How often each image of each side is in a resample: (R, n) for every side. A resample that left a side empty
        is left out, so R may be smaller than asked for.
        """
        counts = np.zeros((resamples, len(self.draws)))
        for stratum in np.unique(self.strata):
            own = np.flatnonzero(self.strata == stratum)
            counts[:, own] = _drawn(random, resamples, self.draws[own])
        sources = counts @ self.runs
        found = [sources[:, side] for side in self.sides]
        whole = np.all([part.any(1) for part in found], axis=0)
        return [part[whole] for part in found]

    def covariance(self, *influences: Array) -> Array:
        """(K, K) covariance over resamples, in the limit of many, of K sums of what each image adds: (K, n) for every
        side, of mean 0.

        Raises:
            ValueError: a side of fewer than two blocks.
        """
        sums = []
        for side, values in zip(self.sides, influences, strict=True):
            total = np.zeros((self.runs.shape[1], len(values)))
            np.add.at(total, side, values.T)
            sums.append(self.runs @ total)
        there = [float(self.draws @ (self._images(side) > 0)) for side in range(len(self.sides))]
        if min(there) < 2:
            raise ValueError(
                f"the covariance needs two images on each side, got {' and '.join(f'{n:.3g}' for n in there)}"
            )
        every = self.total
        found = sum(
            n / (n - 1) * (own * self.draws[:, None]).T @ own for n, own in zip(there, sums, strict=True)
        )
        if len(sums) > 1:
            cross = every / (every - 1) * (sums[0] * self.draws[:, None]).T @ sums[1]
            found = found + cross + cross.T
        return np.asarray(found)


def alone(*sizes: int) -> Blocks:
    """Of so many images per side that are independent."""
    return Blocks.of([[f"{side}/{i}" for i in range(n)] for side, n in enumerate(sizes)])


def _drawn(random: np.random.Generator, resamples: int, draws: Array) -> Array:
    """(resamples, C): how often each block is drawn when as many are drawn as there are on average."""
    n, blocks = max(1, round(draws.sum())), len(draws)
    if np.ptp(draws) == 0:
        drawn = random.integers(blocks, size=(resamples, n))
    else:
        drawn = np.searchsorted(np.cumsum(draws)[:-1] / draws.sum(), random.random((resamples, n)), "right")
    drawn = drawn + blocks * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * blocks).reshape(resamples, blocks).astype(float)
