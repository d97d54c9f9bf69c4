"""The corruptions of ImageNet-C and CIFAR-10-C (Hendrycks & Dietterich, ICLR 2019) with their published constants.

They are meant for comparison with published results. Sizes are in pixels, as published, so the same severity is milder
on a larger image. The constants of glass blur, snow, frost, fog, spatter, elastic transform and saturate do not
guarantee monotone severities, and kinds without randomness (brightness, contrast, ...) do the same to every image.
Random numbers come from the image's own generator instead of three global ones.
"""
