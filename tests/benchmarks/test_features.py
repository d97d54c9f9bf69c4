"""Feature files: the same scores as the network's, what they cannot hold, and what is wrong with some."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from typer.testing import CliRunner

from benchmarks import Results, evaluate
from benchmarks.console import spread
from benchmarks.run import app

SETS = {"train": (60, 0.0), "val": (40, 0.0), "test": (40, 0.0), "loud": (30, 1.5)}
LAYER = "network.3"


def images_of(name):
    n, shift = SETS[name]
    random = torch.Generator().manual_seed(n)
    return torch.randn(n, 3, 8, 8, generator=random) + shift


def labels_of(name):
    return torch.arange(SETS[name][0]) % 3


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 12, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 3)
    ).eval()


@pytest.fixture(scope="module")
def files(network, tmp_path_factory):
    """A file per set; the head is in train.npz."""
    folder = tmp_path_factory.mktemp("features")
    for name in SETS:
        with torch.no_grad():
            features = torch.cat([network[:4](part) for part in images_of(name).split(32)])
            logits = torch.cat([network(part) for part in images_of(name).split(32)])
        arrays = {"features": features.numpy(), "logits": logits.numpy()}
        if name != "loud":
            arrays["labels"] = labels_of(name).numpy()
        if name == "train":
            arrays |= {
                "head_weight": network[4].weight.detach().numpy(),
                "head_bias": network[4].bias.detach().numpy(),
            }
        np.savez(folder / f"{name}.npz", **arrays)
    return folder


def loaders():
    made = {n: DataLoader(TensorDataset(images_of(n), labels_of(n)), batch_size=32) for n in SETS}
    return {"ind": {n: made[n] for n in ("train", "val", "test")}, "ood": {"loud": made["loud"]}}


SAME = (
    "msp", "energy", "max-logit", "entropy", "gen", "kl-matching", "knn", "vim", "residual", "react", "dice", "ash-s",
    "scale", "she", "nnguide", "fdbd", "gradnorm", "relative-mahalanobis", "temp-scale", "ddu",
    "mds-pp", "rmds-pp", "nci", "ras", "cadref", "caref", "cop", "corp@features=64", "neco",
)  # fmt: skip


def test_features_of_a_network_give_its_scores(network, files):
    of_network = evaluate(network, **loaders(), methods=[*SAME, f"mahalanobis@{LAYER}"])
    paths = [files / f"{name}.npz" for name in SETS]
    of_files = evaluate(features=paths, methods=[*SAME, "mahalanobis@penultimate"])
    for name in SAME:
        pd.testing.assert_frame_equal(of_files.scores(name), of_network.scores(name))
    pd.testing.assert_frame_equal(
        of_files.scores("mahalanobis@penultimate"), of_network.scores(f"mahalanobis@{LAYER}")
    )
    found, wanted = of_files.table().set_index("method"), of_network.table().set_index("method")
    assert found.auroc[list(SAME)].equals(wanted.auroc[list(SAME)])
    assert set(found.network_metric) == set(wanted.network_metric) and found.failure.isna().all()
    assert of_files.runs[0].result.cost.images_forwarded == {"from_cache": 0}


def test_what_files_do_not_hold_is_a_row_with_the_reason(files):
    paths = {name: files / f"{name}.npz" for name in SETS}
    methods = [
        "msp",
        "odin",
        "fssd",
        "lared",
        "rankfeat",
        "deep-ensemble",
        "mc-dropout",
        "mahalanobis@layer3",
    ]
    table = evaluate(features=paths, methods=methods).table().set_index("method")
    assert pd.isna(table.failure["msp"]) and "naive" not in table.index
    for method, what in (
        ("odin", "a gradient of the image"),
        ("fssd", "noise"),
        ("lared", "the latent samples"),
        ("deep-ensemble", "beside feature files there is no network"),
        ("mc-dropout", "the network"),
        ("mahalanobis@layer3", "layer3"),
    ):
        assert what in table.failure[method], (method, table.failure[method])
    assert table.failure.drop("msp").notna().all()


def test_protocols(files):
    paths = [files / f"{name}.npz" for name in SETS]
    table = evaluate(features=paths, methods=["mahalanobis"], protocols=["fgsm-val", "oracle-val"]).table()
    table = table.set_index("protocol")
    assert table.auroc["oracle-val"] > 0.5 and "fgsm-val" in table.failure["fgsm-val"]


def test_the_command_and_validation_drawn_from_train(files, tmp_path):
    words = ["--features", files / "train.npz", files / "test.npz", f"strange={files / 'loud.npz'}"]
    words += ["--methods", "msp", "knn", "--ind", "closed", "--out", tmp_path]
    done = CliRunner().invoke(app, spread([str(word) for word in words]))
    assert done.exit_code == 0, done.output
    assert "closed vs strange" in " ".join(done.output.split()) and "MINIATURE" not in done.output
    found = Results.load(tmp_path)
    assert {run.result.ind.n_val for run in found.runs} == {15} and found.runs[0].result.ind.n_fit == 45


def test_arrays_from_python(files):
    arrays = {name: dict(np.load(files / f"{name}.npz")) for name in SETS}
    arrays["loud"]["keys"] = [f"strange/{i}" for i in range(SETS["loud"][0])]
    arrays["test"] = {name: torch.from_numpy(value) for name, value in arrays["test"].items()}
    found = evaluate(features=arrays, methods="knn")
    same = evaluate(features=[files / f"{name}.npz" for name in SETS], methods="knn")
    assert found.scores("knn").score.equals(same.scores("knn").score)
    assert found.scores("knn").key.iloc[-1] == "strange/29"


F, L = np.ones((4, 5), np.float32), np.ones((4, 3), np.float32)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"logits": L}, "has no features"),
        ({"features": F}, "has no logits"),
        ({"features": F, "logits": L[:3]}, "logits must be \\(4, any\\), got \\(3, 3\\)"),
        ({"features": F, "logits": L, "labels": np.zeros(5, int)}, "labels must be \\(4\\), got \\(5,\\)"),
        ({"features": F, "logits": L, "labels": np.zeros(4)}, "labels must be integers, got float64"),
        ({"features": F, "logits": L, "labels": np.full(4, 3)}, "class 3, the logits 3 classes"),
        ({"features": np.full((4, 5), np.nan), "logits": L}, "features hold NaN or infinity in row 0"),
        ({"features": F[:0], "logits": L[:0]}, "is empty"),
        ({"features": F[:, 0], "logits": L}, "features must be"),
        ({"features": F, "logits": L, "keys": np.array(["a", "b", "a", "c"])}, "keys are not unique, e.g. 'a'"),
        ({"features": F, "logits": L, "head_weight": F}, "head_weight must be \\(3, 5\\), got \\(4, 5\\)"),
        ({"features": F, "logits": L, "head_weight": np.ones((3, 5))}, "do not give the logits"),
        ({"features": F, "logits": L, "head_bias": np.ones(3)}, "head_bias and no head_weight"),
        ({"features": np.ones((4, 6)), "logits": L}, "D of features is 6, in .*train.npz it is 12"),
        ({"features": np.ones((4, 12)), "logits": np.ones((4, 7))}, "K of logits is 7, in .*train.npz it is 3"),
        ({"features": np.array([{}] * 4), "logits": L}, "holds pickled objects"),
        ({"features": F, "logits": L, "label": np.zeros(4, int)}, "unknown array 'label'; did you mean 'labels'"),
        ({"features": F, "logits": L, "labels": np.array([0, -1, -2, 1])}, "labels hold -2"),
    ],
)  # fmt: skip
def test_bad_files(files, tmp_path, arrays, said):
    np.savez(tmp_path / "odd.npz", **arrays)
    with pytest.raises(ValueError, match=said) as error:
        evaluate(features=[files / "train.npz", files / "test.npz", tmp_path / "odd.npz"])
    assert "odd.npz" in str(error.value) and "\n" not in str(error.value)


def test_bad_calls(files, tmp_path):
    train, test, loud = (files / f"{name}.npz" for name in ("train", "test", "loud"))
    (tmp_path / "text.npz").write_text("text")
    np.save(tmp_path / "array.npy", F)
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps([1, 2]))
    cases = [
        ([train, loud], "--features has no test"),
        ([train, test], "no OoD set"),
        ([train, test, tmp_path / "nothing.npz"], "does not exist"),
        ([train, test, tmp_path], "is a folder; name a file"),
        ({"train": train, "test": tmp_path}, "is a folder; name a file"),
        *(
            (
                [train, test, tmp_path / f"{name}.npz"],
                f"{name}.npz is no .npz file of arrays: numpy.savez did not",
            )
            for name in ("text", "array", "pickle")
        ),
        ([train, test, f"test={loud}"], "both named test"),
        ([train, test, f"x-anomalies={loud}"], "cannot be named"),
        ({"train": train, "test": test, "odd": 3}, "must be a file or arrays"),
    ]
    for features, said in cases:
        with pytest.raises((ValueError, FileNotFoundError), match=said) as error:
            evaluate(features=features)
        assert "\n" not in str(error.value) and "allow_pickle" not in str(error.value)
    with pytest.raises(ValueError, match="leave out ood"):
        evaluate(features=[train, test, loud], ood="svhn")
    with pytest.raises(ValueError, match="checkpoint is for networks"):
        evaluate(features=[train, test, loud], checkpoint=train)
