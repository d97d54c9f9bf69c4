"""Loaders of the sets of a data module, in its one pre-processing."""

from __future__ import annotations

from datamodules.description import DataSetDescription
from datamodules.imagesets.base import ImageSet
from datamodules.loading.loaders import Loader, ordered, shuffled
from datamodules.loading.preprocess import Preprocess
from datamodules.loading.samples import Augment, SampleDataset


class SetLoaders(DataSetDescription):
    """The loaders of `datamodules.BenchmarkDataModule`, which sets the attributes.

    Attributes:
        sets: {"train", "val", "test": ImageSet}. ood_sets: {name: ImageSet}.
        preprocess: of all images. batch_size, num_workers, seed: of the loaders.
    """

    sets: dict[str, ImageSet]
    ood_sets: dict[str, ImageSet]
    preprocess: Preprocess
    batch_size: int
    num_workers: int
    seed: int

    @property
    def augment(self) -> Augment | None:
        """The training augmentation, by default that of the task."""
        return self.task_handler.augment

    def _dataset(
        self, images: ImageSet, augment: Augment | None = None, masks: bool = False
    ) -> SampleDataset:
        task = self.task_handler
        masks = masks and images.masked and task.masks
        return SampleDataset(images, self.preprocess, task.target_of, augment, masks)

    def loader(self, images: ImageSet, masks: bool = False) -> Loader:
        """Images of any set in order, in this pre-processing; where they keep their ratio in batches of equal shape."""
        return ordered(self._dataset(images, masks=masks), self.batch_size, self.num_workers)

    def _shuffled(self, images: ImageSet, batch_size: int | None) -> Loader:
        dataset = self._dataset(images, self.augment)
        return shuffled(dataset, batch_size or self.batch_size, self.num_workers, self.seed)

    def train_dataloader(self, batch_size: int | None = None) -> Loader:
        """Augmented and shuffled, both seeded per epoch by `networks.fit`; see `loading.loaders.shuffled`."""
        return self._shuffled(self.sets["train"], batch_size)

    def fit_dataloader(self) -> Loader:
        """The training images in order, not augmented: what detectors are fitted on."""
        return self.loader(self.sets["train"])

    @property
    def tried_on(self) -> str:
        """The part whose images a network is tried on before it is measured: "val", or "train" where none validates."""
        return "val" if len(self.sets["val"]) else "train"

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
