"""Metrics of a ranking of rows, images or objects: one file each, found by `lsood.metrics.table`."""
