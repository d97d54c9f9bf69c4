"""Faults of sensor, optics, electronics and transmission."""
