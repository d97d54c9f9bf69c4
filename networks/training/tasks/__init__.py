"""One file per task: a subclass of `TrainingModule` with a literal ``task``, found by `networks.fit`."""
