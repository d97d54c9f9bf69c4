"""A camera that is mounted, focused or read out wrongly: the pixels are displaced.

Image and labels are warped with the same map. What comes in from outside the image is its reflection, so that no black
border marks the anomaly; in the labels it is void. A mirrored or upside-down camera is not among the kinds because it
has no degrees of severity.
"""
