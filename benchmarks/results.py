"""What a run found, in memory: tables, scores, the best method; written to a folder and read from one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from leaderboards.build import build
from leaderboards.schema import IMAGE, OBJECT, Result
from leaderboards.store import FOLDERS, read_folder, save_result, shortened
from lsood.choices import PROTOCOLS
from lsood.io import check_writable, write_bytes
from lsood.text import unknown

if TYPE_CHECKING:
    import pandas as pd

RESULTS = "results"
SHOWN = ("method", "ood", "auroc", "low", "high", "fpr95", "protocol", "failure")


class Run(NamedTuple):
    """The result of one method at one level with one seed, and its scores; None where rows are not scored one by
    one.
    """

    result: Result
    scores: pd.DataFrame | None


@dataclass(repr=False)
class Results:
    """The results of every method, level, protocol and seed of a run.

    Attributes:
        runs: in the order in which they were scored.
        pictures: {path below the folder of results: PNG} of detected boxes.
    """

    runs: list[Run] = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)

    @property
    def _results(self) -> list[Result]:
        return shortened([run.result for run in self.runs])

    def table(self, level: str = IMAGE, by_seed: bool = False) -> pd.DataFrame:
        """One row per method, OoD set and protocol, best first, failures after them.

        Args:
            level: "image", "pixel" or "object".
            by_seed: one row per seed too, in the column seed; else seeds are averaged.

        Returns:
            Columns method, ood, then every metric as a fraction or count with its 95 % interval in <metric>_low and
            _high (one seed) or its population standard deviation in <metric>_std (several), of the leading metric
            simply low, high and std; protocol; failure, the reason where there are no metrics; and the further columns
            of `leaderboards.rows`. No rows where the run has no such level.

        Raises:
            ValueError: unknown level.
        """
        import pandas as pd

        from leaderboards.tables.aggregate import ENDS, rows
        from leaderboards.tables.levels import LEVELS

        results = self._results
        if by_seed:
            seeds = sorted({one.seed for one in results})
            parts = [
                rows([one for one in results if one.seed == seed], level).assign(seed=seed) for seed in seeds
            ]
            found = pd.concat(parts, ignore_index=True)
        else:
            found = rows(results, level)
        about = LEVELS[level]
        first = [name for name in ("method", "ood", "part", "seed") if name in found]
        metrics = [f"{column.name}{end}" for column in about.columns for end in ENDS]
        found = found[list(dict.fromkeys([*first, *metrics, "protocol", "failure", *found.columns]))]
        return found.rename(columns={f"{about.leading.name}{end}": end[1:] for end in ENDS[1:]})

    def scores(self, method: str, level: str = IMAGE, protocol: str | None = None) -> pd.DataFrame:
        """The raw scores of a method, higher = more anomalous.

        Args:
            protocol: by default "no-ood" if the method ran under it, else the first it ran under.

        Returns:
            Columns set ("ind-val", "ind-test" or an OoD set), key and score, further ones that tell rows apart, such as
            kind and severity of drawn anomalies, and seed where there are several.

        Raises:
            ValueError: the method did not run so, failed, or its rows (pixels) are not scored one by one.
        """
        import pandas as pd

        own = [
            (one, run.scores) for one, run in zip(self._results, self.runs, strict=True) if one.level == level
        ]
        there = list(dict.fromkeys(one.method for one, _ in own))
        if method not in there:
            raise unknown(f"method of this run at {level} level", method, there)
        ran = [name for name in PROTOCOLS if any((o.method, o.protocol) == (method, name) for o, _ in own)]
        protocol = ran[0] if protocol is None else protocol
        if protocol not in ran:
            raise unknown(f"protocol of {method}", protocol, ran)
        found = [(o, scores) for o, scores in own if (o.method, o.protocol) == (method, protocol)]
        frames = [scores.assign(seed=one.seed) for one, scores in found if scores is not None and len(scores)]
        if not frames:
            reasons = [cell.failure for one, _ in found for cell in one.ood if cell.failure]
            raise ValueError(f"{method} has no scores: {next(iter(reasons), f'{level}s have none')}")
        table = pd.concat(frames, ignore_index=True)
        return table if len(found) > 1 else table.drop(columns="seed")

    def best(self, protocol: str = "no-ood") -> str:
        """The method with the highest mean AUROC of whole images over the OoD sets, seeds averaged; the first by name
        of equal ones.

        As in the ranks of the leaderboard, sets of noise and of drawn anomalies do not count, the image-statistics
        baseline takes no part, and neither does a method that failed on a set. Choosing by OoD images is choosing: the
        AUROC of the best of several methods is too high an estimate of its own, most so on few images; state another
        set's.

        Raises:
            ValueError: no OoD set that counts, or no method with a value on all of them.
        """
        from leaderboards.analysis.ranks import ROUNDING, complete
        from leaderboards.tables.aggregate import rows

        table = rows(self._results)
        means = complete(table[table["protocol"] == protocol]).mean().round(ROUNDING)
        if means.empty:
            raise ValueError(
                f"no method has an AUROC under {protocol} on every OoD set that is neither noise nor drawn anomalies"
            )
        return str(means.idxmax())

    def write(self, folder: Path) -> None:
        """Write every result, its scores and pictures below a folder of results; results of other runs stay."""
        for run in self.runs:
            save_result(run.result, folder, run.scores)
        for name, content in self.pictures.items():
            write_bytes(folder / name, content)

    def save(self, folder: Path | str) -> list[Path]:
        """Write what ``python -m benchmarks.run --out`` writes: the folder results, and leaderboard.md, .html, .csv and
        figures of all results in it; returns these files. Every file is written whole or not at all.
        """
        folder = Path(folder).expanduser()
        check_writable(folder, "save")
        self.write(folder / RESULTS)
        return build(folder / RESULTS, folder)

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """What lies in a folder that :meth:`save` or the command wrote, or in its folder results.

        Raises:
            FileNotFoundError: no results there. ValueError: none that can be read; damaged ones are left out with a
                warning.
        """
        folder = Path(folder).expanduser()
        folder = folder / RESULTS if (folder / RESULTS).is_dir() else folder
        found = read_folder(folder)
        runs = [Run(result, found.scores(path)) for path, result in found.results.items()]
        pictures = sorted((folder / FOLDERS[OBJECT]).glob("boxes-*.png"))
        return cls(runs, {path.relative_to(folder).as_posix(): path.read_bytes() for path in pictures})

    def add(self, others: Results) -> None:
        """Take the results of a further seed."""
        self.runs += others.runs
        self.pictures |= others.pictures

    def __repr__(self) -> str:
        results = self._results
        names: dict[str, set[object]] = {
            "method": {one.method for one in results},
            "OoD set": {cell.name for one in results for cell in one.ood},
            "seed": {one.seed for one in results},
        }
        counts = ", ".join(f"{len(found)} {name}{'s' * (len(found) != 1)}" for name, found in names.items())
        return f"<Results: {counts}>"

    def _repr_html_(self) -> str:
        """The main figures of whole images, for notebooks."""
        table = self.table()
        table = table[[name for name in SHOWN if name != "failure" or table["failure"].notna().any()]]
        return f"{table.to_html(index=False, na_rep='', float_format='{:.3f}'.format)}"
