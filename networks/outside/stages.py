"""Feature layers: the outputs of a network's stages, shallow to deep."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from torch import nn

from lsood.extraction.masks import RANDOM_LAYERS
from networks.outside.trace import Call, is_leaf

MOST = 5
"""Feature layers of a network, the head's input included."""
BLOCKS = 4
"""Feature layers of a network whose maps have one resolution."""
CONTAINED = 4
"""Resolutions inside of a layer that gives what size it got, from which on its parts are looked at: a whole U-Net."""
PASSING: tuple[type[nn.Module], ...] = (nn.Identity, *RANDOM_LAYERS)


@dataclass
class Node:
    """A call with the calls inside of it, in order."""

    call: Call
    inner: list[Node] = field(default_factory=list)

    def calls(self) -> Iterator[Call]:
        """All inside, without its own."""
        for node in self.inner:
            yield node.call
            yield from node.calls()


def stages(calls: Sequence[Call], head: Call | None) -> list[Call]:
    """The layers behind which a network's feature maps are read, at most `MOST`, the deepest ones.

    The last layer of every resolution on the way down, of the outermost layers that change the resolution once; where
    there is one resolution alone (transformers) `BLOCKS` of its blocks, equally spaced.

    Args:
        calls: of layers that are called once. head: the layer that gives the logits; what comes later is left out.
    """
    known = [call for call in calls if head is None or call.begun < head.begun]
    trunk = [call for call in _trunk(_tree(known), head) if not isinstance(call.module, PASSING)]
    found: list[Call] = []
    for call in trunk:
        if found and _cells(call) == _cells(found[-1]):
            found[-1] = call
        elif not found or _cells(call) < _cells(found[-1]):
            found.append(call)
        else:
            break
    return found[-MOST:] if len(found) > 1 else _blocks(known, trunk, head)


def _cells(call: Call) -> int:
    assert call.output is not None
    height, width = call.output.cells
    return height * width


def _is_map(call: Call) -> bool:
    return call.output is not None and call.output.kind != "vector" and _cells(call) > 1


def _tree(calls: Sequence[Call]) -> list[Node]:
    roots: list[Node] = []
    open_nodes: list[Node] = []
    for call in sorted(calls, key=lambda call: call.begun):
        while open_nodes and open_nodes[-1].call.ended < call.ended:
            open_nodes.pop()
        node = Node(call)
        (open_nodes[-1].inner if open_nodes else roots).append(node)
        open_nodes.append(node)
    return roots


def _trunk(nodes: Sequence[Node], head: Call | None) -> Iterator[Call]:
    """Calls that give maps, one after the other: outermost ones, but the parts of those with several stages inside."""
    for node in nodes:
        if not _is_map(node.call) or _encloses(node.call, head) or _holds_stages(node):
            yield from _trunk(node.inner, head)
        else:
            yield node.call


def _encloses(call: Call, head: Call | None) -> bool:
    return head is not None and call.begun < head.begun and call.ended > head.ended


def _holds_stages(node: Node) -> bool:
    given = node.call.given
    before = given.cells[0] * given.cells[1] if given is not None and given.kind != "vector" else None
    inside = {_cells(call) for call in node.calls() if _is_map(call)}
    smaller = {cells for cells in inside if before is None or cells < before}
    if before is None or _cells(node.call) < before:
        return len(smaller) >= 2
    return len(smaller) >= CONTAINED


def _blocks(known: Sequence[Call], trunk: Sequence[Call], head: Call | None) -> list[Call]:
    """Of a network with one resolution, or with vectors alone: equal blocks, else the layers of its commonest kind."""
    families: dict[str, list[Call]] = {}
    for call in known:
        if _is_map(call) and not is_leaf(call.module) and not _encloses(call, head):
            pattern = re.sub(r"\d+", "#", call.name)
            families.setdefault(f"{pattern} {type(call.module).__name__}", []).append(call)
    repeated = {name: family for name, family in families.items() if len(family) >= BLOCKS - 1}
    if repeated:
        best = min(repeated, key=lambda name: (name.count("."), -len(repeated[name])))
        return _spaced(repeated[best])
    leaves = list(trunk) or [
        call
        for call in known
        if call.output is not None
        and call.output.kind == "vector"
        and is_leaf(call.module)
        and not isinstance(call.module, PASSING)
    ]
    if not leaves:
        return []
    times = Counter(type(call.module) for call in leaves)
    kind = max(reversed(leaves), key=lambda call: times[type(call.module)]).module
    return _spaced([call for call in leaves if type(call.module) is type(kind)])


def _spaced(calls: Sequence[Call]) -> list[Call]:
    """At most `BLOCKS` of the calls, the last one among them, equally far from each other."""
    count = min(BLOCKS, len(calls))
    return [calls[(i + 1) * len(calls) // count - 1] for i in range(count)]
