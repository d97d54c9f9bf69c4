"""Street scenes with exact label maps, as a pinhole or a fisheye camera sees them."""
