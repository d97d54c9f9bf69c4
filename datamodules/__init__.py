"""Data modules of the in-distribution sets, the OoD sets beside them, and generated miniatures for users
without data.
"""

from datamodules.anomalous import AnomalousSet
from datamodules.base import BenchmarkDataModule
from datamodules.bdd100k import BDD100kDataModule
from datamodules.bdd100k_seg import BDD100kSegmentationDataModule
from datamodules.boxed import BoxedSet
from datamodules.boxes import Boxes
from datamodules.camvid import CamVidDataModule
from datamodules.cifar10 import CIFAR10DataModule
from datamodules.cifar100 import CIFAR100DataModule
from datamodules.cityscapes import CityscapesDataModule
from datamodules.fashion_mnist import FashionMNISTDataModule
from datamodules.gtsrb import GTSRBDataModule
from datamodules.imageset import ArraySet, FileSet, ImageSet, Item, Subset
from datamodules.locate import cache_dir
from datamodules.mnist import MNISTDataModule
from datamodules.ood import DATAMODULES, NOISE, OOD_SETS, OODSet, check_names, known_names, load_ood
from datamodules.outliers import OUTLIER_SETS, outliers_for
from datamodules.preprocess import Preprocess
from datamodules.samples import SampleDataset
from datamodules.woodscape import WoodScapeDataModule

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
