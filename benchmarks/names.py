"""The check of the names that a run is asked for, before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Sequence


def check_names(
    ind: str | None,
    ood: Sequence[str],
    methods: Sequence[str],
    network: str | None,
    preset: str | None,
    calibrate_on: str | None = None,
) -> None:
    """Raise ValueError for the first unknown name; it says the nearest one and lists all.

    Args:
        ind: None: the data are there already.
    """
    from benchmarks.predictions.files import files_of
    from datamodules.registry import DATAMODULES, SPECS, check_known
    from datamodules.registry import check_names as check_ood_names
    from lsood.methods import check as check_method
    from networks.outside.spec import FORMS, check_spec, is_outside, is_predictions
    from networks.presets import preset as find_preset
    from networks.registry import NETWORKS

    if ind == "":
        raise ValueError(f"--ind is missing: choose one of {', '.join(DATAMODULES)}, {SPECS}")
    if ind is not None:
        DATAMODULES.check(ind, f", {SPECS}")
    check_ood_names(ood)
    for method in methods:
        check_method(method)
    if is_predictions(network):
        files_of(str(network))
    elif network is not None and is_outside(network):
        check_spec(network)
    elif network is not None:
        NETWORKS.check(network, f"; or {FORMS}")
    if preset is not None:
        find_preset(preset)
    if calibrate_on:
        check_known(calibrate_on)
