"""Training with Lightning: configuration, losses, one module per task."""
