"""What is known of an in-distribution data set without reading it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from anomalies import Scene
from anomalies.base import UNKNOWN
from datamodules.registry import TASKS
from datamodules.tasks.base import Task


class DataSetDescription:
    """A data set's properties as class attributes: literals, so that `datamodules.DATAMODULES` knows them without an
    import. Whatever else depends on the data set is stated here too, not in tables elsewhere.

    Attributes:
        name: as typed; of a folder of the user its prefix and the end of its path.
        spec: of a folder of the user, prefix and absolute path; "" of any other set.
        task: name of one of ``datamodules.TASKS``.
        class_names: K names, in the order of the class indices; () of images without labels, where the network says
            how many classes there are.
        channels, mean, std: of its images in [0, 1], per channel; all sets are normalised with them.
        fixed_channels: whether images cannot be turned to grey or RGB for a network that takes these.
        image_size: (H, W) of the network's input, for detection the bounds of its short and long side.
        miniature_size: the same for its miniature; None: image_size.
        horizon, camera_height: of its camera where published, as a fraction of the image height and in metres.
        street: whether it shows driving scenes.
        folders, layout, source: names of its folder below a data root, expected files, where to get it.
        void_id: id of new objects in its label files; None: 255, or the first id that is ignored.
        synonyms: names, in lower case, that other data sets give to objects of its classes.
        default_network, miniature_network: benchmarked if none is named; None: one must be named.
        training_config, miniature_training_config: arguments of `networks.TrainingConfig`, in place of those of the
            network; None: those of the network.
        default_recipe: name of the shipped recipe of its anomalies.
        outliers: names of ``datamodules.OUTLIER_SETS`` for training with outliers, in order of preference.
        unsupported_protocols: {protocol: why it cannot be run on it}.
        near, far: names of its published near- and far-OoD groups.
        shift: names of its covariate-shift sets: its own classes under other conditions, in neither group.
    """

    name: str
    spec: ClassVar[str] = ""
    task: ClassVar[str]
    class_names: ClassVar[tuple[str, ...]]
    channels: int = 3
    fixed_channels: ClassVar[bool] = False
    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_size: tuple[int, int]
    miniature_size: ClassVar[tuple[int, int] | None] = None
    horizon: ClassVar[float] = UNKNOWN.horizon
    camera_height: ClassVar[float] = UNKNOWN.camera_height
    street: ClassVar[bool] = False
    folders: ClassVar[tuple[str, ...]] = ()
    layout: ClassVar[str] = "what its is_there() looks for"
    source: ClassVar[str] = "its author"
    void_id: ClassVar[int | None] = None
    synonyms: ClassVar[tuple[str, ...]] = ()
    default_network: ClassVar[str | None] = None
    miniature_network: ClassVar[str | None] = None
    training_config: ClassVar[Mapping[str, Any] | None] = None
    miniature_training_config: ClassVar[Mapping[str, Any] | None] = None
    default_recipe: ClassVar[str] = "default"
    outliers: ClassVar[tuple[str, ...]] = ()
    unsupported_protocols: Mapping[str, str] = {}
    near: ClassVar[tuple[str, ...]] = ()
    far: ClassVar[tuple[str, ...]] = ()
    shift: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def sequence_of(cls, key: str) -> str | None:
        """The drive, video or track that an image belongs to; None: the image stands alone, or it is not known.

        Images of one sequence are not independent: intervals resample them together.

        Args:
            key: of the image.
        """
        return None

    @classmethod
    def fetch(cls, root: Path) -> None:
        """Download the set into a data root.

        Raises:
            FileNotFoundError: it cannot be downloaded without registration.
        """
        raise FileNotFoundError(
            f"{cls.name} cannot be downloaded without registration; get it from {cls.source}"
        )

    @classmethod
    def can_be_fetched(cls) -> bool:
        """Whether :meth:`fetch` downloads the set."""
        return cls.fetch.__func__ is not DataSetDescription.fetch.__func__  # type: ignore[attr-defined]

    @classmethod
    def view(cls) -> Scene:
        """What anomalies may know about all images of the data set."""
        classes = TASKS[cls.task].label_classes(cls.class_names)
        return Scene(None, classes, horizon=cls.horizon, camera_height=cls.camera_height)

    @property
    def num_classes(self) -> int:
        """K; 0 where images have no labels."""
        return len(self.class_names)

    @property
    def task_handler(self) -> Task:
        """How images and labels of the task are handled."""
        handler: Task = TASKS[self.task]()
        return handler
