"""Detectors of the user: torchvision's Faster R-CNN family and detectors with queries (DETR family)."""
