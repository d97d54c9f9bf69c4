"""Which files of a folder are data: links, files of operating systems, names."""

import logging
import os
import unicodedata

import numpy as np
import pytest

from datamodules.formats.folders import folder_set
from datamodules.imagesets.check import check_files
from datamodules.imagesets.left_out import LeftOut
from datamodules.ind.camvid import CamVidDataModule
from datamodules.miniature.files import save_image
from lsood.images.listing import image_files, same_name
from lsood.text import one_line


def image(path):
    save_image(path, np.full((8, 9, 3), 90, np.uint8))
    return path


def names(folder, pattern="**/*"):
    return [path.relative_to(folder).as_posix() for path in image_files(folder, pattern)]


def test_links_to_folders_and_files_are_followed(tmp_path, caplog):
    disk, frames = tmp_path / "disk", tmp_path / "frames"
    for i in range(3):
        image(disk / "night" / f"n{i}.png")
    image(frames / "day.png")
    (frames / "night").symlink_to(disk / "night")
    (frames / "one.png").symlink_to(disk / "night" / "n0.png")
    assert names(frames) == ["day.png", "night/n0.png", "night/n1.png", "night/n2.png", "one.png"]
    assert names(frames, "*/*") == ["night/n0.png", "night/n1.png", "night/n2.png"]
    assert names(frames, "*") == ["day.png", "one.png"] and not caplog.text


def test_a_link_back_ends_and_links_to_nothing_are_said(tmp_path, caplog):
    image(tmp_path / "a" / "x.png")
    (tmp_path / "night").symlink_to(tmp_path / "unmounted")
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with caplog.at_level(logging.WARNING, logger="lsood-bench"):
        assert names(tmp_path) == ["a/x.png", "gone.png"]
    assert "1 links to folders that are read under another name are not followed, e.g. a/back" in caplog.text
    assert "1 links lead to nothing; images there, if any, are missing, e.g. night" in caplog.text
    with pytest.raises(ValueError, match=r"gone\.png does not exist; all are listed above"):
        check_files([folder_set("x", tmp_path, None)], LeftOut())


def test_a_folder_that_is_reached_twice_counts_once(tmp_path):
    image(tmp_path / "drive" / "0.png")
    image(tmp_path / "disk" / "city" / "0_left.png")
    (tmp_path / "aaa").symlink_to("drive")
    (tmp_path / "left").mkdir()
    for name in ("bonn", "aachen"):
        (tmp_path / "left" / name).symlink_to(tmp_path / "disk" / "city")
    assert names(tmp_path) == ["disk/city/0_left.png", "drive/0.png"]
    assert names(tmp_path / "left", "*/*_left.*") == ["aachen/0_left.png"]


def test_what_operating_systems_leave_behind_is_no_data(tmp_path):
    root = tmp_path / ".cache" / "set"  # a dot above the folder does not count
    kept = [image(root / name) for name in ("0.png", "sub/1.PNG")]
    for name in (
        ".hidden.png",
        ".thumbnails/0.png",
        "__MACOSX/0.png",
        "@eaDir/0.png/t.jpg",
        "sub/.git/2.png",
    ):
        image(root / name)
    (root / "._0.png").write_bytes(b"\0\5\x16\7" + bytes(120))
    assert image_files(root) == kept
    assert image_files(root, "*/*") == kept[1:]


def test_camvid_counts_its_frames_alone(tmp_path):
    for i in range(2):
        image(tmp_path / "val" / f"{i}.png")
        (tmp_path / "val" / f"._{i}.png").write_bytes(b"\0\5\x16\7" + bytes(120))
    assert CamVidDataModule.part(tmp_path, "val").keys == ["val/0.png", "val/1.png"]


def test_the_pattern_holds_at_its_depth(tmp_path):
    for name in ("x_left.png", "a/x_left.png", "a/x_right.png", "a/b/x_left.png"):
        image(tmp_path / name)
    assert names(tmp_path, "*/*_left.*") == ["a/x_left.png"]
    assert names(tmp_path, "*") == ["x_left.png"] and len(names(tmp_path)) == 4
    assert image_files(tmp_path / "none") == []


def test_images_in_other_formats_are_counted(tmp_path, caplog):
    image(tmp_path / "a.png")
    (tmp_path / "b.heic").write_bytes(b"x")
    (tmp_path / "notes.txt").write_bytes(b"x")
    with caplog.at_level(logging.WARNING, logger="lsood-bench"):
        assert names(tmp_path) == ["a.png"]
    assert (
        "1 images are left out; formats that are read: .bmp" in caplog.text and "e.g. b.heic" in caplog.text
    )


def test_a_name_that_is_not_utf8_is_read_and_escaped(tmp_path):
    path = image(tmp_path / "sub" / "0.png")
    try:
        path.rename(os.fsdecode(b"%s/sub/caf\xe9.png" % os.fsencode(tmp_path)))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    images = folder_set("x", tmp_path, None)
    assert images.keys == [images.read(0).key] == ["sub/caf\\xe9.png"] and len(images.fingerprint) == 64
    images.files[0].unlink()
    with pytest.raises(ValueError) as error:
        check_files([images], LeftOut())
    assert one_line(error.value).endswith("sub/caf\\xe9.png does not exist; all are listed above")


def test_a_folder_that_cannot_be_read_is_no_empty_folder(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root reads every folder")
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(PermissionError, match="closed"):
        image_files(tmp_path)


def test_a_partner_is_found_whichever_way_its_accents_are_stored(tmp_path):
    nfc, nfd = (unicodedata.normalize(form, "caf\u00e9.png") for form in ("NFC", "NFD"))
    there = image(tmp_path / nfd)
    assert same_name(tmp_path / nfc) == there == same_name(there)
    assert same_name(tmp_path / "caf\u00e8.png") == tmp_path / "caf\u00e8.png"
    image(tmp_path / nfc)
    assert same_name(tmp_path / nfc) == tmp_path / nfc
    third = "e\u0323\u0301.png"
    for name in (third, unicodedata.normalize("NFC", third)):
        image(tmp_path / name)
    with pytest.raises(ValueError, match="twice, with accents stored in two ways"):
        same_name(tmp_path / "e\u0301\u0323.png")
