"""Metrics of anomaly scores with 95 % intervals. numpy and scipy only."""
