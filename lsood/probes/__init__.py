"""What is measured during the pass, per image, pixel and object."""
