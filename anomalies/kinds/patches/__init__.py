"""Local changes without a foreign object."""
