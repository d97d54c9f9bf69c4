"""Local changes of the image without a foreign object.

The severity sets the area: 0.0005, 0.002, 0.005, 0.015, 0.04 of the image (at least 6, 10, 16, 25, 38 pixels), grown
about the same place. Pixels are marked where they visibly changed.
"""
