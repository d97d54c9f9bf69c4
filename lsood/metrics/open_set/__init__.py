"""Metrics of unknown objects: titles and directions, found by `lsood.metrics.table`."""
