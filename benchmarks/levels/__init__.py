"""The levels at which methods are evaluated: rows are images, pixels or detected objects. One file per level."""
