"""Networks with a DropBlock or dropout layer to sample, their training and their weights on disk.

Imports no torch before a network, a training or weights are asked for.
"""

import lazy_loader

from lsood.deprecated import renamed

_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = renamed(__name__, {"TrainingRecipe": "TrainingConfig"}, _public)
