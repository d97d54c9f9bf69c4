"""What `benchmarks.evaluate` is given: options, data as names or objects, a network to leave as it was."""
