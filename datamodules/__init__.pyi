from .base import BenchmarkDataModule
from .imagesets.anomalous import AnomalousSet
from .imagesets.arrays import ArraySet
from .imagesets.base import ImageSet, Item
from .imagesets.boxed import BoxedSet
from .imagesets.boxes import Boxes
from .imagesets.files import FileSet, Labels
from .imagesets.subset import Subset, hold_out
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
from .ood.base import OODSet
from .ood.outliers.choice import outliers_for
from .registry import (
    DATAMODULES,
    NOISE,
    OOD_SETS,
    OUTLIER_SETS,
    SHIFTED,
    TASKS,
    check_names,
    known_names,
    load_ood,
    module_of,
    ood_descriptions,
    ood_set,
)

__all__ = [
    "DATAMODULES",
    "NOISE",
    "OOD_SETS",
    "OUTLIER_SETS",
    "SHIFTED",
    "TASKS",
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
    "Labels",
    "MNISTDataModule",
    "OODSet",
    "Preprocess",
    "SampleDataset",
    "Subset",
    "WoodScapeDataModule",
    "cache_dir",
    "check_names",
    "hold_out",
    "known_names",
    "load_ood",
    "module_of",
    "ood_descriptions",
    "ood_set",
    "outliers_for",
]
