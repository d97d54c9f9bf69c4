"""YAML that others wrote: no code, no values without end, no file outside of the folder."""

import cv2
import numpy as np
import pytest

from anomalies import Recipe
from anomalies.recipe import recipe_of
from anomalies.toolkit.objects.folder import collection, picture
from anomalies.yaml_text import LARGEST, read_yaml


def bomb(levels=9):
    """Ten references to ten references to ...: 10^levels values in a few lines."""
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


HOSTILE = [
    (bomb(), "aliases stand for more than 100000 values"),
    ("a: &a [*a]", "aliases stand for more than 100000 values, or contain themselves"),
    ("[" * 300 + "]" * 300, "not valid YAML: lists are nested too deeply"),
    ("!!python/object/apply:os.system ['true']", r"not valid YAML \(line 1\)"),
    ("!!python/name:os.system", r"not valid YAML \(line 1\)"),
    ("a: " + "9" * 5000, "not valid YAML: Exceeds the limit"),
    ("a: 2026-13-45", "not valid YAML: month must be in 1..12"),
    ("a: [", r"not valid YAML \(line 1\)"),
    ("#" * (LARGEST + 1), "longer than 1 MiB"),
]


@pytest.mark.parametrize(("text", "message"), HOSTILE)
def test_hostile_text(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_yaml(text)
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(ValueError, match=rf"recipe .*r\.yaml: .*{message}") as caught:
        recipe_of(str(tmp_path / "r.yaml"))
    assert "\n" not in str(caught.value)
    (tmp_path / "index.yaml").write_text(text)
    with pytest.raises(ValueError, match=rf"folder_object: .*index\.yaml: {message}"):
        collection(str(tmp_path))


def test_aliases_within_the_limit_are_read():
    assert read_yaml("a: &a [1, 2]\nb: *a") == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize("weight", ["1" + "0" * 400, ".inf", ".nan", "-1", "true", "[1]"])
def test_weights(weight):
    with pytest.raises(ValueError, match="mud: weight must be a positive number") as caught:
        Recipe.parse("x", f"- {{kind: mud, weight: {weight}}}")
    assert len(str(caught.value)) < 200


def test_a_recipe_may_name_code(tmp_path):
    """Recipes are trusted as --methods is: a kind that names a file runs it."""
    (tmp_path / "kind.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    with pytest.raises(ValueError, match=r"kind\.py"):
        Recipe.parse("x", f"- kind: {tmp_path}/kind.py:Mine")
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "file", ["../secret.png", "/etc/secret.png", "a/../../secret.png", "..\\secret.png", "C:/x.png"]
)
def test_pictures_stay_inside(tmp_path, file):
    (tmp_path / "set").mkdir()
    cv2.imwrite(str(tmp_path / "secret.png"), np.full((8, 8, 4), 255, np.uint8))
    (tmp_path / "set" / "index.yaml").write_text(f"'{file}': {{licence: CC0-1.0}}")
    with pytest.raises(ValueError, match="which lies outside of"):
        collection(str(tmp_path / "set"))


def test_large_pictures_are_refused_undecoded(tmp_path):
    """Equal pixels take a few kB on disk and 324 MB in memory."""
    cv2.imwrite(str(tmp_path / "large.png"), np.zeros((9000, 9000, 4), np.uint8))
    with pytest.raises(ValueError, match=r"large\.png is 9000x9000; images may have at most 64 megapixels"):
        picture(tmp_path / "large.png", 64)
