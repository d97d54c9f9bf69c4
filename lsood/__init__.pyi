from .density.kde_classifier import KDEClassifier
from .detector import Detector, NotFittedError
from .extraction.activations import Activations
from .extraction.entropy import entropy
from .extraction.hook import Hook
from .extraction.one_pass import OnePass
from .extraction.sampling import sample_latents
from .guide.plots import plot_roc_ood_detector, plot_samples_pacmap
from .guide.procedure import (
    build_ood_detection_ds,
    deeplabv3p_apply_dropout,
    deeplabv3p_get_ls_mcd_samples,
    get_dl_h_z,
    get_latent_representation_mcd_samples,
    get_ood_detector_results,
    log_evaluate_lared_larem,
)
from .latent import LaRD, LaRDMahalanobis, LaRED, LaREM
from .metrics.intervals import delong_interval, evaluate
from .metrics.points import aupr, auroc, detection_error, fpr_at_tpr, threshold_at
from .monitor import Monitor
from .out_of_fold import out_of_fold_scores
from .probes.head import Head
from .probes.image import ModelInfo

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
    "NotFittedError",
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
    "out_of_fold_scores",
    "plot_roc_ood_detector",
    "plot_samples_pacmap",
    "sample_latents",
    "threshold_at",
]

__version__: str
