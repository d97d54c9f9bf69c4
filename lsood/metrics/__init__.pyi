from .comparison import compare, delong_covariance, holm
from .intervals import Estimate, delong_interval, evaluate
from .points import aupr, auroc, detection_error, fpr_at_tpr, threshold_at

__all__ = [
    "Estimate",
    "aupr",
    "auroc",
    "compare",
    "delong_covariance",
    "delong_interval",
    "detection_error",
    "evaluate",
    "fpr_at_tpr",
    "holm",
    "threshold_at",
]
