"""The methods LaRED and LaREM are compared with: one file each, all behind the same detector contract."""

from baselines.deep_ensemble import DeepEnsemble
from baselines.fssd import FSSD, FSSDNoise
from baselines.kde_classifier import KDEClassifierDetector
from baselines.mahalanobis import Mahalanobis, MahalanobisNoise
from baselines.msp import MSP
from baselines.odin import ODIN

__all__ = [
    "FSSD",
    "MSP",
    "ODIN",
    "DeepEnsemble",
    "FSSDNoise",
    "KDEClassifierDetector",
    "Mahalanobis",
    "MahalanobisNoise",
]
