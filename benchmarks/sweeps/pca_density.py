"""LaRED over PCA sizes, with the exact kernel density and with scikit-learn's:
``python -m benchmarks.sweeps.pca_density --ind fashion-mnist --ood mnist``.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import typer
from numpy.typing import NDArray
from sklearn.neighbors import KernelDensity
from torch import Tensor

import lsood
import networks
from benchmarks.console import spread, to_terminal, watch
from benchmarks.options import max_bad_option, verify_data_option
from benchmarks.pipeline.config import Settings, resolve_device
from benchmarks.pipeline.extraction import Extraction
from benchmarks.pipeline.job import data_module
from benchmarks.pipeline.provenance import environment, git_commit
from benchmarks.under_test.training import train
from datamodules import DATAMODULES, cache_dir, check_names
from datamodules.imagesets.contents import reading_everything
from datamodules.imagesets.left_out import MAX_BAD, without_unreadable
from datamodules.registry import SPECS
from leaderboards.figures.sweep import sweep_figure
from lsood import auroc
from lsood.command import BAD_USAGE, FAILED, reporting
from lsood.density.kernel import kernel_log_density
from lsood.density.pca import PCA
from lsood.io import log, write_text
from lsood.probes.image import LatentEntropy

SIZES = (4, 8, 16, 32, 48, 64, 96, 128, 192, 256)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def sweep(
    fit: Tensor, validation: Tensor, test: Tensor, oods: Mapping[str, Tensor], sizes: Sequence[int] = SIZES
) -> tuple[pd.DataFrame, int]:
    """LaRED and LaREM of latent entropies at every PCA size below the rank of the fit set.

    Args:
        fit, validation, test: (N, D) entropies of in-distribution images. oods: of every OoD set.

    Returns:
        One row per OoD set and size: AUROC of ``lared`` (exact), ``sklearn`` (KernelDensity as the reference
        calls it), ``sklearn_brute`` (its tree a single leaf) and ``larem``; of both scikit-learn densities
        the ``worst`` and ``mean`` absolute error in nats over test and OoD images; ``picked``: the size is
        the one of :meth:`lsood.density.pca.PCA.select`. And that size.
    """
    pca = PCA().fit(fit)
    picked = pca.select(validation).n_components_
    found = []
    for n in (n for n in sizes if n < len(pca.variances_)):
        pca.n_components_ = n
        centres, scores_in = pca.transform(fit), pca.transform(test)
        outsides = {name: pca.transform(entropies) for name, entropies in oods.items()}
        densities = _densities(centres, torch.cat([scores_in, *outsides.values()]))
        parts = [len(scores_in), *(len(scores_out) for scores_out in outsides.values())]
        sides = {kind: np.split(values, np.cumsum(parts)[:-1]) for kind, values in densities.items()}
        for i, (name, scores_out) in enumerate(outsides.items(), 1):
            row: dict[str, Any] = {"ood": name, "components": n, "picked": n == picked}
            row |= {kind: auroc(-side[0], -side[i]) for kind, side in sides.items()}
            row["larem"] = auroc(scores_in.square().sum(1), scores_out.square().sum(1))
            for kind in ("sklearn", "sklearn_brute"):
                errors = np.concatenate([np.abs(sides[kind][j] - sides["lared"][j]) for j in (0, i)])
                row |= {f"{kind}_worst": errors.max(), f"{kind}_mean": errors.mean()}
            found.append(row)
            log.info("%s, %d components: AUROC %.4f exact, %.4f scikit-learn, off by up to %.3g nats",
                     name, n, row["lared"], row["sklearn"], row["sklearn_worst"])  # fmt: skip
    return pd.DataFrame(found), picked


def _densities(fit: Tensor, x: Tensor) -> dict[str, NDArray[np.float64]]:
    """(N,) log densities of x by the exact sum, by scikit-learn, and by scikit-learn with a tree of one leaf;
    bandwidth 1.
    """
    tree = KernelDensity(bandwidth=1.0).fit(fit.numpy())
    brute = KernelDensity(bandwidth=1.0, leaf_size=len(fit)).fit(fit.numpy())
    return {
        "lared": kernel_log_density(x, fit).numpy(),
        "sklearn": tree.score_samples(x.numpy()),
        "sklearn_brute": brute.score_samples(x.numpy()),
    }


def run(settings: Settings, out: Path) -> list[Path]:
    """Train on the whole set (or read the network from the cache), measure at most ``limit`` images of every
    set, sweep, write; returns the files.
    """
    with reading_everything(settings.verify_data):
        return without_unreadable(partial(_run, settings, out), settings.max_bad)


def _run(settings: Settings, out: Path) -> list[Path]:
    seed = settings.seeds[0]
    whole = data_module(dataclasses.replace(settings, limit=None))
    trained = train(settings, whole, seed)
    data = whole if settings.limit is None else data_module(settings)
    layer = str(trained.network.latent_layer)
    probe = LatentEntropy(layer, settings.mc_samples, settings.reduction, seed)
    store, shown = cache_dir() / "activations", data.preprocess.fingerprint
    extraction = Extraction(trained.network, trained.weights, shown, store, settings.device, watch)
    loaders = {
        "fit": (data.fit_dataloader(), data.sets["train"]),
        "ind-val": (data.val_dataloader(), data.sets["val"]),
        "ind-test": (data.test_dataloader(), data.sets["test"]),
        **{name: (loader, data.ood_sets[name]) for name, loader in data.ood_dataloaders().items()},
    }
    entropies = {
        name: extraction.measure(name, loader, images.fingerprint, [probe]).images[probe.name]
        for name, (loader, images) in loaders.items()
    }
    fit, validation, test = (entropies[name] for name in ("fit", "ind-val", "ind-test"))
    table, picked = sweep(fit, validation, test, {name: entropies[name] for name in data.ood_sets})
    if table.empty:
        raise ValueError(f"{tuple(fit.shape)} entropies to fit are too few for {SIZES[0]} components")
    sets = {
        name: {
            "origin": images.origin,
            "fingerprint": images.fingerprint,
            "images": len(entropies[name]),
            "left_out": list(images.left_out),
        }
        for name, (_, images) in loaders.items()
    }
    mini = "MINIATURE  " if any(entry["origin"] == "miniature" for entry in sets.values()) else ""
    title = (
        f"{mini}{data.name}: {trained.name}, {trained.options.get('epochs')} epochs; {fit.shape[1]} latent entropies "
        f"({layer}, {settings.reduction})\n{len(fit)} images to fit, {len(test)} to test; "
        f"the in-distribution criterion picks {picked} components"
    )
    network = {
        "name": trained.name, "checkpoint": trained.weights, "options": trained.options, "latent_layer": layer
    }  # fmt: skip
    how = {
        "command": settings.command, "version": lsood.__version__, "git": git_commit(),
        "environment": dataclasses.asdict(environment(settings.device)), "ind": data.name, "sets": sets,
        "network": network, "reduction": settings.reduction, "mc_samples": settings.mc_samples, "seed": seed,
        "limit": settings.limit, "batch_size": extraction.limit.size or settings.batch_size,
        "dimensions": fit.shape[1], "picked_components": picked,
    }  # fmt: skip
    return _write(out, table, how, title)


def _write(out: Path, table: pd.DataFrame, how: dict[str, Any], title: str) -> list[Path]:
    paths = [out / f"pca-density.{end}" for end in ("csv", "json", "png")]
    texts = [table.to_csv(index=False, lineterminator="\n"), json.dumps(how, indent=1, sort_keys=True) + "\n"]
    for path, text in zip(paths, texts, strict=False):
        write_text(path, text)
    sweep_figure(table, title, paths[-1])
    return paths


@app.command(
    epilog="Example: python -m benchmarks.sweeps.pca_density --ind fashion-mnist --ood mnist --reduction avgpool"
)
def main(
    ind: Annotated[str, typer.Option(help="in-distribution set, see benchmarks.run --list")],
    ood: Annotated[list[str], typer.Option(help="OoD sets; several")],
    network: Annotated[str | None, typer.Option(help="network (default: by data set)")] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(envvar="LSOOD_DATA", help="folder of the data sets (default: generated miniatures)"),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="training epochs (default: from the training config)")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="maximum number of images per set; training uses all")
    ] = None,
    mc_samples: Annotated[int, typer.Option(help="Monte-Carlo samples per image")] = 16,
    reduction: Annotated[
        str, typer.Option(help="reduction of latent maps: fullmean, mean, avgpool or raw")
    ] = "fullmean",
    seed: Annotated[int, typer.Option(help="random seed of training and masks")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "auto",
    batch_size: Annotated[int, typer.Option(help="batch size of the feature-extraction passes")] = 128,
    max_bad: Annotated[float, max_bad_option()] = MAX_BAD,
    verify_data: Annotated[bool, verify_data_option()] = False,
    out: Annotated[Path, typer.Option(help="output folder")] = Path("runs/pca-density"),
    debug: Annotated[bool, typer.Option("--debug", help="show tracebacks")] = False,
) -> None:
    """What scikit-learn's kernel density does to LaRED as the number of principal components grows."""
    to_terminal()
    with reporting(BAD_USAGE, debug):
        DATAMODULES.check(ind, f", {SPECS}")
        check_names(ood)
        if network is not None and network not in networks.NETWORKS:
            raise ValueError(f"unknown network {network!r}; networks: {', '.join(networks.NETWORKS)}")
        words = ["python", "-m", "benchmarks.sweeps.pca_density", *sys.argv[1:]]
        settings = Settings(
            ind=ind, ood=tuple(dict.fromkeys(ood)), network=network, data_root=data_root, epochs=epochs, limit=limit,
            mc_samples=mc_samples, reduction=reduction, seeds=(seed,), device=resolve_device(device),
            batch_size=batch_size, max_bad=max_bad, verify_data=verify_data, command=shlex.join(words),
        )  # fmt: skip
    with reporting(FAILED, debug):
        for path in run(settings, out.expanduser()):
            typer.echo(str(path))


if __name__ == "__main__":
    sys.argv[1:] = spread(sys.argv[1:])
    app(prog_name="python -m benchmarks.sweeps.pca_density")
