"""What every data module shares: three in-distribution parts, OoD sets, one pre-processing."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pytorch_lightning as pl

from anomalies import Recipe
from datamodules.imagesets.anomalous import AnomalousSet
from datamodules.imagesets.base import ImageSet, fingerprint_of
from datamodules.imagesets.subset import capped
from datamodules.loading.loaders import Loader
from datamodules.loading.of_sets import SetLoaders
from datamodules.loading.preprocess import Preprocess
from datamodules.locate import locate
from datamodules.ood.base import OODSource
from datamodules.ood.naming import short_ood_names
from datamodules.ood.outliers.choice import outliers_for
from datamodules.registry import load_ood


class BenchmarkDataModule(SetLoaders, pl.LightningDataModule):
    """Base of the in-distribution data modules; see `DataSetDescription` for the class attributes of a subclass.

    Splits: "train" is what networks and detectors are fitted on, "val" (in-distribution, held out) sets sizes
    and thresholds, "test" is scored. OoD images only ever appear in :meth:`ood_dataloaders`.

    Args:
        root: folder with the data set, or with a folder of its name; None: a miniature is generated.
        ood: names of OoD sets, see `datamodules.ood_set`.
        image_size: (H, W) of the network's input, for detection the bounds of its short and long side (see
            `Preprocess.size_of`); default by data set.
        batch_size: of every loader but :meth:`train_dataloader` with an argument.
        num_workers: processes that load images.
        seed: of splits, shuffling, anomalies and noise sets.
        download: fetch what torchvision can fetch.
        miniature: generated images, whatever lies below root.
        recipe: of the anomalies; default by data set.
        severity, every_kind: versions of every anomalous image, see `anomalies.variants`.
        limit: at most so many images of every set.
        mean, std: of the normalisation, per channel, of images in [0, 1]; default by data set.
        channels: 1 or 3, that images are turned to; default by data set.
        keep_ratio: for segmentation: images keep their aspect ratio, as for detection.
        leave_one_out: the set's own anomalies are drawn on the images of "train", not of "test".

    Attributes:
        sets: {"train", "val", "test": ImageSet}; after :meth:`setup`.
        ood_sets: {name: ImageSet}, of paths their ends, see `datamodules.ood.naming.short_ood_names`; after
            :meth:`setup`.
        image_size: after :meth:`setup` the size in use.
        preprocess: shared by all sets; after :meth:`setup`.
        given_ood: {name of an OoD set: its images} of those that are given as objects; before :meth:`setup`.
        calibrated_on: name of the set whose images stand in for "val"; None: its own.
    """

    name: str

    def __init__(
        self,
        root: Path | str | None = None,
        ood: Sequence[str] = (),
        *,
        image_size: tuple[int, int] | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        seed: int = 0,
        download: bool = False,
        miniature: bool = False,
        recipe: Recipe | None = None,
        severity: str = "mixed",
        every_kind: bool = False,
        limit: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        channels: int | None = None,
        keep_ratio: bool = False,
        leave_one_out: bool = False,
    ) -> None:
        super().__init__()
        self.root = None if root is None or miniature else Path(root).expanduser()
        if self.root is not None and not self.root.is_dir():
            raise FileNotFoundError(
                f"data root {self.root} does not exist; name the folder that holds {self.name}"
            )
        self.ood, self.batch_size, self.num_workers, self.seed = tuple(ood), batch_size, num_workers, seed
        self.given_ood: Mapping[str, OODSource] = {}
        self.download, self.limit, self._asked_size = download, limit, image_size
        self.keep_ratio, self.leave_one_out = keep_ratio, leave_one_out
        self.recipe = recipe or Recipe.named(self.default_recipe)
        self.severity, self.every_kind = severity, every_kind
        self._read_as(channels, mean, std)
        self.sets: dict[str, ImageSet] = {}
        self.ood_sets: dict[str, ImageSet] = {}
        self.calibrated_on: str | None = None
        self._folder: Path | None = None

    def _read_as(self, channels: int | None = None, mean: Any = None, std: Any = None) -> None:
        self.channels = channels or self.channels
        if mean is not None and std is not None:
            self.mean, self.std = tuple(mean), tuple(std)

    def copied(
        self,
        ood: Sequence[str],
        image_size: tuple[int, int] | None = None,
        keep_ratio: bool = False,
        leave_one_out: bool = False,
        **given: Any,
    ) -> Self:
        """A copy that is not set up, with other OoD sets, and another input where mean, std or channels are given."""
        other = copy.copy(self)
        other.ood, other.sets, other.ood_sets = tuple(ood), {}, {}
        other._asked_size = image_size or self._asked_size
        other.keep_ratio = keep_ratio or self.keep_ratio
        other.leave_one_out = leave_one_out or self.leave_one_out
        other._read_as(**given)
        return other

    @classmethod
    @abstractmethod
    def is_there(cls, folder: Path) -> bool:
        """Whether the folder holds the official layout."""

    @abstractmethod
    def split(self, folder: Path) -> dict[str, ImageSet]:
        """The parts "train", "val", "test" of the data set in a folder."""

    def prepare_data(self) -> None:
        """Find the data set below the root, download it, or write the miniature.

        Raises:
            FileNotFoundError: a root was named and the set is not there; says which layout is expected and
                where to get it.
        """
        fetch = self.fetch if self.download else None
        self._folder = locate(self.name, self, self.root, self.seed, fetch)

    def setup(self, stage: str | None = None) -> None:
        """Make the sets; repeated calls do nothing."""
        if self.sets:
            return
        if self._folder is None:
            self.prepare_data()
        assert self._folder is not None
        self.sets = {part: capped(s, self.limit, self.seed) for part, s in self.split(self._folder).items()}
        height, width = self._asked_size or self.default_size()
        self.image_size = (height, width)
        task = self.task_handler
        if self.keep_ratio and not (task.masks or task.keep_aspect):
            raise ValueError(f"keep_ratio is for segmentation; images for {self.task} have one size")
        aspect = task.keep_aspect or self.keep_ratio
        self.preprocess = Preprocess(self.image_size, self.mean, self.std, self.channels, aspect)
        self.ood_sets = self.load_ood_sets()

    def default_size(self) -> tuple[int, int]:
        """(H, W) of the network's input where none is asked for, of the sets as they are."""
        small = self.miniature_size if self.origin == "miniature" else None
        return small or self.image_size

    def load_ood_sets(self) -> dict[str, ImageSet]:
        """The OoD sets by their short names, opened for the sets as they are now."""
        return {
            short: self.given_ood[name].open(self) if name in self.given_ood else load_ood(name, self)
            for short, name in short_ood_names(self.ood, self).items()
        }

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(C, H, W) of what the network is given; after :meth:`setup`."""
        return (self.channels, *self.image_size)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the first training image as the network is given it; after :meth:`setup`."""
        height, width = self.preprocess.size_of(*self.sets["train"].shape(0))
        return self.channels, height, width

    @property
    def preprocessed(self) -> bool:
        """Whether images come as the network is given them, so that mean and std only say what was done to them."""
        return False

    @property
    def origin(self) -> str:
        """ "official", "subset", "miniature" or "own" (of the user)."""
        return self.sets["train"].origin

    @property
    def fingerprint(self) -> str:
        """sha256 in hex over the three parts."""
        return self._fingerprint("train", "val", "test")

    @property
    def training_fingerprint(self) -> str:
        """sha256 in hex over "train" and "val", all that a network sees while it is trained."""
        return self._fingerprint("train", "val")

    def _fingerprint(self, *parts: str) -> str:
        name = self.name.partition(":")[0]  # without the path of folder:PATH
        return fingerprint_of(name, *(self.sets[part].fingerprint for part in parts))

    def outlier_set(self, name: str | None = None) -> ImageSet:
        """Auxiliary outliers for training, of none of the OoD sets of this module; see
        `datamodules.outliers_for`, also for what it raises.
        """
        ind = self.spec or self.name
        found = outliers_for(ind, self.root, self.ood, name, self.seed, self.outliers)
        return capped(found, self.limit, self.seed)

    def outlier_dataloader(self, batch_size: int | None = None, name: str | None = None) -> Loader:
        """Outliers, pre-processed, augmented and shuffled as the training images are; targets are -1."""
        return self._shuffled(self.outlier_set(name), batch_size)

    def anomalies_of(self, part: str) -> AnomalousSet:
        """The images of a part with anomalies drawn on them."""
        return AnomalousSet(self.sets[part], self.recipe, self.seed, view=self.view())

    def anomaly_val_dataloader(self) -> Loader:
        """Validation images with anomalies."""
        return self.loader(self.anomalies_of("val"))

    def anomaly_test_dataloader(self) -> Loader:
        """Test images with anomalies."""
        return self.loader(self.anomalies_of("test"))
