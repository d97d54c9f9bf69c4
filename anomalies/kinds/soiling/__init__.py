"""Dirt, water and damage on the lens."""
