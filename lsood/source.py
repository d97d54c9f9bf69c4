"""What source files declare, read from their syntax trees: nothing is imported or run.

Only literals are understood, and what can be computed from them: names of literals in the same file or imported from
another searched file, tuples, ``tuple(...)``, ``text.split()``, ``map(str, range(n))``, arithmetic.
"""

from __future__ import annotations

import ast
import importlib.util
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

OPERATORS: dict[type[ast.operator], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class NotLiteral(ValueError):
    """An expression whose value the source does not tell."""


@dataclass(frozen=True)
class Declaration:
    """A class or a call that declares a thing; see `lsood.registry.Entry`."""

    module: str
    attribute: str | None
    about: Mapping[str, Any]


@cache
def declarations(
    packages: tuple[str, ...], key: str, maker: str = "", fields: tuple[str, ...] = ()
) -> list[Declaration]:
    """Everything declared in packages, with their sub-packages: public classes that set ``key`` to a literal, and calls
    of ``maker`` at module level.

    Args:
        fields: names of the maker's first positional arguments.
    """
    modules = [name for package in packages for name in _modules(package)]
    classes = {
        node.name: (name, node)
        for name in modules
        for node in _tree(name).body
        if isinstance(node, ast.ClassDef)
    }
    found = []
    for name in modules:
        for node in _tree(name).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                own = dict(_assigned(node.body))
                if key in own and isinstance(_value_or_none(own[key], name), str):
                    about = _inherited(node, name, classes) | {"doc": _first_line(node)}
                    found.append(Declaration(name, node.name, about))
            elif maker:
                calls = (c for c in ast.walk(node) if isinstance(c, ast.Call) and _called(c) == maker)
                found += [
                    Declaration(name, None, about)
                    for c in calls
                    if key in (about := _arguments(c, fields, name))
                ]
    return found


def _modules(name: str) -> Iterator[str]:
    """Dotted names of a module, or of a package and all below it, in alphabetical order."""
    path = _path(name)
    yield name
    if path.name == "__init__.py":
        for below in sorted(path.parent.iterdir()):
            package = below.is_dir() and (below / "__init__.py").is_file()
            if package or (below.suffix == ".py" and below.name != "__init__.py"):
                yield from _modules(f"{name}.{below.stem}")


@cache
def _path(name: str) -> Path:
    """The file of a module, found from its top package, which is not imported.

    Raises:
        ModuleNotFoundError: there is none.
    """
    top, *rest = name.split(".")
    spec = importlib.util.find_spec(top)
    if spec is not None and spec.origin is not None:
        base = Path(spec.origin).parent.joinpath(*rest) if rest else Path(spec.origin).with_suffix("")
        for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if path.is_file():
                return path
    raise ModuleNotFoundError(f"there is no module {name!r}")


@cache
def _tree(name: str) -> ast.Module:
    return ast.parse(_path(name).read_text(encoding="utf-8"))


@cache
def _scope(name: str) -> dict[str, tuple[str, ast.expr]]:
    """{name: (module, expression)} of what a module assigns, and of what it imports from modules of its own package."""
    found = {n: (name, value) for n, value in _assigned(_tree(name).body)}
    for node in _tree(name).body:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if node.module.split(".")[0] != name.split(".")[0]:
                continue
            try:
                other = dict(_assigned(_tree(node.module).body))
            except ModuleNotFoundError:
                continue
            for alias in node.names:
                if alias.name in other:
                    found[alias.asname or alias.name] = (node.module, other[alias.name])
    return found


def _assigned(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for node in body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value
                elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = zip(target.elts, node.value.elts, strict=False)
                    yield from ((t.id, value) for t, value in pairs if isinstance(t, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value


def _inherited(
    node: ast.ClassDef, module: str, classes: Mapping[str, tuple[str, ast.ClassDef]]
) -> dict[str, Any]:
    """Literal attributes of a class and of its bases among the searched classes."""
    found: dict[str, Any] = {}
    for base in reversed(node.bases):
        if isinstance(base, ast.Name) and base.id in classes and base.id != node.name:
            where, parent = classes[base.id]
            found |= _inherited(parent, where, classes)
    for name, value in _assigned(node.body):
        try:
            found[name] = _value(value, module)
        except NotLiteral:
            found.pop(name, None)
    return found


def _first_line(node: ast.ClassDef) -> str:
    text = ast.get_docstring(node) or ""
    return " ".join(text.split("\n\n")[0].split())


def _called(node: ast.Call) -> str:
    function = node.func
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _arguments(node: ast.Call, fields: Sequence[str], module: str) -> dict[str, Any]:
    given = [*zip(fields, node.args, strict=False), *((k.arg, k.value) for k in node.keywords if k.arg)]
    found = {}
    for name, value in given:
        try:
            found[name] = _value(value, module)
        except NotLiteral:
            continue
    return found


def _value_or_none(node: ast.expr, module: str) -> Any:
    try:
        return _value(node, module)
    except NotLiteral:
        return None


def _value(node: ast.expr, module: str) -> Any:
    """The value of an expression.

    Raises:
        NotLiteral: it is more than a literal.
    """
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple | ast.List):
        values = [_value(item, module) for item in node.elts]
        return tuple(values) if isinstance(node, ast.Tuple) else values
    if isinstance(node, ast.Dict) and all(node.keys):
        return {
            _value(k, module): _value(v, module) for k, v in zip(node.keys, node.values, strict=True) if k
        }
    if isinstance(node, ast.Name) and node.id in _scope(module):
        where, value = _scope(module)[node.id]
        return _value(value, where)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](_value(node.left, module), _value(node.right, module))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, module)
    if isinstance(node, ast.Call) and not node.keywords:
        return _call(node, module)
    raise NotLiteral(ast.dump(node)[:80])


def _call(node: ast.Call, module: str) -> Any:
    if isinstance(node.func, ast.Attribute) and node.func.attr == "split" and not node.args:
        return _value(node.func.value, module).split()
    called, arguments = _called(node), node.args
    if called == "map" and len(arguments) == 2 and getattr(arguments[0], "id", "") == "str":
        return [str(item) for item in _value(arguments[1], module)]
    if called in ("tuple", "range", "len", "list") and isinstance(node.func, ast.Name):
        functions: dict[str, Any] = {"tuple": tuple, "range": range, "len": len, "list": list}
        return functions[called](*(_value(a, module) for a in arguments))
    raise NotLiteral(called)
