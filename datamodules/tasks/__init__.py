"""How images and labels of each task are handled: one file per task."""
