"""YAML that others wrote: plain values alone, no more of them than a limit, whatever aliases stand for."""

from __future__ import annotations

from typing import Any

import yaml

LARGEST, MOST = 2**20, 100_000
"""Characters of the largest text, and most values that it may stand for."""


def read_yaml(text: str) -> Any:
    """The content of a YAML document: lists, mappings, texts, numbers; no tag makes other objects.

    Raises:
        ValueError: not YAML (names the line), longer than `LARGEST`, nested too deeply, or aliases that contain
            themselves or stand for more than `MOST` values; without the name of the file.
    """
    if len(text) > LARGEST:
        raise ValueError(f"longer than {LARGEST >> 20} MiB")
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ValueError(f"not valid YAML{f' (line {mark.line + 1})' if mark else ''}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError as error:  # a number or date that cannot be
        raise ValueError(f"not valid YAML: {error}") from None
    _check_number(content)
    return content


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
