from .features.actsub import ActSub
from .features.ash import ASHB, ASHP, ASHS
from .features.base import HeadDetector, PenultimateDetector, PixelFeatureDetector
from .features.cadref import CADRef, CARef
from .features.catalyst import Catalyst
from .features.class_distance import ClassDistance
from .features.cop import CoP, CoRP
from .features.ddu import DDU
from .features.dice import DICE, DICEReAct
from .features.fdbd import FDBD
from .features.gradnorm import GradNorm
from .features.knn import KNN
from .features.latent_neighbour import LatentNeighbour
from .features.lts import LTS
from .features.mds_pp import MDSPlusPlus
from .features.nci import NCI
from .features.neco import NECO
from .features.nnguide import NNGuide
from .features.optfs import OptFS
from .features.pnml import PNML
from .features.ras import RAS
from .features.react import ReAct
from .features.rectified import Rectified
from .features.relation import Relation
from .features.relative_mahalanobis import RelativeMahalanobis, RMDSPlusPlus
from .features.residual import Residual
from .features.scale import SCALE
from .features.she import SHE
from .features.vim import ViM
from .features.vra import VRA
from .layers.base import LayeredDetector
from .layers.cmd import CMD
from .layers.fssd import FSSD, FSSDNoise
from .layers.kde_classifier import KDEClassifierDetector
from .layers.mahalanobis import Mahalanobis, MahalanobisNoise
from .layers.rankfeat import RankFeat, RankOneRemoved
from .logits.base import LogitDetector
from .logits.energy import Energy
from .logits.entropy import Entropy
from .logits.gen import GEN
from .logits.kl_matching import KLMatching
from .logits.max_logit import MaxLogit
from .logits.msp import MSP
from .logits.odin import ODIN
from .logits.sml import SML
from .logits.temp_scale import TempScale
from .networks.deep_ensemble import DeepEnsemble
from .networks.mc_dropout import MCDropout, MCDropoutEntropy, MCDropoutMI, MCDropoutNet
from .networks.outlier_exposure import AuxiliaryLogits, OutlierExposure
from .networks.stochastic import Stochastic
from .networks.vmdls import VMDLS, VMDLSBase, VMDLSVectors

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
    "LTS",
    "MSP",
    "NCI",
    "NECO",
    "ODIN",
    "PNML",
    "RAS",
    "SCALE",
    "SHE",
    "SML",
    "VMDLS",
    "VRA",
    "ActSub",
    "AuxiliaryLogits",
    "CADRef",
    "CARef",
    "Catalyst",
    "ClassDistance",
    "CoP",
    "CoRP",
    "DICEReAct",
    "DeepEnsemble",
    "Energy",
    "Entropy",
    "FSSDNoise",
    "GradNorm",
    "HeadDetector",
    "KDEClassifierDetector",
    "KLMatching",
    "LatentNeighbour",
    "LayeredDetector",
    "LogitDetector",
    "MCDropout",
    "MCDropoutEntropy",
    "MCDropoutMI",
    "MCDropoutNet",
    "MDSPlusPlus",
    "Mahalanobis",
    "MahalanobisNoise",
    "MaxLogit",
    "NNGuide",
    "OptFS",
    "OutlierExposure",
    "PenultimateDetector",
    "PixelFeatureDetector",
    "RMDSPlusPlus",
    "RankFeat",
    "RankOneRemoved",
    "ReAct",
    "Rectified",
    "Relation",
    "RelativeMahalanobis",
    "Residual",
    "Stochastic",
    "TempScale",
    "VMDLSBase",
    "VMDLSVectors",
    "ViM",
]
