"""The benchmark: `python -m benchmarks.run` compares detectors on one network."""
