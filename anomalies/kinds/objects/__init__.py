"""Objects that do not belong in the scene, pasted where they could stand."""
