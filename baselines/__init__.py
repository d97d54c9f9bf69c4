"""The methods LaRED and LaREM are compared with: one file each, all behind the same detector contract."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
