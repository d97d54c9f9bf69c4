"""Drive-SynOOD-OD on a miniature in its layout: unknown and known objects, subsets, clean frames, missing files."""

import json
import shutil

import pytest

import datamodules.miniature as miniature
from datamodules import OOD_SETS, SHIFTED, BDD100kDataModule, CityscapesDataModule
from datamodules.ind.bdd100k import BOX_CLASSES
from leaderboards.analysis.dependence import MADE_FROM, on_test_images
from lsood.images.reading import read_image

NAME, HICONF = "drive-synood-od", "drive-synood-od-hiconf"
LABELS = "dataset/annotations/coco"


@pytest.fixture(scope="module", autouse=True)
def small():
    before = dict(miniature.MINIATURES)
    for name, sizes in (
        ("bdd100k", {"10k/train": 3, "10k/val": 3, "100k/train": 12, "100k/val": 6}),
        ("cityscapes", {"train": 10, "val": 4}),
        (NAME, {"frames": 6}),
    ):
        entry = before[name]
        miniature.MINIATURES[name] = miniature.Miniature(entry.folder, entry.write, sizes, entry.revision)
    yield
    miniature.MINIATURES.update(before)


@pytest.fixture
def folder(tmp_path):
    return miniature.write(NAME, tmp_path)


def changed(folder, subset, change):
    path = folder / LABELS / f"{subset}.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def read(folder, name=NAME, classes=BOX_CLASSES):
    return OOD_SETS[name].mixed(folder, classes)


def test_every_image_has_one_hazard_beside_known_objects():
    data = BDD100kDataModule(miniature=True, ood=(NAME, HICONF))
    data.setup()
    images = data.ood_sets[NAME]
    assert len(images) == 12 and len(data.ood_sets[HICONF]) == 6
    assert set(data.ood_sets[HICONF].keys) < set(images.keys)
    assert images.boxed and images.synthetic == "" and images.origin == "miniature"
    for index in range(12):
        item = images.read(index)
        unknown = item.target.classes == -1
        assert unknown.sum() == 1 and item.target.names[int(unknown.argmax())].lower() == item.kind
        assert [BOX_CLASSES[c] for c in item.target.classes if c >= 0] == [
            name for name, other in zip(item.target.names, unknown, strict=True) if not other
        ]
        assert item.severity == 0 and item.source == images.sources[index]
    assert {images.read(i).kind for i in range(12)} == {
        "dog", "other deer", "roe deer", "scooter", "stroller", "wild boar"
    }  # fmt: skip
    assert sum((images.read(i).target.classes >= 0).sum() for i in range(12)) > 12, "known objects stay"


def test_the_source_is_the_key_of_the_clean_frame(folder):
    images = read(folder)
    assert len(set(images.sources)) == 6 and len(images) == 12
    for index, source in enumerate(images.sources):
        clean, stem = images.clean[index], source.rpartition("/")[2].removesuffix(".jpg")
        assert source == f"images/100k/val/{stem}.jpg" and clean.stem == stem and stem in images.keys[index]
        item = images.read(index)
        changed = (item.image != read_image(clean)).any(axis=2)
        x1, y1, x2, y2 = item.target.boxes[item.target.classes == -1][0].astype(int)
        assert changed[y1:y2, x1:x2].mean() > 0.2
        changed[max(0, y1 - 3) : y2 + 3, max(0, x1 - 3) : x2 + 3] = False
        assert not changed.any(), "the rest is the decoded clean frame"


def test_it_is_made_from_the_test_images_of_bdd100k():
    data = BDD100kDataModule(miniature=True)
    data.setup()
    assert data.sets["test"].keys[0].startswith("images/100k/val/")
    assert all(on_test_images("bdd100k", name) for name in (NAME, HICONF))
    assert not on_test_images("cityscapes", NAME)
    assert {name: ind for name, ind in MADE_FROM.items() if name in SHIFTED} == {
        name: entry.ind for name, entry in SHIFTED.items()
    }
    assert set(MADE_FROM) <= {*SHIFTED, *OOD_SETS}


def test_other_networks_read_it_without_boxes():
    data = CityscapesDataModule(miniature=True, ood=(NAME,), limit=4)
    data.setup()
    images = data.ood_sets[NAME]
    item = images.read(0)
    assert len(images) == 4 and item.target is None and item.kind and item.source in images.sources


@pytest.mark.parametrize("suffix", [".txt", ".json"])
def test_a_subset_may_be_a_list_beside_one_label_file(folder, suffix):
    expected = read(folder, HICONF)
    (folder / LABELS / "ood_positive_hiconf.json").unlink()
    names = [f"images/{key.rpartition('/')[2]}" for key in expected.keys]
    text = "\n".join(names) if suffix == ".txt" else json.dumps(names)
    (folder / "dataset" / "splits").mkdir()
    (folder / "dataset" / "splits" / f"ood_positive_hiconf{suffix}").write_text(text)
    found = read(folder, HICONF)
    assert found.keys == expected.keys and found.fingerprint == expected.fingerprint


def test_a_label_file_may_lie_in_a_folder_of_its_subset(folder):
    expected = read(folder).fingerprint
    place = folder / "dataset" / "ood_positive"
    place.mkdir()
    (folder / LABELS / "ood_positive.json").rename(place / "annotations.json")
    assert read(folder).fingerprint == expected


def test_the_frame_may_be_in_the_entry_of_an_image(folder):
    expected = read(folder).sources

    def renamed(content):
        for number, entry in enumerate(content["images"]):
            old = folder / "dataset" / "images" / entry["file_name"]
            entry["base"] = old.stem[:17] + ".jpg"
            entry["file_name"] = f"painted{number:03d}.png"
            old.rename(folder / "dataset" / "images" / entry["file_name"])

    changed(folder, "ood_positive", renamed)
    assert sorted(read(folder).sources) == sorted(expected)


def test_images_of_no_known_frame_stand_for_themselves(folder, caplog):
    def renamed(content):
        entry = content["images"][0]
        (folder / "dataset" / "images" / entry["file_name"]).rename(folder / "dataset" / "images" / "x.png")
        entry["file_name"] = "x.png"

    changed(folder, "ood_positive", renamed)
    images = read(folder)
    place = images.keys.index("dataset/images/x.png")
    assert images.sources[place] == "dataset/images/x.png" and images.clean[place] is None
    assert "of 1 images says of which frame they are, e.g. dataset/images/x.png" in caplog.text


def test_names_of_2018_are_mapped_and_other_objects_left_out(folder):
    before = read(folder)

    def renamed(content):
        for entry in content["categories"]:
            entry["name"] = {"pedestrian": "person", "motorcycle": "motor", "bus": "trailer"}.get(
                entry["name"], entry["name"].replace(" ", "_")
            )

    changed(folder, "ood_positive", renamed)
    after = read(folder)
    bus = BOX_CLASSES.index("bus")
    for old, new in zip(before.objects, after.objects, strict=True):
        assert new.classes.tolist() == [c for c in old.classes.tolist() if c != bus]
    assert after.kinds == before.kinds


def test_a_network_that_knows_dogs_gets_the_other_hazards(folder, caplog):
    images = read(folder, classes=("dog", "car"))
    assert len(images) == 10 and {images.read(i).kind for i in range(10)} == {
        "other deer", "roe deer", "scooter", "stroller", "wild boar"
    }  # fmt: skip
    known = ("dog", "other deer", "roe deer", "scooter", "stroller", "wild boar")
    with pytest.raises(ValueError, match="the network knows the objects of all 12 images"):
        read(folder, classes=known)


def test_labels_of_hazards_alone_are_said(folder, caplog):
    def hazards_only(content):
        content["annotations"] = [a for a in content["annotations"] if a["category_id"] <= 6]

    changed(folder, "ood_positive", hazards_only)
    assert len(read(folder)) == 12
    assert "no object of a known class is labelled" in caplog.text


def test_what_is_missing_is_said(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "other" / "Drive-SynOOD-OD")
    place = tmp_path / "other" / "Drive-SynOOD-OD"
    (place / LABELS / "ood_positive_hiconf.json").unlink()
    with pytest.raises(ValueError, match=r"has no ood_positive_hiconf.json in COCO's format, nor a list"):
        read(place, HICONF)
    (place / "ood_positive_hiconf.txt").write_text("nowhere.png\n")
    with pytest.raises(ValueError, match=r"no label file below .* has the 1 images of ood_positive_hiconf"):
        read(place, HICONF)
    shutil.rmtree(place / "dataset" / "images" / "ood")
    with pytest.raises(ValueError, match=r"none of the 12 images that .*ood_positive.json lists is below"):
        read(place)
    bdd100k = miniature.write("bdd100k", tmp_path / "root")
    data = BDD100kDataModule(bdd100k.parent, ood=(NAME,))
    with pytest.raises(
        FileNotFoundError, match=r"drive-synood-od is not in .*ood_positive_hiconf.json.*on request"
    ):
        data.setup()
