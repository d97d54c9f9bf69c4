"""From a configuration to results on disk: train or load, extract, fit, tune, score, report."""
