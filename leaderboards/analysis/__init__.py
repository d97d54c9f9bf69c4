"""Comparisons of methods: significance, ranks, strata, gain over the naive baseline."""
