"""Networks with a DropBlock or dropout layer to sample, their training and their weights on disk."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
