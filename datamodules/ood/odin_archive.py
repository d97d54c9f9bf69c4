"""The resized and cropped sets that ODIN's authors published (Liang et al., ICLR 2018)."""

from __future__ import annotations

from datamodules.ood.base import OODSet

SOURCE = "https://github.com/facebookresearch/odin (archives of resized and cropped sets)"
SETS = (
    OODSet(
        name="isun",
        description="iSUN, 8,925 images of the ODIN archive",
        folders=("iSUN", "isun"),
        source=SOURCE,
        published=8925,
    ),
    OODSet(
        name="lsun-c",
        description="LSUN, cropped, of the ODIN archive",
        folders=("LSUN", "lsun-c"),
        source=SOURCE,
        published=10_000,
    ),
    OODSet(
        name="lsun-r",
        description="LSUN, resized, of the ODIN archive",
        folders=("LSUN_resize", "lsun-r"),
        source=SOURCE,
        published=10_000,
    ),
    OODSet(
        name="tiny-imagenet-c",
        description="TinyImageNet, cropped, of the ODIN archive",
        folders=("Imagenet", "tiny-imagenet-c"),
        source=SOURCE,
        published=10_000,
    ),
    OODSet(
        name="tiny-imagenet-r",
        description="TinyImageNet, resized, of the ODIN archive",
        folders=("Imagenet_resize", "tiny-imagenet-r"),
        source=SOURCE,
        published=10_000,
    ),
)
