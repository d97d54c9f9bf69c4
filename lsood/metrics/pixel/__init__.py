"""Metrics of pixels and of their components: one file each, found by `lsood.metrics.table`."""
