"""Transforms of albumentations as anomalies."""
