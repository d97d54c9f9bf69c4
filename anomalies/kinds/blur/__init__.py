"""Blurred images: defocus, softness, motion during the exposure."""
