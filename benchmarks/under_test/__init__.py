"""The network of a run and its auxiliary ones: opened, trained or read from the cache, described, checked."""
