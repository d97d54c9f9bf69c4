"""Every test that docs/security.md names exists, and every row of its tables names one."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROWS = [
    line
    for line in (ROOT / "docs" / "security.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("|") and not line.startswith(("| input", "| output", "|---"))
]
NO_CLAIM = "archives (zip, tar)"


def functions_of(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def named(row):
    """{(file, test)} of a row's last column: names follow their file."""
    found, file = [], None
    for word in re.findall(r"`([^`]+)`", row.rstrip("|").rpartition(" | ")[2]):
        if word.endswith(".py"):
            file = word
        else:
            found.append((file, word))
    return found


def test_every_test_exists():
    pairs = [pair for row in ROWS for pair in named(row)]
    assert len(pairs) > 60
    missing = [(file, test) for file, test in pairs if test not in functions_of(file)]
    assert not missing


def test_every_claim_has_a_test():
    bare = [row for row in ROWS if not named(row)]
    assert len(bare) == 1 and NO_CLAIM in bare[0]
    assert len(ROWS) > 20
