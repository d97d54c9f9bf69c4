"""The list of methods as tables: what their classes declare, read without importing them.

docs/methods.md and ``python -m benchmarks.run --list`` are made from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from lsood.methods import METHODS

HEADINGS = {
    "latent": "From latent samples",
    "logits": "From logits",
    "features": "From penultimate features",
    "changed features": "From changed features: the energy of the recomputed logits",
    "layers": "From several layers, with input steps",
    "networks": "From further passes and networks",
    "pixels": "For pixels and without a network",
}
"""{group: heading}, in order."""
OTHER = "Others"


@dataclass(frozen=True)
class Row:
    """A method's texts; see `lsood.method_info.MethodInfo`. ``cost`` is "none" where it adds nothing."""

    name: str
    formula: str
    fitted_on: str
    cost: str
    levels: str
    protocols: str
    checked: str
    paper: str


def tables() -> dict[str, list[Row]]:
    """{heading: its methods by name}; headings without methods are left out."""
    found: dict[str, list[Row]] = {heading: [] for heading in (*HEADINGS.values(), OTHER)}
    for name in METHODS:
        found[HEADINGS.get(group_of(name), OTHER)].append(_row(name))
    return {heading: rows for heading, rows in found.items() if rows}


def group_of(name: str) -> str:
    """The group that a method names, else the folder of its file."""
    module = METHODS.entries[name].module
    return str(METHODS.about(name, "group", "")) or module.rpartition(".")[0].rpartition(".")[2]


def _row(name: str) -> Row:
    def text(attribute: str) -> str:
        return str(METHODS.about(name, attribute, ""))

    def joined(attribute: str) -> str:
        return ", ".join(METHODS.about(name, attribute))

    return Row(
        name,
        text("formula"),
        text("fitted_on"),
        text("cost") or "none",
        joined("levels"),
        joined("protocols"),
        text("checked"),
        text("paper"),
    )
