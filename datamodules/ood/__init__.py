"""OoD sets: every `OODSet` or `NoiseSet` that a file of this folder declares is found by its name."""
