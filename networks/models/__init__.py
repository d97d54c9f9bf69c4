"""Architectures with a dropout or DropBlock layer for latent samples. A file lists its variants in ``NETWORKS``."""
