from .base import ForwardOutputs, ModelInfo, Probe
from .channels import ChannelStatistics
from .head import Head
from .image import (
    EnsembleProbability,
    LatentEntropy,
    Logits,
    Pooled,
    SingularityDistances,
    standard_probes,
)
from .perturbation import Perturbation
from .pixels import PIXEL_SCORES, Confusion, PixelMaps, PixelScores

__all__ = [
    "PIXEL_SCORES",
    "ChannelStatistics",
    "Confusion",
    "EnsembleProbability",
    "ForwardOutputs",
    "Head",
    "LatentEntropy",
    "Logits",
    "ModelInfo",
    "Perturbation",
    "PixelMaps",
    "PixelScores",
    "Pooled",
    "Probe",
    "SingularityDistances",
    "standard_probes",
]
