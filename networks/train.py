"""``python -m networks.train --network deeplabv3plus --ind cityscapes``: trains a network alone.

The one module of this package that knows the benchmark, whose data sets, options and cache the command shares. Nothing
may import it.
"""

from __future__ import annotations

import sys

from benchmarks.console import spread
from benchmarks.train import app

if __name__ == "__main__":
    sys.argv[1:] = spread(sys.argv[1:])
    app(prog_name="python -m networks.train")
