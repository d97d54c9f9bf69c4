"""The methods LaRED and LaREM are compared with: one file each, all behind the same detector contract."""

from baselines.ash import ASHB, ASHP, ASHS
from baselines.cmd import CMD
from baselines.ddu import DDU
from baselines.deep_ensemble import DeepEnsemble
from baselines.dice import DICE, DICEReAct
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
from baselines.mc_dropout import MCDropout, MCDropoutEntropy, MCDropoutMI, MCDropoutNet
from baselines.msp import MSP
from baselines.nnguide import NNGuide
from baselines.odin import ODIN
from baselines.outlier_exposure import OutlierExposure
from baselines.rankfeat import RankFeat
from baselines.react import ReAct
from baselines.relative_mahalanobis import RelativeMahalanobis
from baselines.residual import Residual
from baselines.scale import SCALE
from baselines.she import SHE
from baselines.temp_scale import TempScale
from baselines.vim import ViM
from baselines.vmdls import VMDLS, VMDLSBase

__all__ = [
    "ASHB",
    "ASHP",
    "ASHS",
    "CMD",
    "DDU",
    "DICE",
    "FDBD",
    "FSSD",
    "GEN",
    "KNN",
    "MSP",
    "ODIN",
    "SCALE",
    "SHE",
    "VMDLS",
    "DICEReAct",
    "DeepEnsemble",
    "Energy",
    "Entropy",
    "FSSDNoise",
    "GradNorm",
    "KDEClassifierDetector",
    "KLMatching",
    "MCDropout",
    "MCDropoutEntropy",
    "MCDropoutMI",
    "MCDropoutNet",
    "Mahalanobis",
    "MahalanobisNoise",
    "MaxLogit",
    "NNGuide",
    "OutlierExposure",
    "RankFeat",
    "ReAct",
    "RelativeMahalanobis",
    "Residual",
    "TempScale",
    "VMDLSBase",
    "ViM",
]
