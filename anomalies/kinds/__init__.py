"""Kinds of anomalies: one file for each in the folder of its family.

To add a kind, add ``kinds/<family>/<kind>.py`` with a frozen dataclass that derives from `anomalies.base.Anomaly`. The
class has the name of the file in CamelCase (``sun_flare.py``: ``SunFlare``), its ``kind`` is the name of the file, its
``family`` the name of the folder (with - for _). Nothing else has to be edited. Modules whose names begin with an
underscore hold what several kinds of a family share.

Attributes:
    ORDER: families in the order of lists and tables; further ones follow alphabetically.
"""

ORDER = (
    "objects",
    "soiling",
    "weather",
    "lighting",
    "sensor",
    "blur",
    "noise",
    "geometric",
    "patches",
    "control",
    "imagenet_c",
    "albumentations",
)
