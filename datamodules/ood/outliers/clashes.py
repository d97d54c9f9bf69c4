"""Which sets share classes, so that one must not lend outliers where the other is known or under test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datamodules.registry import drawn_on, folder_of

ROAD_VEHICLES = ("pickup_truck", "bus", "streetcar", "tractor")
CARS = ("automobile", "truck")
DROPPED = {
    ("cifar100", "cifar10"): ROAD_VEHICLES,
    ("cifar100", "stl10"): ROAD_VEHICLES,
    ("cifar10", "cifar100"): CARS,
}
"""{(outliers, other set): the outliers' classes that hold objects of the other set}."""
SHARED = {
    ("cifar10", "stl10"): "nine of ten classes are the same",
    **{(cifar, name): "TinyImageNet holds animals, vehicles and things of the same classes"
       for cifar in ("cifar10", "cifar100") for name in ("tiny-imagenet", "tiny-imagenet-c", "tiny-imagenet-r")},
    **{(cifar, name): "both hold animals, vehicles and furniture"
       for cifar in ("cifar10", "cifar100") for name in ("voc", "openimages", "coco")},
    **{("places365", name): "both hold the same scenes" for name in ("lsun-c", "lsun-r", "isun")},
    **{("places365", name): "both hold scenes" for name in ("openimages", "coco")},
    ("mnist", "svhn"): "both hold the digits",
}  # fmt: skip
"""{two sets, in either order: why they share so many classes that leaving some out does not separate them}."""


def clash(outliers: str, other: str) -> str | None:
    """Why a set cannot lend outliers where ``other`` is known or under test; None where it can."""
    other = drawn_on(other) or other
    if other == outliers or (outliers, other) == ("mnist", "mnist-noise"):
        return "it is the same set"
    if reason := one_place(outliers, other):
        return reason
    return SHARED.get((outliers, other)) or SHARED.get((other, outliers))


def one_place(first: str, second: str) -> str | None:
    """Why two names such as "folder:~/x" and "generated:/home/me/x" state the same images; None where they do not."""
    here, there = _place(first), _place(second)
    if here is None or there is None or not (here.is_relative_to(there) or there.is_relative_to(here)):
        return None
    return "it is the same set" if here == there else "one folder lies in the other"


def _place(name: str) -> Path | None:
    """The folder that a name such as "folder:~/x" states, or the images whose anomalies it names, links resolved; None:
    it states none.
    """
    stated = folder_of(drawn_on(name) or name)
    return None if stated is None else stated.resolve()


def reason_against(outliers: str, ind: str, ood: Sequence[str]) -> str | None:
    """Why these outliers cannot be used beside an in-distribution set and OoD sets under test, as an error; None where
    they can.
    """
    sets = [("in-distribution set", ind), *(("OoD set under test", name) for name in ood)]
    for role, other in sets:
        if reason := clash(outliers, other):
            return f"outliers {outliers} clash with the {role} {other}: {reason}"
    return None


def dropped(outliers: str, others: Sequence[str]) -> list[str]:
    """Classes to leave out of a set of outliers because other sets hold their objects, sorted."""
    found = (DROPPED.get((outliers, other.removesuffix("-anomalies")), ()) for other in others)
    return sorted({name for names in found for name in names})
