"""Methods, networks, data sets and anomalies by name: one mechanism for all of them.

A name is a built-in one, one of an installed package's entry points, ``package.module:Object`` or ``file.py:Object``.
What is built in is read from the source files of a package without importing them: a class with a literal ``name``,
or a call of a maker such as ``network("resnet18", ...)``. So a new file is found without being listed anywhere, and
names and descriptions are known before torch is loaded.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from lsood.source import declarations
from lsood.text import unknown

_DIGEST = "__lsood_sha256__"
"""Attribute of a module of a user's file: of the content that was loaded."""


@dataclass(frozen=True)
class Entry:
    """What is known of a thing before it is imported.

    Attributes:
        name: as typed. module: dotted name of the module that defines it.
        attribute: its name there; None: the object of the module that carries the name.
        about: literal class attributes, inherited ones included, or arguments of its maker; "doc" is the first line of
            a class's docstring.
    """

    name: str
    module: str
    attribute: str | None
    about: Mapping[str, Any]


class Registry(Mapping[str, Any]):
    """Things of one kind by name, loaded when they are asked for.

    Args:
        what: noun for messages, "method".
        packages: dotted names of packages (searched with their sub-packages) or modules that hold the built-in ones.
        group: entry-point group for further ones: ``name = "module:Object"``, or ``any = "package"`` for one to search.
        key: attribute that holds the name.
        order: key that entries are sorted by.
        maker: name of the function whose calls declare things, and ``fields``, its first positional arguments.
    """

    def __init__(
        self,
        what: str,
        packages: Sequence[str] = (),
        group: str = "",
        key: str = "name",
        maker: str = "",
        fields: Sequence[str] = (),
        order: Callable[[Entry], Any] = lambda entry: entry.name,
    ) -> None:
        self.what, self._packages, self._group, self._order = what, tuple(packages), group, order
        self._key, self._maker, self._fields = key, maker, tuple(fields)

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """{name: entry}, in order."""
        points = list(entry_points(group=self._group)) if self._group else []
        packages = dict.fromkeys((*self._packages, *(p.value for p in points if ":" not in p.value)))
        found: dict[str, Entry] = {}
        for declared in declarations(tuple(packages), self._key, self._maker, self._fields):
            name = declared.about[self._key]
            if name in found:
                raise ValueError(
                    f"two {self.what}s are named {name!r}: in {found[name].module} and {declared.module}"
                )
            found[name] = Entry(name, declared.module, declared.attribute, declared.about)
        for point in points:
            if ":" in point.value and point.name not in found:
                module, _, attribute = point.value.partition(":")
                found[point.name] = Entry(point.name, module, attribute, {})
        return {entry.name: entry for entry in sorted(found.values(), key=self._order)}

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __getitem__(self, name: str) -> Any:
        """The object of a name.

        Raises:
            KeyError: unknown name.
        """
        entry = self.entries[name]
        module = importlib.import_module(entry.module)
        return getattr(module, entry.attribute) if entry.attribute else self._of(module, name)

    def find(self, spec: str) -> Any:
        """The object of a name, of ``package.module:Object`` or of ``file.py:Object``.

        Raises:
            ValueError: an unknown name (says the nearest one and lists all), or an object that cannot be loaded.
        """
        if ":" not in spec:
            self.check(spec)
            return self[spec]
        module, _, attribute = spec.rpartition(":")
        try:
            return getattr(load(module), attribute)
        except (ImportError, AttributeError, OSError, SyntaxError) as error:
            raise ValueError(f"{self.what} {spec!r}: {error}") from error

    def spec_of(self, thing: type) -> str:
        """What :meth:`find` finds a class by: its name if it is registered, else ``module:Class``."""
        name = getattr(thing, self._key, None)
        if name in self.entries and self[name] is thing:
            return str(name)
        return f"{thing.__module__}:{thing.__qualname__}"

    def moved(self, spec: str) -> str:
        """The name of a registered class that was stored as ``module:Class`` and whose module has moved since; other
        specs as they are.
        """
        module, _, attribute = spec.rpartition(":")
        found = [entry.name for entry in self.entries.values() if entry.attribute == attribute]
        top = module.split(".")[0]
        known = {entry.module.split(".")[0] for entry in self.entries.values()}
        return found[0] if len(found) == 1 and top in known else spec

    def check(self, name: str, further: str = "") -> None:
        """Raise ValueError for an unknown built-in name, without loading anything; a name with ":" passes."""
        if ":" not in name and name not in self.entries:
            raise unknown(self.what, name, self.entries, further)

    def about(self, name: str, attribute: str, default: Any = None) -> Any:
        """A literal attribute of a thing, without loading it if a searched file declares it; ``default`` where the
        source does not tell.
        """
        known = self.entries[name].about
        return known.get(attribute, default) if known else getattr(self[name], attribute, default)

    def _of(self, module: ModuleType, name: str) -> Any:
        public = [value for attribute, value in vars(module).items() if not attribute.startswith("__")]
        for value in public:
            for thing in value if isinstance(value, tuple | list) else (value,):
                if not isinstance(thing, type) and getattr(thing, self._key, None) == name:
                    return thing
        raise KeyError(f"{module.__name__} does not define the {self.what} {name!r}")


def load(module: str) -> ModuleType:
    """A module by its dotted name, or by the path of its file, which is loaded once for each content.

    Raises:
        FileNotFoundError: no such file. ImportError: no such module, or one that cannot be imported.
    """
    if not module.endswith(".py"):
        return importlib.import_module(module)
    path = Path(module).expanduser().resolve()
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {module}")
    name = f"lsood_user_file.{path.as_posix()}"
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if name not in sys.modules or vars(sys.modules[name]).get(_DIGEST) != digest:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        sys.modules[name] = made = importlib.util.module_from_spec(spec)
        setattr(made, _DIGEST, digest)
        sys.path.insert(0, str(path.parent))
        try:
            exec(
                compile(content, path, "exec", dont_inherit=True), vars(made)
            )  # bytecode on the disk may be older
        except BaseException:
            del sys.modules[name]
            raise
        finally:
            sys.path.remove(str(path.parent))
    return sys.modules[name]
