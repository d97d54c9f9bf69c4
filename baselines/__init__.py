"""The methods LaRED and LaREM are compared with: one file each, all behind the same detector contract."""

from baselines.ash import ASHB, ASHP, ASHS
from baselines.deep_ensemble import DeepEnsemble
from baselines.dice import DICE, DICEReAct
from baselines.fssd import FSSD, FSSDNoise
from baselines.kde_classifier import KDEClassifierDetector
from baselines.mahalanobis import Mahalanobis, MahalanobisNoise
from baselines.mc_dropout import MCDropout, MCDropoutEntropy, MCDropoutMI, MCDropoutNet
from baselines.msp import MSP
from baselines.odin import ODIN
from baselines.outlier_exposure import OutlierExposure
from baselines.rankfeat import RankFeat
from baselines.react import ReAct
from baselines.scale import SCALE

__all__ = [
    "ASHB",
    "ASHP",
    "ASHS",
    "DICE",
    "FSSD",
    "MSP",
    "ODIN",
    "SCALE",
    "DICEReAct",
    "DeepEnsemble",
    "FSSDNoise",
    "KDEClassifierDetector",
    "MCDropout",
    "MCDropoutEntropy",
    "MCDropoutMI",
    "MCDropoutNet",
    "Mahalanobis",
    "MahalanobisNoise",
    "OutlierExposure",
    "RankFeat",
    "ReAct",
]
