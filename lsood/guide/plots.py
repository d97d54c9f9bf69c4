"""Two plots of the guide: ROC curves, and entropies projected to two dimensions by PaCMAP (extra
``pacmap``).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray


def plot_roc_ood_detector(
    results_table: pd.DataFrame,
    legend_title: str = "Detector",
    plot_title: str = "ROC, in-distribution positive",
) -> Figure:
    """ROC curves of a table with columns fpr, tpr (arrays) and auroc, one per row. Save with
    ``figure.savefig(path)``.
    """
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.add_subplot()
    for name, row in results_table.iterrows():
        axes.plot(row["fpr"], row["tpr"], label=f"{name}, AUROC {row['auroc']:.4f}")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    axes.set(xlabel="False positive rate", ylabel="True positive rate", title=plot_title, aspect="equal")
    axes.legend(title=legend_title, loc="lower right", fontsize=8)
    return figure


def plot_samples_pacmap(
    samples_ind: NDArray[np.float64],
    samples_ood: NDArray[np.float64],
    neighbors: int = 25,
    components: int = 2,
    title: str = "Latent entropies, PaCMAP",
    seed: int = 0,
) -> Figure:
    """Scatter of in-distribution (N, D) and OoD (M, D) entropies after PaCMAP (Wang et al., JMLR 2021),
    started from PCA.

    Raises:
        ImportError: the extra is not installed.
    """
    try:
        import pacmap
    except ImportError as error:
        raise ImportError("plot_samples_pacmap needs PaCMAP: pip install 'lsood-bench[pacmap]'") from error
    both = np.concatenate([samples_ind, samples_ood]).astype(np.float32)
    reducer = pacmap.PaCMAP(
        n_components=components, n_neighbors=neighbors, MN_ratio=0.5, FP_ratio=2.0, random_state=seed
    )
    points = reducer.fit_transform(both, init="pca")
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.add_subplot()
    scores_in, scores_out = points[: len(samples_ind)], points[len(samples_ind) :]
    axes.scatter(scores_in[:, 0], scores_in[:, 1], s=8, alpha=0.7, label="in-distribution")
    axes.scatter(scores_out[:, 0], scores_out[:, 1], s=8, alpha=0.7, label="OoD")
    axes.set(title=title, xticks=[], yticks=[])
    axes.legend()
    return figure
