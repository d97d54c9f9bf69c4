"""The core: one-pass extraction, Monte-Carlo latent samples, their entropy, the densities LaRED and LaREM,
metrics, the monitor.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
