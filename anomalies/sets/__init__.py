"""Anomaly sets on disk: planned, generated in parallel, described, read back."""
