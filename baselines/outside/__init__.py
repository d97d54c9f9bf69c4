"""Detectors of other libraries as methods of the benchmark."""
