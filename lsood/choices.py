"""Names that options may have, known without importing torch."""

from __future__ import annotations

PROTOCOLS = ("no-ood", "fgsm-val", "oracle-val")
"""What a method may see; see the README's page on methods."""
PRECISIONS = ("float32", "bfloat16")
"""dtypes of the feature-extraction passes."""
REDUCTIONS = ("fullmean", "mean", "avgpool", "raw")
"""Reductions of latent maps, see `lsood.extraction.reductions`."""
PIXEL_EVALUATORS = ("exact", "smiyc")
"""How pixels are counted and called anomalous, see `lsood.metrics.pixel.evaluators`."""
