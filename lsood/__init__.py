"""The core: one-pass extraction, Monte-Carlo latent samples, their entropy, the densities LaRED and LaREM,
metrics, the monitor.
"""

from lsood.density.kde_classifier import KDEClassifier
from lsood.detector import Detector
from lsood.extraction.activations import Activations
from lsood.extraction.entropy import entropy
from lsood.extraction.hook import Hook
from lsood.extraction.one_pass import OnePass
from lsood.extraction.sampling import sample_latents
from lsood.guide.plots import plot_roc_ood_detector, plot_samples_pacmap
from lsood.guide.procedure import (
    build_ood_detection_ds,
    deeplabv3p_apply_dropout,
    deeplabv3p_get_ls_mcd_samples,
    get_dl_h_z,
    get_latent_representation_mcd_samples,
    get_ood_detector_results,
    log_evaluate_lared_larem,
)
from lsood.latent import LaRD, LaRDMahalanobis, LaRED, LaREM
from lsood.metrics.intervals import delong_interval, evaluate
from lsood.metrics.points import aupr, auroc, detection_error, fpr_at_tpr, threshold_at
from lsood.monitor import Monitor
from lsood.probes.head import Head
from lsood.probes.image import ModelInfo

__all__ = [
    "Activations",
    "Detector",
    "Head",
    "Hook",
    "KDEClassifier",
    "LaRD",
    "LaRDMahalanobis",
    "LaRED",
    "LaREM",
    "ModelInfo",
    "Monitor",
    "OnePass",
    "aupr",
    "auroc",
    "build_ood_detection_ds",
    "deeplabv3p_apply_dropout",
    "deeplabv3p_get_ls_mcd_samples",
    "delong_interval",
    "detection_error",
    "entropy",
    "evaluate",
    "fpr_at_tpr",
    "get_dl_h_z",
    "get_latent_representation_mcd_samples",
    "get_ood_detector_results",
    "log_evaluate_lared_larem",
    "plot_roc_ood_detector",
    "plot_samples_pacmap",
    "sample_latents",
    "threshold_at",
]
