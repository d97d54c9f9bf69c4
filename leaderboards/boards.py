"""Boards: the results of a folder that belong together; what sets boards apart, and warnings about one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from leaderboards.analysis.alarm_rates import alarm_warnings
from leaderboards.run_identity import SETTINGS, TRAINING, Identity, canonical, id_of, identity, together
from leaderboards.schema import Environment, Result

UNKNOWN = "not recorded"
NAMED = 10
VERSIONS = ("python", "torch", "lightning", "device")
FOLLOWS = {
    "in-distribution set": ("origin", "images", "limit/n_fit", "n_val", "n_test"),
    "origin": ("images", "limit/n_fit", "n_val", "n_test"),
    "network": ("parameters", "latent layer", "weights"),
    "limit/n_fit": ("images",),
    "n_val": ("images",),
    "n_test": ("images",),
}
"""{what differs: what need not be told then}."""


@dataclass
class Board:
    """Results with one identity; ``id`` is that of everything that any of them recorded."""

    identity: Identity
    results: list[Result] = field(default_factory=list)

    @property
    def id(self) -> str:
        """12 hex digits; the ``run_id`` of its results where all recorded the same."""
        return id_of(self.identity)


def boards(results: Iterable[Result]) -> list[Board]:
    """The results in boards, ordered by in-distribution set, network and time of the first result; within a board in
    the order given. What a result did not record (older schemas) counts as equal; of several boards that fit it goes
    to the one with its command, then to the one with its weights.
    """
    results = list(results)
    each = {id(run): identity(run) for run in results}
    found: list[Board] = []
    for run in sorted(results, key=lambda run: (-len(each[id(run)]), run.created, canonical(each[id(run)]))):
        fitting = [board for board in found if together(board.identity, each[id(run)])]
        if not fitting:
            fitting = [Board({})]
            found += fitting
        best = max(fitting, key=lambda board: _kinship(board, run))
        best.identity |= each[id(run)]
        best.results.append(run)
    place = {id(run): i for i, run in enumerate(results)}
    for board in found:
        board.results.sort(key=lambda run: place[id(run)])
    return sorted(found, key=_order)


def _kinship(board: Board, run: Result) -> tuple[bool, bool]:
    return (
        any(other.command == run.command for other in board.results),
        any(other.network.checkpoint == run.network.checkpoint for other in board.results),
    )


def _order(board: Board) -> tuple[str, ...]:
    first = board.results[0]
    return first.ind.name, first.network.name, min(run.created for run in board.results), board.id


def differences(found: Sequence[Board]) -> str:
    """ "differs in: limit/n_fit 100 / 200; epochs 1 / 5", values in the order of the boards; "" for one board."""
    names = dict.fromkeys(name for board in found for name in board.identity)
    each = {name: [board.identity.get(name, UNKNOWN) for board in found] for name in names}
    differing = {name: values for name, values in each.items() if len(set(map(canonical, values))) > 1}
    implied = {name for cause in FOLLOWS if cause in differing for name in FOLLOWS[cause]}
    texts = [
        f"{name.removeprefix(TRAINING) if name != f'{TRAINING}precision' else name} "
        f"{' / '.join(_short(value) for value in values)}"
        for name, values in differing.items()
        if name not in implied
    ]
    return f"differs in: {'; '.join(texts)}" if texts else ""


def _short(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "x".join(map(str, value)) or "none"
    text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    return text[:12] if len(text) >= 32 else text


def cautions(results: Sequence[Result]) -> list[str]:
    """Warnings about a board: results on it although something beside their identity differs, and thresholds that do
    not keep their rate.
    """
    return [
        *_notes(results),
        *_left_out(results),
        *_code(results),
        *_weights(results),
        *_settings(results),
        *alarm_warnings(results),
    ]


def _notes(results: Sequence[Result]) -> Iterator[str]:
    for note in dict.fromkeys(note for run in results for note in run.network.notes):
        yield f"Warning: {note[:1].upper()}{note[1:]}"


def _left_out(results: Sequence[Result]) -> Iterator[str]:
    parts = [(run.ind.name, run.ind.left_out) for run in results]
    parts += [(cell.name, cell.left_out) for run in results for cell in run.ood]
    found: dict[str, dict[str, None]] = {}
    for name, keys in parts:
        found.setdefault(name, {}).update(dict.fromkeys(keys))
    for name, own in found.items():
        if own:
            more = f" and {len(own) - NAMED} more, see the result files" if len(own) > NAMED else ""
            names = ", ".join(list(own)[:NAMED])
            yield f"Warning: images of {name} that cannot be read are left out ({len(own)}): {names}{more}."


def _code(results: Sequence[Result]) -> Iterator[str]:
    commits = sorted({run.git or "unknown" for run in results})
    if len(commits) > 1:
        yield f"Warning: results of different commits: {', '.join(commits)}."
    if changed := [commit for commit in commits if commit.endswith("+")]:
        yield f"Warning: the code had changes that were not committed: {', '.join(changed)}."
    told = {"version": sorted({run.version for run in results})}
    told |= {name: sorted({str(getattr(run.environment, name)) for run in results}) for name in VERSIONS}
    if texts := [f"{name} {' / '.join(values)}" for name, values in told.items() if len(values) > 1]:
        yield f"Warning: results of different versions or hardware: {'; '.join(texts)}."


def _weights(results: Sequence[Result]) -> Iterator[str]:
    for seed in sorted({run.seed for run in results}):
        weights = sorted({run.network.checkpoint for run in results if run.seed == seed})
        if len(weights) > 1:
            names = ", ".join(one[:12] for one in weights)
            yield f"Warning: the results of seed {seed} come from different weights: {names}."


def _settings(results: Sequence[Result]) -> Iterator[str]:
    """Methods whose seeds have different settings, and thresholds for different false-alarm rates."""
    rates = sorted({run.threshold.false_alarm_rate for run in results if run.threshold is not None})
    if len(rates) > 1:
        yield f"Warning: thresholds for different false-alarm rates: {', '.join(f'{rate:g}' for rate in rates)}."
    seen: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for run in results:
        seen.setdefault((run.level, run.method, run.protocol), []).append(_of_method(run.settings))
    for (_, method, _), every in seen.items():
        names = dict.fromkeys(name for one in every for name in one)
        for name in names:
            values = dict.fromkeys(canonical(one[name]) for one in every if name in one)
            if len(values) > 1:
                yield f"Warning: {method}: {name} differs between seeds: {', '.join(values)}."


def _of_method(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a method that do not follow from the seed."""
    free = {*SETTINGS, "recipe", "batch_size", "tuned", "n_components", "seed"}
    for chosen in (settings.get("tuned") or {}).values():
        free |= set(chosen) if isinstance(chosen, dict) else set()
    return {
        name: value for name, value in settings.items() if name not in free and not name.endswith("_hash")
    }


def origins(results: Sequence[Result]) -> list[str]:
    """Version, commit and environment of the results, one line each."""

    def text(run: Result) -> str:
        env: Environment = run.environment
        later = f"; metrics computed again from the scores: {run.rescored}" if run.rescored else ""
        return (
            f"version {run.version}, commit {run.git or 'unknown'}, torch {env.torch}, Lightning {env.lightning}, "
            f"Python {env.python}, {env.device}, {env.threads} threads{later}"
        )

    return sorted({text(run) for run in results})
