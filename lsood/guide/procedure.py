"""The names of the LaREx authors' guide, as thin functions over the core.

Procedure: data module, network, `lsood.Hook` on the DropBlock layer, Monte-Carlo samples, entropies,
detector, results. Differences from the reference are in speed and in its defects alone: samples come from one
pass per image at any batch size, masks are seeded per image, PCA is exact, scores below AUROC 0.5 are shown
as they are. Loaders yield dicts with "image" and "key", or (images, ...) tuples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_curve
from torch import Tensor, nn

from lsood.density.kde_classifier import KDEClassifier
from lsood.density.pca import PCA
from lsood.extraction.entropy import entropy, joint_entropy
from lsood.extraction.hook import Hook
from lsood.extraction.masks import RANDOM_LAYERS
from lsood.extraction.sampling import (
    execution_order,
    input_is_random,
    sample_latents,
    sample_latents_by_passes,
)
from lsood.latent import LaRED, LaREM
from lsood.metrics.intervals import evaluate
from lsood.metrics.points import fpr_at_tpr, threshold_at

Array = NDArray[np.float64]


def deeplabv3p_apply_dropout(module: nn.Module) -> None:
    """For ``network.apply``: put dropout layers into training mode, as the reference does before sampling.

    The samplers below need it no more (they leave the network in evaluation mode and draw the hooked layer's
    masks themselves).
    """
    if isinstance(module, RANDOM_LAYERS):
        module.train()


def _network(model: nn.Module) -> nn.Module:
    """The bare network of a LightningModule, or the module itself."""
    inner = getattr(model, "deeplab_v3plus_model", None) or getattr(model, "network", None)
    return inner if isinstance(inner, nn.Module) else model


@torch.no_grad()
def get_latent_representation_mcd_samples(
    dnn_model: nn.Module,
    dataloader: Iterable[Any],
    mcd_nro_samples: int,
    layer_hook: Hook,
    layer_type: str = "Conv",
    seed: int = 0,
) -> Tensor:
    """Monte-Carlo samples of the hooked dropout layer for every image of a loader.

    Args:
        dnn_model: the network (or a LightningModule around it).
        dataloader: batches of normalised images, any batch size.
        mcd_nro_samples: T.
        layer_hook: `Hook` on a DropBlock or dropout layer of the network.
        layer_type: "Conv": channel means of the map; "FC": the vector. Both are what the layer gives, the
            argument is checked against it.

    Returns:
        (N*T, D) float32 on the CPU, the T samples of an image in a row.

    Raises:
        ValueError: another layer type, a hook on a layer that is not random, or an empty loader.
    """
    if layer_type not in ("Conv", "FC"):
        raise ValueError(f'layer_type must be "Conv" or "FC", got {layer_type!r}')
    network = _network(dnn_model).eval()
    layer = layer_hook.module
    name = next((n for n, m in network.named_modules() if m is layer), None)
    if name is None:
        raise ValueError("the hooked layer does not belong to the network")
    device = next(network.parameters()).device
    samples: list[Tensor] = []
    seen = 0
    for batch in dataloader:
        images = (batch["image"] if isinstance(batch, Mapping) else batch[0]).to(device)
        keys = (
            list(batch["key"]) if isinstance(batch, Mapping) else [str(seen + i) for i in range(len(images))]
        )
        with execution_order(network) as order:
            network(images)
        features = layer_hook.input
        if features is None or (features.ndim == 4) != (layer_type == "Conv"):
            raise ValueError(f"layer_type {layer_type!r} does not fit the hooked layer {name!r}")
        if input_is_random(network, images, name, order):
            drawn = sample_latents_by_passes(network, images, name, mcd_nro_samples, keys, seed)
            drawn = drawn[..., -features.shape[1] :]  # of the last call, which is what the hook keeps
        else:
            drawn = sample_latents(features, layer, mcd_nro_samples, keys, seed)
        samples.append(drawn.flatten(0, 1).cpu())
        seen += len(images)
    if not samples:
        raise ValueError("the data loader is empty")
    return torch.cat(samples)


def deeplabv3p_get_ls_mcd_samples(
    model_module: nn.Module,
    dataloader: Iterable[Any],
    mcd_nro_samples: int,
    hook_dropout_layer: Hook,
    seed: int = 0,
) -> Tensor:
    """:func:`get_latent_representation_mcd_samples` on a convolutional layer: (N*T, C)."""
    return get_latent_representation_mcd_samples(
        model_module, dataloader, mcd_nro_samples, hook_dropout_layer, "Conv", seed
    )


def get_dl_h_z(
    dl_z_samples: Tensor, mcd_samples_nro: int = 32, parallel_run: bool = False
) -> tuple[Array, Array]:
    """Entropies from Monte-Carlo samples.

    Args:
        dl_z_samples: (N*T, D), as the samplers return them.
        mcd_samples_nro: T.
        parallel_run: accepted for the reference's callers; one vectorised pass needs no process pool.

    Returns:
        joint entropy (N,) and per-dimension entropy (N, D), float64, in nats.

    Raises:
        ValueError: a number of rows that T does not divide.
    """
    if len(dl_z_samples) % mcd_samples_nro:
        raise ValueError(f"{len(dl_z_samples)} rows are not a multiple of mcd_samples_nro={mcd_samples_nro}")
    samples = dl_z_samples.unflatten(0, (-1, mcd_samples_nro))
    joint = torch.cat([joint_entropy(part) for part in samples.split(64)])
    return joint.numpy(), torch.cat([entropy(part) for part in samples.split(64)]).numpy()


def build_ood_detection_ds(
    ind_valid_data: Array,
    ood_valid_data: Array,
    ind_test_data: Array,
    ood_test_data: Array,
    apply_pca: bool = True,
    pca_nro_comp: int = 16,
) -> tuple[Array, Array, Array, Array, PCA | None]:
    """Training and test sets for the supervised detector; PCA is fitted on both validation sets, as in the
    reference.

    Returns:
        train samples, train labels (in-distribution 1, OoD 0), test samples, test labels, the PCA (None
        without).
    """
    train, test = (
        np.concatenate([ind_valid_data, ood_valid_data]),
        np.concatenate([ind_test_data, ood_test_data]),
    )
    train_labels = np.r_[np.ones(len(ind_valid_data)), np.zeros(len(ood_valid_data))]
    test_labels = np.r_[np.ones(len(ind_test_data)), np.zeros(len(ood_test_data))]
    if not apply_pca:
        return train, train_labels, test, test_labels, None
    pca = PCA(pca_nro_comp).fit(torch.from_numpy(train))
    project = lambda x: pca.transform(torch.from_numpy(x)).numpy()  # noqa: E731
    return project(train), train_labels, project(test), test_labels, pca


def get_ood_detector_results(
    classifier_name: str, classifier_ood: KDEClassifier, samples_test_ds: Array, labels_test_ds: Array
) -> pd.DataFrame:
    """One row: fpr and tpr of the ROC curve (in-distribution positive), auroc, acc, mcc, f1, fpr@95; F1 of
    the in-distribution class.
    """
    labels = np.asarray(labels_test_ds)
    log_odds = classifier_ood.decision_function(samples_test_ds)
    scores_in, scores_out = -log_odds[labels == 1], -log_odds[labels == 0]
    figures = evaluate(scores_in, scores_out, threshold=0.0, resamples=1)
    fpr, tpr, _ = roc_curve(labels, log_odds)
    row = {
        "fpr": fpr,
        "tpr": tpr,
        "auroc": figures["auroc"].value,
        "acc": figures["accuracy"].value,
        "mcc": figures["mcc"].value,
        "f1": f1_score(labels, classifier_ood.predict(samples_test_ds)),
        "fpr@95": fpr_at_tpr(scores_in, scores_out, 0.95, "in"),
    }
    return pd.DataFrame([row], index=[classifier_name])


def log_evaluate_lared_larem(
    ind_train_h_z: Array,
    ind_test_h_z: Array,
    ood_h_z_dict: Mapping[str, Array],
    experiment_name_extension: str = "",
    return_density_scores: bool = False,
    log_step: int | None = None,
    mlflow_logging: bool = False,
    pca: int | None = None,
) -> Any:
    """LaRED and LaREM against several OoD sets.

    Args:
        ind_train_h_z: (N, D) in-distribution entropies to fit on.
        ind_test_h_z: (M, D) in-distribution test entropies.
        ood_h_z_dict: {OoD set: (L, D)}.
        experiment_name_extension: appended to every row's name.
        return_density_scores: also return LaRED's log densities of the test set and of every OoD set.
        mlflow_logging: also log the figures to the active MLflow run (extra ``mlflow``), at ``log_step``.
        pca: components; None as in the reference's function, which gets projected entropies.

    Returns:
        DataFrame indexed "<OoD set> LaRED<ext>", "<OoD set> LaREM<ext>" with columns auroc, fpr@95
        (in-distribution positive), aupr (in-distribution positive), fpr, tpr (ROC curves), threshold (of the
        in-distribution score, at 95 % of the fit set kept); with ``return_density_scores`` a tuple of it,
        (M,) and {set: (L,)}.
    """
    rows: dict[str, dict[str, Any]] = {}
    densities: dict[str, dict[str, Array]] = {}
    for detector in (LaRED(pca), LaREM(pca)):
        title = type(detector).__name__
        detector.fit(torch.as_tensor(ind_train_h_z))
        threshold = threshold_at(detector.score(torch.as_tensor(ind_train_h_z)).numpy())
        scores_in = detector.score(torch.as_tensor(ind_test_h_z)).numpy()
        densities[title] = {"": -scores_in}
        for name, entropies in ood_h_z_dict.items():
            scores_out = detector.score(torch.as_tensor(entropies)).numpy()
            densities[title][name] = -scores_out
            figures = evaluate(scores_in, scores_out, threshold, resamples=1)
            fpr, tpr, _ = roc_curve(
                np.r_[np.ones(len(scores_in)), np.zeros(len(scores_out))], -np.r_[scores_in, scores_out]
            )
            rows[f"{name} {title}{experiment_name_extension}"] = {
                "auroc": figures["auroc"].value,
                "fpr@95": figures["fpr95_in"].value,
                "aupr": figures["aupr_in"].value,
                "fpr": fpr,
                "tpr": tpr,
                "threshold": -threshold,
            }
    table = pd.DataFrame.from_dict(rows, orient="index")
    if mlflow_logging:
        _log_to_mlflow(table, log_step)
    if not return_density_scores:
        return table
    lared = densities["LaRED"]
    return table, lared[""], {name: lared[name] for name in ood_h_z_dict}


def _log_to_mlflow(table: pd.DataFrame, step: int | None) -> None:
    import mlflow

    for name, row in table.iterrows():
        for figure in ("auroc", "fpr@95", "aupr"):
            mlflow.log_metric(f"{name} {figure}".replace("@", "_at_"), float(row[figure]), step=step)
