"""Methods that need only the logits."""
