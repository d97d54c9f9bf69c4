"""Score maps of single pixels that are fitted or have parameters, and what they are fitted on."""
