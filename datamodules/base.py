"""What every data module shares: three in-distribution parts, OoD sets, one pre-processing, loaders."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytorch_lightning as pl

from anomalies import Recipe, Scene, default_recipe
from anomalies.base import UNKNOWN
from datamodules.imagesets.anomalous import AnomalousSet
from datamodules.imagesets.base import ImageSet, Subset, capped, fingerprint_of
from datamodules.loading.augment import crop_and_flip, flip_boxes, shift_and_flip
from datamodules.loading.loaders import Loader, ordered, shuffled
from datamodules.loading.preprocess import Preprocess
from datamodules.loading.samples import Augment, SampleDataset
from datamodules.locate import find, miniature, missing

AUGMENTS: dict[str, Augment] = {
    "classification": shift_and_flip,
    "segmentation": crop_and_flip,
    "detection": flip_boxes,
}


class BenchmarkDataModule(pl.LightningDataModule):
    """Base of the in-distribution data modules.

    Splits: "train" is what networks and detectors are fitted on, "val" (in-distribution, held out) sets sizes
    and thresholds, "test" is scored. OoD images only ever appear in :meth:`ood_dataloaders`.

    Args:
        root: folder with the data set, or with a folder of its name; None: a miniature is generated.
        ood: names of OoD sets, see ``datamodules.OOD_SETS``; ``folder:PATH`` for any folder of images.
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

    Attributes:
        name, task, num_classes, class_names, mean, std, channels: of the data set.
        horizon, camera_height: of its camera where published, as a fraction of the image height and in metres.
        sets: {"train", "val", "test": ImageSet}, ood_sets: {name: ImageSet}; after :meth:`setup`.
    """

    name: str
    task: ClassVar[str]
    class_names: ClassVar[tuple[str, ...]]
    horizon: ClassVar[float] = UNKNOWN.horizon
    camera_height: ClassVar[float] = UNKNOWN.camera_height
    mean: ClassVar[tuple[float, ...]]
    std: ClassVar[tuple[float, ...]]
    channels: ClassVar[int] = 3
    default_size: ClassVar[tuple[int, int]]
    miniature_size: ClassVar[tuple[int, int] | None] = None
    folders: ClassVar[tuple[str, ...]] = ()
    layout: ClassVar[str]
    source: ClassVar[str]

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
    ) -> None:
        super().__init__()
        self.root = None if root is None or miniature else Path(root)
        if self.root is not None and not self.root.is_dir():
            raise FileNotFoundError(
                f"data root {self.root} does not exist; name the folder that holds {self.name}"
            )
        self.ood, self.batch_size, self.num_workers, self.seed = tuple(ood), batch_size, num_workers, seed
        self.download, self.limit, self._image_size = download, limit, image_size
        self.recipe = recipe or default_recipe(self.name)
        self.severity, self.every_kind = severity, every_kind
        self.sets: dict[str, ImageSet] = {}
        self.ood_sets: dict[str, ImageSet] = {}
        self._folder: Path | None = None

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.class_names)

    @classmethod
    @abstractmethod
    def is_there(cls, folder: Path) -> bool:
        """Whether the folder holds the official layout."""

    @abstractmethod
    def split(self, folder: Path) -> dict[str, ImageSet]:
        """The parts "train", "val", "test" of the data set in a folder."""

    @classmethod
    def fetch(cls, root: Path) -> None:
        """Download the set, where that is allowed without registration."""
        raise FileNotFoundError(
            f"{cls.name} cannot be downloaded without registration; get it from {cls.source}"
        )

    def prepare_data(self) -> None:
        """Find the data set below the root, download it, or write the miniature.

        Raises:
            FileNotFoundError: a root was named and the set is not there; says which layout is expected and
                where to get it.
        """
        if self.root is None:
            self._folder = find(miniature(self.name, self.seed), self.folders, self.is_there)
        else:
            self._folder = find(self.root, self.folders, self.is_there)
            if self._folder is None and self.download:
                self.fetch(self.root)
                self._folder = find(self.root, self.folders, self.is_there)
        if self._folder is None:
            raise missing(self.name, self.root or Path(), self.layout, self.source)

    def setup(self, stage: str | None = None) -> None:
        """Make the sets; repeated calls do nothing."""
        from datamodules.ood.sets import load_ood

        if self.sets:
            return
        if self._folder is None:
            self.prepare_data()
        assert self._folder is not None
        self.sets = {part: capped(s, self.limit, self.seed) for part, s in self.split(self._folder).items()}
        small = self.miniature_size if self.origin == "miniature" else None
        self.image_size: tuple[int, int] = tuple(self._image_size or small or self.default_size)  # type: ignore[assignment]
        self.preprocess = Preprocess(
            self.image_size, self.mean, self.std, self.channels, keep_aspect=self.task == "detection"
        )
        for name in self.ood:
            images = load_ood(name, self)
            if not name.endswith("-anomalies"):
                images = capped(images, self.limit, self.seed)
            self.ood_sets[name] = images

    @property
    def origin(self) -> str:
        """ "official", "subset" or "miniature"."""
        return self.sets["train"].origin

    @property
    def fingerprint(self) -> str:
        """sha256 in hex over the three parts."""
        return fingerprint_of(self.name, *(self.sets[part].fingerprint for part in ("train", "val", "test")))

    def _dataset(
        self, images: ImageSet, augment: Augment | None = None, masks: bool = False
    ) -> SampleDataset:
        dense, boxes = self.task == "segmentation", self.task == "detection"
        masks = masks and images.masked and dense
        return SampleDataset(images, self.preprocess, augment, dense, masks, boxes)

    def loader(self, images: ImageSet, masks: bool = False) -> Loader:
        """Images of any set in order, in this pre-processing; for detection in batches of equal shape."""
        return ordered(self._dataset(images, masks=masks), self.batch_size, self.num_workers)

    @property
    def augment(self) -> Augment | None:
        """The training augmentation of the task."""
        return AUGMENTS[self.task]

    def train_dataloader(self, batch_size: int | None = None) -> Loader:
        """Augmented and shuffled, both seeded per epoch by `networks.fit`, see `datamodules.loading.loaders.shuffled`."""
        return self._shuffled(self.sets["train"], batch_size)

    def _shuffled(self, images: ImageSet, batch_size: int | None) -> Loader:
        dataset = self._dataset(images, self.augment)
        return shuffled(dataset, batch_size or self.batch_size, self.num_workers, self.seed)

    def outliers(self, name: str | None = None) -> ImageSet:
        """Auxiliary outliers for training, of none of the OoD sets of this module; see
        `datamodules.ood.outliers.outliers_for`, also for what it raises.
        """
        from datamodules.ood.outliers import outliers_for

        return capped(outliers_for(self.name, self.root, self.ood, name, self.seed), self.limit, self.seed)

    def outlier_dataloader(self, batch_size: int | None = None, name: str | None = None) -> Loader:
        """Outliers, pre-processed, augmented and shuffled as the training images are; targets are -1."""
        return self._shuffled(self.outliers(name), batch_size)

    def fit_dataloader(self) -> Loader:
        """The training images in order, not augmented: what detectors are fitted on."""
        return self.loader(self.sets["train"])

    def val_dataloader(self) -> Loader:
        """Held-out in-distribution images."""
        return self.loader(self.sets["val"])

    def test_dataloader(self) -> Loader:
        """In-distribution images to score."""
        return self.loader(self.sets["test"])

    def ood_dataloaders(self) -> dict[str, Loader]:
        """A loader per OoD set, in the in-distribution pre-processing; with masks for segmentation networks
        where the set has any.
        """
        return {name: self.loader(images, masks=True) for name, images in self.ood_sets.items()}

    @classmethod
    def view(cls) -> Scene:
        """What anomalies may know about all images of the data set."""
        classes = tuple(cls.class_names) if cls.task == "segmentation" else ()
        return Scene(None, classes, horizon=cls.horizon, camera_height=cls.camera_height)

    def anomalies_of(self, part: str) -> AnomalousSet:
        """The images of a part with anomalies drawn on them."""
        return AnomalousSet(self.sets[part], self.recipe, self.seed, view=self.view())

    def anomaly_val_dataloader(self) -> Loader:
        """Validation images with anomalies."""
        return self.loader(self.anomalies_of("val"))

    def anomaly_test_dataloader(self) -> Loader:
        """Test images with anomalies."""
        return self.loader(self.anomalies_of("test"))


def hold_out(images: ImageSet, share: float, seed: int) -> tuple[Subset, Subset]:
    """Split off a seeded share: (rest, held out), both in the set's order."""
    order = np.random.default_rng([seed, len(images)]).permutation(len(images))
    held = max(1, round(share * len(images)))
    return Subset(images, np.sort(order[held:]).tolist()), Subset(images, np.sort(order[:held]).tolist())
