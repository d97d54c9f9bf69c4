"""Data modules of the in-distribution sets, the OoD sets beside them, and generated miniatures for users
without data.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
