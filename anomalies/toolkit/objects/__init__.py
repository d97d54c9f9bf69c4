"""Objects: modelled, rendered, cut out, placed on the ground and blended into an image."""
