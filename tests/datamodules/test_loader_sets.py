"""DataLoaders as data: which images, in which order, of which kinds, and what cannot be used."""

import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from datamodules import CIFAR10DataModule, Preprocess
from datamodules.outside.given import GivenImages, given_data
from datamodules.outside.loaders import LoaderSet

IMAGES = torch.arange(10 * 3 * 4 * 4).reshape(10, 3, 4, 4).float() / 480
CLASSES = torch.arange(10) % 4


def loader(images=IMAGES, targets=CLASSES, **options):
    return DataLoader(TensorDataset(images, targets), **{"batch_size": 3, **options})


def tensors(images):
    return torch.stack([torch.as_tensor(images.read(i).image) for i in range(len(images))])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"shuffle": True},
        {"drop_last": True},
        {"num_workers": 1},
        {"batch_size": None, "sampler": range(10)},
        {"batch_size": 1, "sampler": WeightedRandomSampler([1.0] * 10, 4)},
        {"batch_size": 1, "batch_sampler": BatchSampler(SubsetRandomSampler(range(10)), 4, True)},
    ],
)
def test_every_image_once_in_the_order_of_the_data_set(options):
    if options.get("batch_size", 3) is None:  # every entry of the data set is a batch
        made = DataLoader([(IMAGES[:6], CLASSES[:6]), (IMAGES[6:], CLASSES[6:])], batch_size=None)
    else:
        made = loader(**options)
    found = LoaderSet("x", made)
    assert torch.equal(tensors(found), IMAGES) and found.targets.tolist() == CLASSES.tolist()
    assert found.keys == [f"{i:06d}" for i in range(10)] and found.origin == "own"
    assert (found.task, found.classes, found.image_shape) == ("classification", 4, (3, 4, 4))
    assert found.fingerprint == LoaderSet("y", loader()).fingerprint


def test_what_a_sampler_leaves_out_is_left_out():
    found = LoaderSet("x", loader(sampler=SubsetRandomSampler([7, 2, 5])))
    assert found.keys == ["000002", "000005", "000007"] and torch.equal(tensors(found), IMAGES[[2, 5, 7]])


def test_the_fingerprint_follows_the_content():
    one = LoaderSet("x", loader()).fingerprint
    assert LoaderSet("x", loader(batch_size=5)).fingerprint == one
    assert LoaderSet("x", loader(IMAGES + 1e-6)).fingerprint != one
    assert LoaderSet("x", loader(targets=CLASSES.roll(1))).fingerprint != one


def test_images_beyond_the_memory_are_read_again():
    whole, again = LoaderSet("x", loader(shuffle=True)), LoaderSet("x", loader(shuffle=True), left=500)
    assert whole.memory == IMAGES.nbytes and again.memory == 0 and len(again.tensors) == 1
    assert torch.equal(tensors(again), IMAGES) and again.fingerprint == whole.fingerprint


class Stream(IterableDataset):
    def __init__(self, n=10):
        self.n = n

    def __iter__(self):
        return iter(zip(IMAGES[: self.n], CLASSES[: self.n], strict=True))


def test_iterable_data_sets_are_read_once_into_memory():
    found = LoaderSet("x", DataLoader(Stream(), batch_size=4))
    assert torch.equal(tensors(found), IMAGES) and found.fingerprint == LoaderSet("x", loader()).fingerprint
    with pytest.raises(ValueError, match="iterable data set, which cannot be read again"):
        LoaderSet("x", DataLoader(Stream(), batch_size=4), left=500)


def test_forms_of_batches():
    as_mapping = DataLoader(
        [{"image": i, "target": int(c)} for i, c in zip(IMAGES, CLASSES, strict=True)], batch_size=4
    )
    assert torch.equal(LoaderSet("x", as_mapping).targets, CLASSES)
    alone = LoaderSet("x", DataLoader(IMAGES, batch_size=4))
    assert alone.targets is None and alone.task == "" and torch.equal(tensors(alone), IMAGES)
    vectors = LoaderSet("x", loader(IMAGES.flatten(1)))
    assert vectors.image_shape == (48,) and vectors.shape(0) == (1, 48)


def test_dtypes():
    assert tensors(LoaderSet("x", loader(IMAGES.double()))).dtype == torch.float32
    assert torch.equal(tensors(LoaderSet("x", loader(IMAGES.half()))), IMAGES.half().float())
    raw = LoaderSet("x", loader((IMAGES * 255).byte()))
    process = Preprocess((4, 4), (0.0,) * 3, (1.0,) * 3)
    item = raw.read(3)
    assert item.image.shape == (4, 4, 3)
    assert torch.equal(process.image(item.image), (IMAGES[3] * 255).byte().float() / 255)
    assert process.image(IMAGES[3]) is not None and torch.equal(process.image(IMAGES[3]), IMAGES[3])


def test_maps_of_classes():
    maps = torch.randint(-1, 3, (10, 4, 4))
    found = LoaderSet("x", loader(targets=maps))
    assert (found.task, found.classes) == ("segmentation", 3)
    assert (found.read(0).target == maps[0].where(maps[0] >= 0, 255).numpy()).all()


class Moving(Dataset):
    """Another image at every reading."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return torch.rand(3, 4, 4), 0


NAN = IMAGES.clone()
NAN[4, 0, 0, 0] = float("nan")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: DataLoader(Moving()), "image 000000 is another one on a second reading"),
        (lambda: loader(NAN), "image 000004 holds NaN or infinity"),
        (lambda: loader(IMAGES.long()), "images are int64"),
        (lambda: loader(IMAGES[:, 0].byte()), r"images are uint8 \(3, 4, 4\)"),
        (lambda: loader(IMAGES[:, 0, 0, 0]), r"images are float32 \(3,\)"),
        (lambda: loader(targets=CLASSES.float()), r"targets are float32 \(3,\); class indices \(B,\)"),
        (lambda: loader(targets=torch.eye(10).long()), r"targets are int64 \(3, 10\)"),
        (lambda: loader(targets=torch.zeros(10, 2, 2).long()), "one height and width"),
        (lambda: loader(targets=torch.full((10, 4, 4), 300)), "a class 300"),
        (lambda: DataLoader([IMAGES[0], IMAGES[0, :, :2]], batch_size=1), "one shape and one dtype"),
        (lambda: DataLoader([], batch_size=1), "gives no images"),
        (lambda: DataLoader(["a", "b"]), "batches must be"),
        (lambda: DataLoader([{"a": 1}]), "a batch of a; image and target are needed"),
        (lambda: DataLoader([(IMAGES[0], {"boxes": 1})], collate_fn=lambda b: (IMAGES[:1], [b[0][1]])), "coco:DIR"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said_in_one_line(made, said):
    with pytest.raises(ValueError, match=said) as error:
        LoaderSet("mine", made())
    assert str(error.value).startswith("mine: ") and "\n" not in str(error.value)


def test_parts_of_one_loader_are_drawn_by_seed():
    images, targets = IMAGES.repeat(4, 1, 1, 1), torch.arange(40) % 4
    kind = given_data("mine", {"train": LoaderSet("mine", loader(images, targets))}, 4)
    one, same, other = kind(seed=0), kind(seed=0), kind(seed=1)
    for data in (one, same, other):
        data.setup()
    sizes = {part: len(images) for part, images in one.sets.items()}
    assert (
        sizes == {"train": 24, "val": 8, "test": 8} and one.origin == "own" and one.input_shape == (3, 4, 4)
    )
    keys = [key for images in one.sets.values() for key in images.keys]
    assert sorted(keys) == [f"{i:06d}" for i in range(40)]
    assert one.fingerprint == same.fingerprint != other.fingerprint
    batch = next(iter(one.test_dataloader()))
    assert torch.equal(batch["image"][0], images[int(batch["key"][0])])


def test_images_of_a_loader_beside_a_data_set():
    data = CIFAR10DataModule(miniature=True, ood=("mine", "raw"), limit=8)
    small = IMAGES.repeat_interleave(8, 2).repeat_interleave(8, 3)
    data.given_ood = {
        "mine": GivenImages(LoaderSet("mine", loader(small), labelled=False)),
        "raw": GivenImages(LoaderSet("raw", loader((IMAGES * 255).byte()), labelled=False)),
    }
    data.setup()
    loaders = data.ood_dataloaders()
    assert torch.equal(next(iter(loaders["mine"]))["image"][0], small[int(data.ood_sets["mine"].keys[0])])
    assert next(iter(loaders["raw"]))["image"].shape == (8, 3, 32, 32)
    other = data.copied(("mine",))
    other.given_ood = {"mine": GivenImages(LoaderSet("mine", loader()))}
    with pytest.raises(ValueError, match="mine: images of 3x4x4, those of cifar10 are 3x32x32"):
        other.setup()


class Faulty(Dataset):
    def __init__(self, read):
        self.read = read

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return self.read(index)


def broken(index):
    if index == 7:
        raise KeyError("disk\ngone")
    return IMAGES[index], 0


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (broken, "^x: image 000007 cannot be read: KeyError: 'disk"),
        (
            lambda i: (IMAGES[i, :, : 4 - i // 5], 0),
            r"^x: images are float32 \(.*3, 4, 4\) and float32 \(.*3, 3, 4\)",
        ),
        (lambda i: (IMAGES[i], None if i == 3 else 0), "^x: image 000003 has None for its image or target"),
        (lambda i: {"image": IMAGES[i], "target": None}, "^x: image 000000 has None for its image or target"),
        (lambda i: (IMAGES[i], object()), "^x: no batch of image 000000: TypeError: default_collate"),
    ],
)
@pytest.mark.parametrize(
    "options", [{}, {"batch_size": 4}, {"batch_size": 10}, {"batch_size": 4, "num_workers": 1}]
)
def test_what_a_data_set_raises_is_one_line(read, said, options):
    with pytest.raises(ValueError, match=said) as error:
        LoaderSet("x", DataLoader(Faulty(read), **options))
    assert "\n" not in str(error.value)


def test_what_an_iterable_data_set_raises_is_one_line():
    class Stream(IterableDataset):
        def __iter__(self):
            yield from ((IMAGES[i], 0) for i in range(4))
            raise OSError("gone")

    with pytest.raises(ValueError, match=r"^x: no batch after image 4: gone$"):
        LoaderSet("x", DataLoader(Stream(), batch_size=2))
