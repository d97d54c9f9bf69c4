"""Data modules of the in-distribution sets, the OoD sets beside them, and generated miniatures for users
without data.
"""

from datamodules.base import BenchmarkDataModule
from datamodules.imagesets.anomalous import AnomalousSet
from datamodules.imagesets.base import ArraySet, FileSet, ImageSet, Item, Subset
from datamodules.imagesets.boxed import BoxedSet
from datamodules.imagesets.boxes import Boxes
from datamodules.ind.bdd100k import BDD100kDataModule
from datamodules.ind.bdd100k_seg import BDD100kSegmentationDataModule
from datamodules.ind.camvid import CamVidDataModule
from datamodules.ind.cifar10 import CIFAR10DataModule
from datamodules.ind.cifar100 import CIFAR100DataModule
from datamodules.ind.cityscapes import CityscapesDataModule
from datamodules.ind.fashion_mnist import FashionMNISTDataModule
from datamodules.ind.gtsrb import GTSRBDataModule
from datamodules.ind.mnist import MNISTDataModule
from datamodules.ind.woodscape import WoodScapeDataModule
from datamodules.loading.preprocess import Preprocess
from datamodules.loading.samples import SampleDataset
from datamodules.locate import cache_dir
from datamodules.ood.outliers import OUTLIER_SETS, outliers_for
from datamodules.ood.sets import DATAMODULES, NOISE, OOD_SETS, OODSet, check_names, known_names, load_ood

__all__ = [
    "DATAMODULES",
    "NOISE",
    "OOD_SETS",
    "OUTLIER_SETS",
    "AnomalousSet",
    "ArraySet",
    "BDD100kDataModule",
    "BDD100kSegmentationDataModule",
    "BenchmarkDataModule",
    "BoxedSet",
    "Boxes",
    "CIFAR10DataModule",
    "CIFAR100DataModule",
    "CamVidDataModule",
    "CityscapesDataModule",
    "FashionMNISTDataModule",
    "FileSet",
    "GTSRBDataModule",
    "ImageSet",
    "Item",
    "MNISTDataModule",
    "OODSet",
    "Preprocess",
    "SampleDataset",
    "Subset",
    "WoodScapeDataModule",
    "cache_dir",
    "check_names",
    "known_names",
    "load_ood",
    "outliers_for",
]
