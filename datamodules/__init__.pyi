from .base import BenchmarkDataModule
from .imagesets.anomalous import AnomalousSet
from .imagesets.base import ArraySet, FileSet, ImageSet, Item, Subset
from .imagesets.boxed import BoxedSet
from .imagesets.boxes import Boxes
from .ind.bdd100k import BDD100kDataModule
from .ind.bdd100k_seg import BDD100kSegmentationDataModule
from .ind.camvid import CamVidDataModule
from .ind.cifar10 import CIFAR10DataModule
from .ind.cifar100 import CIFAR100DataModule
from .ind.cityscapes import CityscapesDataModule
from .ind.fashion_mnist import FashionMNISTDataModule
from .ind.gtsrb import GTSRBDataModule
from .ind.mnist import MNISTDataModule
from .ind.woodscape import WoodScapeDataModule
from .loading.preprocess import Preprocess
from .loading.samples import SampleDataset
from .locate import cache_dir
from .ood.outliers import OUTLIER_SETS, outliers_for
from .ood.sets import DATAMODULES, NOISE, OOD_SETS, OODSet, check_names, known_names, load_ood

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
