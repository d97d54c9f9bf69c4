"""File names for the names of OoD sets and methods: short, and different for different names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from lsood.text import slug

LONGEST = 120
"""Bytes of a slug; file systems allow 255 for a whole name."""


def digest(text: str) -> str:
    """8 hex digits of the sha256 of a name."""
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:8]


def hashed(name: str) -> str:
    """The slug of a name, cut to length, with its digest."""
    return f"{_cut(slug(name))}-{digest(name)}"


def file_name(name: str) -> str:
    """The slug of a name; with the name's digest where it is too long or empty for a file."""
    short = slug(name)
    return short if short and _cut(short) == short else hashed(name)


def distinct(names: Iterable[str]) -> dict[str, str]:
    """{name: part of a file name}: its slug; with a digest where slugs are equal, also where only case differs."""
    names = list(dict.fromkeys(names))
    found = {name: file_name(name) for name in names}
    while clash := _clashing(found):
        found |= {name: hashed(name) for name in clash}
    return found


def _clashing(found: dict[str, str]) -> list[str]:
    """Names whose file name is another's and has no digest yet."""
    owners: dict[str, list[str]] = {}
    for name, text in found.items():
        owners.setdefault(text.casefold(), []).append(name)
    return [n for group in owners.values() if len(group) > 1 for n in group if found[n] != hashed(n)]


def _cut(text: str) -> str:
    return text.encode()[:LONGEST].decode(errors="ignore")
