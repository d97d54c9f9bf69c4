"""Data sets of the user through the command: folders with and without classes, label maps, a data module in a file."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from anomalies.generate import app as generate
from benchmarks.console import spread
from benchmarks.run import app
from datamodules import module_of
from datamodules.imagesets.generated import GeneratedSet
from leaderboards.store import load_results
from networks import build, save_weights

COLOURS = {"blue": (200, 60, 60), "green": (60, 200, 60), "red": (60, 60, 200)}


def picture(path, colour=None, seed=0, size=(32, 32)):
    """A noisy image of one colour, by default of noise alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng([seed, *path.as_posix().encode()[-12:]])
    noise = random.integers(0, 256, (*size, 3))
    image = noise if colour is None else 0.8 * np.array(colour) + 0.2 * noise
    assert cv2.imwrite(str(path), image.astype(np.uint8))


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """A home with class folders, images without labels, odd images, label maps, a data module and weights."""
    home = tmp_path_factory.mktemp("home")
    for name, colour in COLOURS.items():
        for i in range(20):
            picture(home / "colours" / name / f"{name}_{i:02d}.png", colour)
            picture(home / "plain" / f"{name}{i}.png", colour, 1)
    for i in range(12):
        picture(home / "odd" / f"{i}.png")
        picture(home / "calibration" / f"{i}.png", COLOURS["red"], 2)
    for place, names in (("yard", "[ground, wall]"), ("hole", "[ground, wall, anomaly]")):
        for i in range(12):
            key = f"{'abc'[i % 3]}_{i}.png"
            picture(home / place / "images" / key, size=(32, 48))
            labels = np.zeros((32, 48), np.uint8)
            labels[:14] = 1
            if place == "hole":
                labels[18:26, 10:30] = 2
            (home / place / "labels").mkdir(exist_ok=True)
            cv2.imwrite(str(home / place / "labels" / key), labels)
        (home / place / "classes.yaml").write_text(names)
    (home / "mine.py").write_text(MINE.replace("PLACE", str(home)))
    save_weights(build("resnet18-small", 3), home / "three.safetensors")
    return home


MINE = '''
from pathlib import Path

from datamodules import BenchmarkDataModule, Subset
from datamodules.imagesets.files import ClassifiedSet
from lsood.images.listing import image_files


class Colours(BenchmarkDataModule):
    """Colours, twenty frames of a video each."""

    name, task, class_names = "my-colours", "classification", ("blue", "green", "red")
    mean, std, image_size = (0.5,) * 3, (0.25,) * 3, (32, 32)
    default_network = "resnet18-small"

    @classmethod
    def is_there(cls, folder):
        return (folder / "colours").is_dir()

    @classmethod
    def sequence_of(cls, key):
        return Path(key).name[-6:-5]

    def split(self, folder):
        files = image_files(folder / "colours")
        classes = [self.class_names.index(path.parent.name) for path in files]
        images = ClassifiedSet(self.name, folder, files, classes, "own")
        thirds = {part: range(i, len(images), 3) for i, part in enumerate(("train", "val", "test"))}
        return {part: Subset(images, chosen) for part, chosen in thirds.items()}
'''


@pytest.fixture
def command(user, monkeypatch):
    """Runs the command in the home: ``command("--ind", ...)``."""
    monkeypatch.chdir(user)
    monkeypatch.setenv("LSOOD_CACHE", str(user / "cache"))

    def run(*words):
        spelled = spread([str(word) for word in (*words, "--device", "cpu")])
        monkeypatch.setattr("sys.argv", ["run", *spelled])
        return CliRunner().invoke(app, spelled)

    return run


def rows(folder):
    """{(method, OoD set): cell} of image-level results."""
    runs = load_results(Path(folder) / "results").values()
    return {(one.method, cell.name): cell for one in runs for cell in one.ood if one.level == "image"}


def test_class_folders(command, user):
    done = command("--ind", "folder:colours", "--ood", "folder:odd", "anomalies", "--methods", "msp", "mahalanobis",
                   "she", "knn", "--epochs", 3)  # fmt: skip
    assert done.exit_code == 0, done.output
    out = user / "runs" / "colours"
    found = rows(out)
    assert {ood for _, ood in found} == {"folder:odd", "folder:colours-anomalies"}
    assert {method for method, _ in found} == {"msp", "mahalanobis", "she", "knn", "naive"}
    assert not [cell.failure for cell in found.values() if cell.failure]
    assert found["mahalanobis", "folder:odd"].metrics["auroc"].value > 0.9
    assert {cell.origin for cell in found.values()} == {"own"}
    one = next(iter(load_results(out / "results").values()))
    assert (one.ind.name, one.ind.origin, one.ind.n_fit, one.ind.n_test) == ("folder:colours", "own", 36, 12)
    assert one.network.name == "resnet18-small" and "accuracy" in one.ind.network_metrics
    assert "generated miniatures" not in done.output, "nothing is looked for below a data root"
    for path in [*out.rglob("*.json"), *out.rglob("*.parquet"), *out.glob("*.csv")]:
        assert str(user).encode() not in path.read_bytes(), path
    assert all(":" not in path.name for path in out.rglob("*"))
    scores = pd.read_parquet(next(out.glob("results/knn*.parquet")))
    drawn = scores[scores["set"] == "folder:colours-anomalies"]
    assert set(drawn["source"]) == set(scores[scores["set"] == "ind-test"]["key"])


def test_anomalies_in_both_spellings_and_near_duplicates(command, user):
    done = command("--ind", "folder:colours", "--ood", "anomalies", "folder:colours-anomalies",
                   "folder:./colours-anomalies", "--methods", "msp", "--checkpoint", "three.safetensors",
                   "--keep-together", "_0", "--limit", 9, "--out", "kept")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert {ood for _, ood in rows("kept")} == {"folder:colours-anomalies"}
    assert {one.ind.n_fit for one in load_results(user / "kept" / "results").values()} == {9}


def test_images_without_labels(command, user):
    methods = (
        "msp",
        "kl-matching",
        "knn",
        "mahalanobis",
        "relative-mahalanobis",
        "she",
        "temp-scale",
        "deep-ensemble",
    )
    done = command("--ind", "folder:plain", "--ood", "folder:odd", "anomalies", "--methods", *methods, "--checkpoint",
                   "three.safetensors", "--network", "resnet18-small", "--out", "plain-out")  # fmt: skip
    assert done.exit_code == 0, done.output
    found = {method: cell.failure for (method, ood), cell in rows("plain-out").items() if ood == "folder:odd"}
    assert [m for m in found if found[m] is None] == ["kl-matching", "knn", "msp", "naive"]
    for method in ("mahalanobis", "relative-mahalanobis", "she", "temp-scale"):
        assert found[method] == f"{method} needs the true class of every fit image; folder:plain has none"
    assert "needs" in found["deep-ensemble"]
    one = next(iter(load_results(user / "plain-out" / "results").values()))
    assert one.ind.network_metrics == {} and one.ind.n_fit == 36
    refused = command("--ind", "folder:plain", "--ood", "folder:odd", "--out", "refused")
    assert (
        refused.exit_code == 1
        and "folder:plain has no labels, so no network can be trained on it" in refused.output
    )


def test_label_maps(command, user):
    done = command("--ind", "segmentation:yard", "--ood", "segmentation:hole", "segmentation:yard-anomalies",
                   "folder:odd", "--methods", "msp", "energy", "--epochs", 1, "--keep-together", "_", "--calibrate-on",
                   "folder:calibration", "--limit", 8)  # fmt: skip
    assert done.exit_code == 0, done.output
    found = rows(user / "runs" / "yard")
    assert {ood for _, ood in found} == {"segmentation:hole", "segmentation:yard-anomalies", "folder:odd"}
    pixels = list(load_results(user / "runs" / "yard" / "results").values())
    cells = {
        cell.name: cell
        for one in pixels
        if one.level == "pixel" and one.method == "energy"
        for cell in one.ood
    }
    assert cells["segmentation:hole"].failure is None and cells["segmentation:hole"].metrics
    assert "miou" in pixels[0].ind.network_metrics
    assert {one.settings["calibrate_on"] for one in pixels} == {"folder:calibration"}


def test_a_data_module_in_a_file(command, user):
    done = command("--ind", "mine.py:Colours", "--ood", "mine.py:Colours-anomalies", "folder:odd", "--data-root", user,
                   "--methods", "msp", "--epochs", 1, "--calibrate-share", ".3")  # fmt: skip
    assert done.exit_code == 0, done.output
    out = user / "runs" / "Colours"
    assert {ood for _, ood in rows(out)} == {"my-colours-anomalies", "folder:odd"}
    scores = pd.read_parquet(next(out.glob("results/msp*.parquet")))
    assert set(scores.loc[scores["set"] != "folder:odd", "sequence"]) <= set("01") | set("0123456789")
    assert scores.loc[scores["set"] == "my-colours-anomalies", "sequence"].notna().all()
    again = command("--ind", "folder:colours", "--ood", "mine.py:Colours", "--data-root", user, "--methods", "msp",
                    "--checkpoint", "three.safetensors", "--out", "shared")  # fmt: skip
    assert again.exit_code == 1 and "are images of the in-distribution set" in again.output
    other = command("--ind", "segmentation:yard", "--ood", "mine.py:Colours", "mine.py:Colours-anomalies",
                    "--data-root", user, "--methods", "msp", "--epochs", 1, "--out", "other")  # fmt: skip
    assert other.exit_code == 0, other.output
    assert {ood for _, ood in rows("other")} == {"mine.py:Colours", "mine.py:Colours-anomalies"}


def test_generated_sets(command, user):
    for ind, out in (("folder:colours", "made"), ("segmentation:yard", "made-yard")):
        words = ["--ind", ind, "--out", out, "--difficulty", "0", "--materialize", "none", "--limit", "6"]
        made = CliRunner().invoke(generate, words)
        assert made.exit_code == 0, made.output
        assert (
            str(user) not in (user / out / "README.md").read_text()
            and ind in (user / out / "README.md").read_text()
        )
    words = ["--ind", "folder:colours", "--out", "together", "--difficulty", "0", "--materialize", "none"]
    assert CliRunner().invoke(generate, [*words, "--keep-together", "_0"]).exit_code == 0
    same = module_of("folder:colours", "_0")()
    same.setup()
    assert set(GeneratedSet("generated:together", user / "together").sources) <= set(same.sets["test"].keys)
    assert "--keep-together _0" in (user / "together" / "README.md").read_text()
    inside = CliRunner().invoke(generate, ["--ind", "folder:colours", "--out", "colours/red/made"])
    assert inside.exit_code == 2 and "lies in --ind" in inside.output
    unknown = CliRunner().invoke(generate, ["--ind", "foldr", "--out", "made-none"])
    assert unknown.exit_code == 2 and "folder:DIR, segmentation:DIR" in " ".join(unknown.output.split())
    done = command("--ind", "folder:colours", "--ood", "generated:made", "--methods", "msp", "--checkpoint",
                   "three.safetensors", "--out", "generated-out")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert rows("generated-out")["msp", "generated:made"].origin == "own"
    header = json.loads((user / "made" / "dataset.json").read_text())
    header["source"]["ind"] = f"{user}/mine.py:Colours"
    shutil.copytree(user / "made", user / "hostile")
    (user / "hostile" / "dataset.json").write_text(json.dumps(header))
    with pytest.raises(ValueError, match="code that is not run because a set names it"):
        GeneratedSet("generated:hostile", user / "hostile").read(0)


def test_damaged_images_are_left_out(command, user):
    shutil.copytree(user / "colours", user / "damaged")
    path = user / "damaged" / "red" / "red_03.png"
    path.write_bytes(path.read_bytes()[:60])
    words = ("--ind", "folder:damaged", "--ood", "folder:odd", "--methods", "msp", "--checkpoint", "three.safetensors",
             "--out", "damaged-out", "--verify-data")  # fmt: skip
    refused = command(*words)
    assert refused.exit_code == 1 and "1 of 60 images of folder:damaged cannot be read" in refused.output
    done = command(*words, "--max-bad", ".05")
    assert done.exit_code == 0, done.output
    one = next(iter(load_results(user / "damaged-out" / "results").values()))
    assert one.ind.left_out == ["red/red_03.png"] and one.ind.n_fit + one.ind.n_val + one.ind.n_test == 59


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--ind", "folder:absent", "--ood", "folder:odd"), 2, "folder:absent: there is no such folder"),
        (("--ind", "folder:odd.txt", "--ood", "x"), 2, "unknown OoD set 'x'"),
        (
            ("--ind", "folder:yard", "--ood", "folder:odd"),
            2,
            "has images/ and labels/: name it as segmentation:",
        ),
        (("--ind", "segmentation:colours", "--ood", "folder:odd"), 2, "has no images/ and no labels/"),
        (("--ind", "mine.py:None_", "--ood", "folder:odd"), 2, "has no attribute 'None_'"),
        (
            ("--ind", "cifar10", "--ood", "folder:odd", "--keep-together", "_"),
            2,
            "cifar10 has parts of its own",
        ),
        (("--ind", "folder:colours", "--ood", "folder:absent"), 1, "is no folder"),
        (
            ("--ind", "folder:colours", "--ood", "folder:colours/red"),
            1,
            "are images of the in-distribution set",
        ),
        (
            ("--ind", "folder:colours", "--ood", "folder:odd", "--calibrate-on", "folder:odd"),
            2,
            "set is under test",
        ),
        (
            ("--ind", "folder:colours", "--ood", "folder:odd", "--calibrate-on", "folder:./colours"),
            2,
            "is under test",
        ),
        (
            ("--ind", "folder:colours", "--ood", "folder:odd", "--calibrate-on", "odd"),
            2,
            "unknown calibration set 'odd'",
        ),
        (
            ("--ind", "mine.py:Colours", "--ood", "folder:odd"),
            1,
            "my-colours has no generated miniature; name a --data-root",
        ),
        (("--ind", "cifar", "--ood", "folder:odd"), 2, "did you mean 'cifar10'?"),
    ],
)
def test_bad_input_is_one_clear_line(command, words, code, message):
    done = command(*words, "--methods", "msp", "--out", "bad")
    said = " ".join(done.output.split())
    assert done.exit_code == code and message in said, done.output
    assert "Traceback" not in said and done.output.count("error:") == 1
