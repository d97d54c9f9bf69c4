"""Downloads through torchvision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def from_torchvision(name: str, folder: str = "", **options: Any) -> Callable[[Path], Any]:
    """A function that downloads a data set of torchvision into a data root.

    Args:
        name: of the class in ``torchvision.datasets``. folder: sub-folder of the root.
        options: further arguments of the class.
    """

    def fetch(root: Path) -> Any:
        import torchvision.datasets

        return getattr(torchvision.datasets, name)(root / folder, download=True, **options)

    return fetch
