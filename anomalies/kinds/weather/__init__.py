"""Fog, rain and snow between scene and camera, and wet roads."""
