"""Curves, heat-maps, pictures of boxes."""
