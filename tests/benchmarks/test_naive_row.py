"""The naive detector beside the methods: measured on the pixels alone, in every leaderboard, at no forward pass."""

import dataclasses
import json
import time

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

import datamodules.miniature as miniature
from anomalies import ANOMALIES, generator
from anomalies.difficulty.image_statistics import MAHALANOBIS, STATISTICS, NaiveDetector, statistics
from benchmarks.console import spread
from benchmarks.naive import ImageStatistics, Naive, beside_naive
from benchmarks.pipeline.scored import Scored
from benchmarks.run import app
from leaderboards.schema import OodCell
from leaderboards.store import load_result
from lsood import Activations, ModelInfo, OnePass

MEAN, STD = (0.49, 0.48, 0.44), (0.2, 0.21, 0.22)
FAST = [
    "--epochs",
    "1",
    "--limit",
    "40",
    "--batch-size",
    "16",
    "--device",
    "cpu",
    "--methods",
    "msp",
    "kde-classifier",
]


def images(n, seed=0, size=32):
    """Smooth random pictures (n, size, size, 3) uint8."""
    random = np.random.default_rng(seed)
    rough = random.integers(20, 236, (n, 4, 4, 3), dtype=np.uint8)
    fine = rough.repeat(size // 4, 1).repeat(size // 4, 2).astype(int) + random.integers(
        -8, 9, (n, size, size, 3)
    )
    return fine.clip(0, 255).astype(np.uint8)


def batch(pixels):
    """Normalised as a data module does it."""
    scaled = (pixels.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
    return torch.from_numpy(scaled).permute(0, 3, 1, 2)


def test_the_probe_sees_the_very_pixels(tiny):
    pixels = images(6)
    probe = ImageStatistics(MEAN, STD)
    with OnePass(tiny(), [probe]) as run:
        found = run(batch(pixels), [str(i) for i in range(6)])[probe.name]
    np.testing.assert_array_equal(found.numpy(), [statistics(image) for image in pixels])


def test_alone_it_forwards_nothing(tiny):
    class Untouchable(torch.nn.Module):
        def forward(self, x):
            raise AssertionError("the network was run")

    pixels = images(3)
    with OnePass(Untouchable(), [ImageStatistics(MEAN, STD)]) as run:
        run(batch(pixels), list("abc"))
        assert not any(run.forwarded.values())


def activations(tiny, pixels, model_info):
    detector = Naive().attach(model_info)
    with OnePass(tiny(), detector.probes()) as run:
        keys = [str(i) for i in range(len(pixels))]
        return Activations(run(batch(pixels), keys), keys)


def test_detector_equals_the_plain_one_and_its_state_restores_it(tiny):
    model_info = ModelInfo("classification", 4, ("relu1",), "drop", STD, mean=MEAN)
    clean = images(60)
    noisy = [
        ANOMALIES["fog"](3).render(x, generator(0, "fog", str(i))).image for i, x in enumerate(images(40, 1))
    ]
    detector = Naive().attach(model_info).fit(activations(tiny, clean, model_info))
    scores = detector.score(activations(tiny, np.stack(noisy), model_info))
    plain = NaiveDetector.fit(np.stack([statistics(x) for x in clean]))
    expected = plain.scores(np.stack([statistics(x) for x in noisy]))[MAHALANOBIS]
    np.testing.assert_allclose(scores, expected, rtol=1e-12)
    again = Naive.from_state(detector.state()).attach(model_info)
    assert torch.equal(again.score(activations(tiny, np.stack(noisy), model_info)), scores)


def test_a_score_does_not_depend_on_its_batch():
    random = np.random.default_rng(0)
    detector = Naive().fit(torch.from_numpy(random.normal(size=(50, len(STATISTICS)))))
    x = torch.from_numpy(random.normal(size=(37, len(STATISTICS))))
    order = torch.randperm(37)
    together, shuffled = detector.score(x), detector.score(x[order])
    assert torch.equal(together[order], shuffled)
    assert torch.equal(torch.cat([detector.score(row[None]) for row in x]), together)


def test_a_subject_without_a_mean_is_refused():
    with pytest.raises(ValueError, match="mean of the input normalisation"):
        Naive().attach(ModelInfo("classification", 4, ("relu1",), "drop", STD))


def result(name, cells, scores, threshold):
    return Scored("image", name, "no-ood", Naive(), cells, scores, threshold, 9, 20, 0.0, 0.0, 0.0)


def scored(name, keys, random, shift):
    """A method that scored 20 in-distribution images and the given OoD images."""
    frames = [
        pd.DataFrame(
            {"set": "ind-test", "key": [f"i{i}" for i in range(20)], "score": random.normal(size=20)}
        )
    ]
    frames.append(pd.DataFrame({"set": "far", "key": keys, "score": random.normal(shift, 1, len(keys))}))
    cell = OodCell("far", "official", "f" * 64, 20, len(keys), {}, None)
    return result(name, [cell], pd.concat(frames, ignore_index=True), 0.0)


def test_every_cell_gets_the_naive_auroc_of_its_own_images():
    random = np.random.default_rng(0)
    keys = [f"o{i}" for i in range(30)]
    half = [keys[i] for i in random.permutation(30)[:15]]
    nothing = pd.DataFrame({"set": [], "key": [], "score": []})
    broken = OodCell("far", "official", "f" * 64, 20, 30, {}, "broken")
    empty = result("broken", [broken], nothing, None)
    oracle = dataclasses.replace(scored("msp", half, random, 2), protocol="oracle-val")
    first = scored("msp", keys, random, 1)
    naive = scored("naive", keys, random, 0.5)
    found = [one.cells[0].naive for one in beside_naive([first, oracle, naive, empty])]
    own = naive.scores.set_index("key").score
    inside = own[[f"i{i}" for i in range(20)]]
    for value, rated in zip(found, (keys, half, keys, keys), strict=True):
        expected = roc_auc_score(np.r_[np.zeros(20), np.ones(len(rated))], np.r_[inside, own[rated]])
        assert value == pytest.approx(expected, abs=1e-12)
    assert all(one.cells[0].naive is None for one in beside_naive([first, oracle, empty]))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same run without the naive detector, then with it: (folder, what the command said) each."""
    before = dict(miniature.MINIATURES)
    for name, counts in {"cifar10": {"train": 200, "test": 50}, "svhn": {"test": 50}}.items():
        entry = before[name]
        miniature.MINIATURES[name] = miniature.Miniature(entry.folder, entry.write, counts)
    found = []
    for extra in (["--no-naive"], []):
        out = tmp_path_factory.mktemp("run")
        arguments = [
            "--ind",
            "cifar10",
            "--ood",
            "svhn",
            "cifar10-anomalies",
            "--out",
            str(out),
            *FAST,
            *extra,
        ]
        done = CliRunner().invoke(app, spread(arguments))
        assert done.exit_code == 0, done.output
        found.append((out, done.output))
    yield found
    miniature.MINIATURES.update(before)


def test_the_runner_puts_it_into_every_leaderboard(runs):
    out, output = runs[1]
    table = pd.read_csv(out / "leaderboard.csv").set_index(["method", "ood"])
    assert len(table) == 3 * 2 and table.naive.notna().all()
    for ood in ("svhn", "cifar10-anomalies"):
        naive, msp, oracle = (table.loc[(method, ood)] for method in ("naive", "msp", "kde-classifier"))
        assert naive.auroc == naive.naive == msp.naive
        assert oracle.protocol == "oracle-val" and oracle.n_out == naive.n_out // 2
        for row in (naive, msp, oracle):
            floor = max(row.naive, 0.5)
            wanted = (row.auroc - floor) / (1 - floor) if floor < 1 else np.nan
            assert row.gain == pytest.approx(wanted, abs=1e-12, nan_ok=True)
    assert "naive" in output and "gain" in output
    page = (out / "leaderboard.html").read_text()
    assert page.count("<tfoot>") == page.count("</tfoot>") == 2 and 'class="reference"' in page
    cell = json.loads((out / "results" / "msp-seed0.json").read_text())["ood"][0]
    assert cell["naive"] == table.loc[("naive", cell["name"])].auroc


def test_without_it_nothing_speaks_of_it(runs):
    out, _ = runs[0]
    assert not (out / "results" / "naive-seed0.json").exists()
    assert pd.read_csv(out / "leaderboard.csv")[["naive", "gain"]].isna().all(axis=None)
    assert "gain ↑" not in (text := (out / "leaderboard.md").read_text()) and "image-statistics" not in text


def test_added_to_a_cached_run_it_forwards_nothing(runs):
    before, after = (load_result(out / "results" / "msp-seed0.json") for out, _ in runs)
    scored = before.ind.n_val + before.ind.n_test + 2 * 40
    assert before.cost.images_forwarded["shared_pass"] == 40 + scored
    told = after.cost.images_forwarded.items()
    forwarded = {n: images for n, images in told if n not in ("sanity_check", "from_cache")}
    assert not any(forwarded.values()), forwarded
    assert [c.metrics for c in before.ood] == [c.metrics for c in after.ood]


def test_it_costs_a_few_milliseconds_per_image():
    probe, pixels = ImageStatistics(MEAN, STD), batch(images(8, size=256))

    class ForwardOutputs:
        images = pixels

    start = time.process_time()
    probe(ForwardOutputs, None)
    assert (time.process_time() - start) / 8 < 0.03
