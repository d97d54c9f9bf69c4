"""The methods LaRED and LaREM are compared with: one file each, all behind the same detector contract."""

from baselines.cmd import CMD
from baselines.ddu import DDU
from baselines.deep_ensemble import DeepEnsemble
from baselines.energy import Energy
from baselines.entropy import Entropy
from baselines.fdbd import FDBD
from baselines.fssd import FSSD, FSSDNoise
from baselines.gen import GEN
from baselines.gradnorm import GradNorm
from baselines.kde_classifier import KDEClassifierDetector
from baselines.kl_matching import KLMatching
from baselines.knn import KNN
from baselines.mahalanobis import Mahalanobis, MahalanobisNoise
from baselines.max_logit import MaxLogit
from baselines.msp import MSP
from baselines.nnguide import NNGuide
from baselines.odin import ODIN
from baselines.relative_mahalanobis import RelativeMahalanobis
from baselines.residual import Residual
from baselines.she import SHE
from baselines.temp_scale import TempScale
from baselines.vim import ViM

__all__ = [
    "CMD",
    "DDU",
    "FDBD",
    "FSSD",
    "GEN",
    "KNN",
    "MSP",
    "ODIN",
    "SHE",
    "DeepEnsemble",
    "Energy",
    "Entropy",
    "FSSDNoise",
    "GradNorm",
    "KDEClassifierDetector",
    "KLMatching",
    "Mahalanobis",
    "MahalanobisNoise",
    "MaxLogit",
    "NNGuide",
    "RelativeMahalanobis",
    "Residual",
    "TempScale",
    "ViM",
]
