"""OoD sets, noise and auxiliary outliers."""
