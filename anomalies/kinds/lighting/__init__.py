"""Light outside the range the camera was made for: glare, exposure, colour, shadows."""
