"""Densities of latent vectors."""
