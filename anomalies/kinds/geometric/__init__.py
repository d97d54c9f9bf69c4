"""A camera that is mounted, focused or read out wrongly: the pixels are displaced."""
