"""Architectures, each with a dropout or DropBlock layer for latent samples."""
