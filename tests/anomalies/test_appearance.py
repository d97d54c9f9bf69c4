"""Pinned appearance of what is on the lens, in the weather and in the light."""

import numpy as np
import pytest

from anomalies import ANOMALIES, generator

# kind: version, means of 2 x 4 parts of a rendered gradient
APPEARANCE = {
    "mud": (1, [135.5, 142.3, 164.6, 163.5, 91.1, 92.5, 93.8, 91.4]),
    "fog": (3, [227.8, 229.1, 228.5, 226.1, 117.0, 118.2, 117.0, 116.9]),
    "sun_flare": (1, [173.7, 175.7, 185.9, 189.5, 109.5, 111.5, 115.0, 114.9]),
    "rain": (3, [157.1, 156.9, 157.2, 156.8, 102.3, 101.9, 102.8, 102.5]),
    "snow": (3, [176.6, 176.7, 176.9, 176.6, 128.3, 126.5, 125.9, 131.6]),
    "identity": (1, [164.8, 164.8, 164.8, 164.8, 94.2, 94.2, 94.2, 94.2]),
    "dust_film": (1, [164.7, 164.5, 162.6, 164.2, 102.3, 101.2, 96.1, 96.8]),
    "smear": (1, [164.8, 164.8, 164.6, 165.8, 94.3, 94.3, 95.8, 108.6]),
    "water_drops": (2, [164.3, 164.4, 164.6, 164.1, 94.6, 94.6, 94.6, 94.7]),
    "frost": (1, [173.0, 172.6, 166.7, 174.4, 108.0, 101.8, 100.5, 108.1]),
    "crack": (1, [164.8, 164.8, 164.8, 164.8, 94.2, 94.2, 95.7, 99.7]),
    "leaf": (1, [164.8, 156.6, 164.6, 164.8, 94.2, 89.6, 90.3, 94.2]),
    "insect": (1, [163.9, 164.8, 164.2, 164.8, 94.2, 93.5, 93.8, 94.3]),
    "wet_road": (1, [164.8, 164.6, 164.6, 164.8, 92.5, 94.3, 96.4, 92.3]),
    "low_sun": (1, [179.9, 194.2, 178.2, 175.3, 118.2, 131.0, 115.8, 112.4]),
    "headlight_glare": (1, [104.4, 108.6, 101.5, 100.9, 66.9, 73.6, 58.3, 57.7]),
    "low_light": (2, [75.6, 75.6, 75.6, 75.6, 43.2, 43.2, 43.2, 43.1]),
    "night": (2, [36.6, 38.6, 36.6, 34.6, 35.9, 43.9, 43.9, 35.9]),
    "over_exposure": (1, [233.0, 233.0, 233.0, 233.0, 147.9, 147.9, 147.9, 147.9]),
    "contrast_loss": (1, [161.5, 161.5, 161.5, 161.5, 122.8, 122.8, 122.8, 122.8]),
    "colour_cast": (1, [147.4, 147.4, 147.4, 147.4, 85.2, 85.2, 85.2, 85.2]),
    "cast_shadow": (1, [164.8, 164.8, 164.8, 164.8, 85.7, 86.1, 77.1, 83.0]),
    "tunnel_exit": (1, [48.4, 180.9, 181.1, 49.7, 31.5, 49.5, 49.7, 31.7]),
}


@pytest.mark.parametrize("kind", list(APPEARANCE))
def test_appearance_is_pinned(kind):
    """When this fails the pixels have changed: raise the kind's version, then renew the numbers."""
    image = np.linspace(200, 60, 128).astype(np.uint8)[:, None, None].repeat(256, 1).repeat(3, 2)
    drawn = ANOMALIES[kind](3).render(image, generator(0, kind, "a")).image
    parts = drawn.reshape(2, 64, 4, 64, 3).mean(axis=(1, 3, 4)).ravel()
    version, expected = APPEARANCE[kind]
    assert ANOMALIES[kind].version == version
    np.testing.assert_allclose(parts, expected, atol=1.0)
