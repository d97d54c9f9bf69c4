"""Measured features and logits in place of a network and images: ``--features``."""
