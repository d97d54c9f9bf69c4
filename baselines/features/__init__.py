"""Methods on penultimate features and the last linear layer."""
