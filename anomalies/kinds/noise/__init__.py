"""Noise, compression and low resolution."""
