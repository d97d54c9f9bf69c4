"""YAML that others wrote: plain values alone, no more of them than a limit, whatever aliases stand for."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

LARGEST, MOST, DEEPEST = 2**20, 100_000, 50
"""Characters of the largest text, most values that it may stand for, and lists within lists."""


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping, of which the other one drops the first."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                name = self.construct_object(key)  # type: ignore[no-untyped-call]
                if not isinstance(name, Hashable):
                    continue  # loading refuses it
                if name in seen:
                    raise ValueError(f"{name!r} stands twice (line {key.start_mark.line + 1})")
                seen.add(name)
        return node


def read_yaml(text: str) -> Any:
    """The content of a YAML document: lists, mappings, texts, numbers; no tag makes other objects.

    Raises:
        ValueError: not YAML (names the line), a key twice in a mapping, longer than `LARGEST`, deeper than `DEEPEST`,
            or aliases that contain themselves or stand for more than `MOST` values; without the name of the file.
    """
    if len(text) > LARGEST:
        raise ValueError(f"longer than {LARGEST >> 20} MiB")
    try:
        _check_depth(text)
        content = yaml.load(text, _Loader)  # noqa: S506
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ValueError(f"not valid YAML{f' (line {mark.line + 1})' if mark else ''}") from None
    except ValueError as error:  # also a number or date that cannot be
        raise ValueError(f"not valid YAML: {error}") from None
    _check_number(content)
    return content


def _check_depth(text: str) -> None:
    """From the events of the parser, which, other than loading, takes no time and no stack for what is refused."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError("lists are nested too deeply")


def _check_number(content: Any) -> None:
    """Count all values; what an alias stands for counts wherever it stands."""
    waiting, found = [content], 0
    while waiting:
        one, found = waiting.pop(), found + 1
        if found > MOST:
            raise ValueError(f"aliases stand for more than {MOST} values, or contain themselves")
        if isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, list | set | tuple):
            waiting += one
