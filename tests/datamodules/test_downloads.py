"""A download that is interrupted leaves nothing that is taken for the set."""

import pytest

from datamodules import OOD_SETS
from datamodules.locate import locate


def unpacking(images, cut=None):
    """A download as torchvision unpacks DTD: the folder is there before its images are."""

    def fetch(root):
        for number in range(images):
            if number == cut:
                raise KeyboardInterrupt
            file = root / "dtd" / "dtd" / "images" / "dots" / f"{number}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"image")

    return fetch


def test_a_half_unpacked_set_is_not_taken_for_the_whole(tmp_path):
    """Every later run measured the images that had been unpacked, and downloaded nothing."""
    textures = OOD_SETS["textures"]
    with pytest.raises(KeyboardInterrupt):
        locate("textures", textures, tmp_path, fetch=unpacking(5, cut=2))
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError, match="textures is not in"):
        locate("textures", textures, tmp_path)
    folder = locate("textures", textures, tmp_path, fetch=unpacking(5))
    assert len(list(folder.rglob("*.jpg"))) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["dtd"]


def test_a_download_joins_what_is_there(tmp_path):
    class Place:
        folders, layout, source = ("dtd",), "", ""

        def is_there(self, folder):
            return (folder / "dtd" / "images").is_dir()

    mine = tmp_path / "dtd" / "dtd" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    folder = locate("textures", Place(), tmp_path, fetch=unpacking(3))
    assert len(list(folder.rglob("*.jpg"))) == 3 and mine.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["dtd"]
