"""What is measured during the pass, per image, pixel and object."""

import lazy_loader

from lsood.deprecated import renamed

_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = renamed(__name__, {"Subject": "ModelInfo", "Taps": "ForwardOutputs"}, _public)
