"""The albumentations package, in the one version that is supported."""

from __future__ import annotations

import importlib
import os
from typing import Any

VERSION = "2.0.8"


def albumentations() -> Any:
    """The package, in the one version whose pixels are known here.

    Raises:
        ValueError: it is not installed, or in another version.
    """
    # Without this, importing it asks its server for the newest version.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    wanted = f"albumentations {VERSION} is needed (pip install albumentations=={VERSION})"
    try:
        package = importlib.import_module("albumentations")
    except ImportError:
        raise ValueError(f"{wanted}; it is not installed") from None
    if package.__version__ != VERSION:
        raise ValueError(f"{wanted}; other versions draw other pixels, installed is {package.__version__}")
    return package
