"""The methods LaRED and LaREM are compared with: one file each, all behind the same detector contract."""

from baselines.features.ash import ASHB, ASHP, ASHS
from baselines.features.ddu import DDU
from baselines.features.dice import DICE, DICEReAct
from baselines.features.fdbd import FDBD
from baselines.features.gradnorm import GradNorm
from baselines.features.knn import KNN
from baselines.features.nnguide import NNGuide
from baselines.features.react import ReAct
from baselines.features.relative_mahalanobis import RelativeMahalanobis
from baselines.features.residual import Residual
from baselines.features.scale import SCALE
from baselines.features.she import SHE
from baselines.features.vim import ViM
from baselines.layers.cmd import CMD
from baselines.layers.fssd import FSSD, FSSDNoise
from baselines.layers.kde_classifier import KDEClassifierDetector
from baselines.layers.mahalanobis import Mahalanobis, MahalanobisNoise
from baselines.layers.rankfeat import RankFeat
from baselines.logits.energy import Energy
from baselines.logits.entropy import Entropy
from baselines.logits.gen import GEN
from baselines.logits.kl_matching import KLMatching
from baselines.logits.max_logit import MaxLogit
from baselines.logits.msp import MSP
from baselines.logits.odin import ODIN
from baselines.logits.temp_scale import TempScale
from baselines.networks.deep_ensemble import DeepEnsemble
from baselines.networks.mc_dropout import MCDropout, MCDropoutEntropy, MCDropoutMI, MCDropoutNet
from baselines.networks.outlier_exposure import OutlierExposure
from baselines.networks.vmdls import VMDLS, VMDLSBase

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
