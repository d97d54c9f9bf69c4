"""The core: one-pass extraction, Monte-Carlo latent samples, their entropy, the densities LaRED and LaREM,
metrics, the monitor. Imports no torch before something that needs it is asked for.
"""

from importlib.metadata import PackageNotFoundError, version

import lazy_loader

from lsood.deprecated import renamed

try:
    __version__ = version("lsood-bench")
except PackageNotFoundError:  # run from a folder that is not installed
    __version__ = "unknown"
_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = renamed(__name__, {"Subject": "ModelInfo"}, _public)
