"""What one pass measures of an object detector: scores over boxes, objects as rows, no dependence on batch mates."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax
from scipy.stats import entropy as scipy_entropy

from benchmarks.levels.object import object_model_info
from lsood import Activations, ModelInfo, OnePass, entropy, sample_latents
from lsood.extraction.objects import ObjectSet, ObjectTally
from lsood.probes.base import ForwardOutputs
from lsood.probes.detection_logits import DETECTION_SCORES
from lsood.probes.detections import Detections
from lsood.probes.image import DetectionScores, EnsembleProbability, standard_probes
from lsood.probes.objects import ObjectLabels, image_of, object_keys, object_probes

STD = (0.25, 0.25, 0.25)


def images(n, seed=0, size=(64, 80)):
    return torch.randn(n, 3, *size, generator=torch.Generator().manual_seed(seed))


def model_info(network, **options):
    return ModelInfo("detection", 3, network.feature_layers[-2:], network.latent_layer, STD, 4, **options)


def brute(logits):
    """The five scores of one box in float64."""
    z = np.asarray(logits, dtype=np.float64)
    p = np.sort(softmax(z))[::-1]
    gen = sum(q**0.1 * (1 - q) ** 0.1 for q in p[:100])
    return [1 - p[0], -z.max(), -logsumexp(z), scipy_entropy(p), gen]


def measured(network, x, keys, targets=None, probes=()):
    s = model_info(network)
    wanted = [*standard_probes(s), *object_probes(object_model_info(network, s)), *probes]
    with OnePass(network, wanted) as run:
        found = run(x, keys, targets)
        return found, run.objects, run.forwarded


def test_scores_are_means_over_kept_detections_and_over_proposals(detector):
    network, x = detector(), images(3)
    found = measured(network, x, list("abc"))[0]["detection_scores"]
    with torch.no_grad():
        detections = network(x)
    assert all(len(d) for d in detections)
    for row, d in zip(found, detections, strict=True):
        kept, all_ = (np.mean([brute(z) for z in rows], axis=0) for rows in (d.logits, d.proposal_logits))
        np.testing.assert_allclose(row, [*kept, *all_], rtol=1e-6)


def test_without_detections_the_most_certain_proposal_counts_and_without_proposals_nothing_is_known(detector):
    network, x = detector(least=2.0), images(2)
    found, objects, _ = measured(network, x, list("ab"))
    with torch.no_grad():
        detections = network(x)
    for row, d in zip(found["detection_scores"], detections, strict=True):
        together = torch.cat([d.proposal_logits, d.proposal_background[:, None]], 1).softmax(1)[:, :-1]
        best = d.proposal_logits[together.amax(1).argmax()]
        np.testing.assert_allclose(row[: len(DETECTION_SCORES)], brute(best), rtol=1e-6)
    assert {len(value) for value in objects.values()} == {0}
    assert objects["box"].shape == (0, 4) and objects["logits"].shape == (0, 3)
    none = Detections.none(3, 8, (4, 7, 7))
    forward = ForwardOutputs(network, x[:1], torch.empty(0), ["a"], None, {}, {}, detections=[none])
    np.testing.assert_allclose(DetectionScores()(forward, None)[0, :5], brute([0, 0, 0]), rtol=1e-12)
    assert EnsembleProbability((lambda x, boxes: [torch.empty(0, 3)],), "h")(forward, None) == pytest.approx(
        2 / 3
    )


def test_one_by_one_equals_a_shuffled_mixed_batch(detector):
    """Also with images that have no detection among the mates."""
    network = detector(least=0.4)
    x, keys = torch.cat([images(3), 0 * images(1), 3 * images(2, 1)]), list("abcdef")
    order = [4, 2, 5, 0, 3, 1]
    together, objects, _ = measured(network, x[order], [keys[i] for i in order])
    rows = {key: i for i, key in enumerate(keys[i] for i in order)}
    for i, key in enumerate(keys):
        alone, own, _ = measured(network, x[i : i + 1], [key])
        for name, value in alone.items():
            torch.testing.assert_close(together[name][rows[key]], value[0], rtol=1e-4, atol=1e-4, msg=name)
        mine = objects["place"] == rows[key]
        for name in set(own) - {"place"}:
            torch.testing.assert_close(objects[name][mine], own[name], rtol=1e-3, atol=1e-3, msg=name)


def test_objects_are_rows_with_the_names_of_classifiers(detector):
    network, x = detector(), images(2)
    _, objects, counts = measured(network, x, ["a", "b"])
    assert counts == {
        "shared_pass": 2,
        "preparation": 2,
    }  # whether a layer's calls are in a row: two passes a network
    with torch.no_grad():
        first, second = network(x)
    head = object_model_info(network, model_info(network)).head
    features = objects[f"pooled.{network.region_dropout}"]
    torch.testing.assert_close(features, torch.cat([first.features, second.features]))
    torch.testing.assert_close(head(features).float(), objects["logits"], rtol=1e-4, atol=1e-4)
    assert objects["place"].tolist() == [0] * len(first) + [1] * len(second)
    layer = network.get_submodule(network.region_layer)
    samples = sample_latents(second.regions, layer, 4, object_keys("b", len(second)))
    found = objects[f"entropy.{network.region_layer}.fullmean.t4.s0"][len(first) :]
    torch.testing.assert_close(found, entropy(samples).float())


def test_labels_need_a_true_box_of_the_predicted_class():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 4.9], [50, 50, 60, 60]])
    found = Detections(
        boxes,
        torch.tensor([1, 2, 1, 1]),
        torch.ones(4),
        torch.zeros(4, 3),
        torch.zeros(4),
        torch.zeros(4, 2),
        torch.zeros(4, 1, 7, 7),
        torch.arange(4),
        torch.zeros(4, 3),
        torch.zeros(4),
        boxes,
    )
    truth = [{"boxes": torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60]]), "labels": torch.tensor([1, -1])}]
    for target, expected in ((truth, [1, -1, -1, -1]), (None, [-1] * 4)):
        forward = ForwardOutputs(
            torch.nn.Identity(),
            torch.zeros(1, 3, 8, 8),
            torch.empty(0),
            ["a"],
            target,
            {},
            {},
            False,
            [found],
        )
        assert ObjectLabels()(forward, None).tolist() == expected
    empty = [{"boxes": torch.empty(0, 4), "labels": torch.empty(0, dtype=torch.int64)}]
    forward = ForwardOutputs(
        torch.nn.Identity(), torch.zeros(1, 3, 8, 8), torch.empty(0), ["a"], empty, {}, {}, False, [found]
    )
    assert ObjectLabels()(forward, None).tolist() == [-1] * 4


def test_an_ensemble_of_copies_is_msp_and_members_see_the_same_boxes(detector):
    network, x = detector(), images(3)
    probe = EnsembleProbability((detector(), detector()), "copies")
    found, _, counts = measured(network, x, list("abc"), probes=[probe])
    msp = found["detection_scores"][:, DetectionScores.column("msp")]
    torch.testing.assert_close(found[probe.name][:, 0], msp, rtol=1e-4, atol=1e-6)
    assert counts == {"shared_pass": 3, "preparation": 2, "members": 6}
    other = detector(seed=1)
    probe = EnsembleProbability((other,), "other")
    found = measured(network, x, list("abc"), probes=[probe])[0][probe.name][:, 0]
    with torch.no_grad():
        detections = network(x)
        theirs = other(x, [d.proposal_boxes[d.origins] for d in detections])
    for value, d, z in zip(found, detections, theirs, strict=True):
        mean = (softmax(d.logits.double(), 1) + softmax(z.double(), 1)) / 2
        assert value == pytest.approx((1 - mean.max(1)).mean(), rel=1e-6)


def test_bfloat16_is_refused(detector):
    with (
        OnePass(detector(), [DetectionScores()], precision="bfloat16") as run,
        pytest.raises(ValueError, match="an object detector is measured in float32"),
    ):
        run(images(1), ["a"])


def targets(*labels):
    return [
        {"boxes": torch.rand(len(own), 4), "labels": torch.tensor(own, dtype=torch.int64)} for own in labels
    ]


def test_tables_keep_rows_with_their_images_and_leave_out_what_is_not_chosen(tmp_path):
    tally = ObjectTally()
    objects = {
        "place": torch.tensor([0, 0, 2]),
        "box": torch.arange(12.0).reshape(3, 4),
        "score": torch.ones(3),
    }
    truth = targets([1], [2, 2], [])
    tally.add(objects, truth, ["a#fog-1", "b", "c"], [0, 2])
    tally.add({name: value[:0] for name, value in objects.items()}, targets([]), ["d"], [0])
    found = tally.finish({"x": 1})
    assert found.found.ids == ["a#fog-1#0", "a#fog-1#1", "c#0"] and "place" not in found.found
    assert found.truth.ids == ["a#fog-1#0"] and image_of("a#fog-1#0") == "a#fog-1"
    own = found.targets(["d", "a#fog-1"])
    assert len(own[0]["labels"]) == 0 and torch.equal(own[1]["boxes"], truth[0]["boxes"])
    found.save(tmp_path)
    again = ObjectSet.load(tmp_path, ["box", "score"])
    assert again is not None and torch.equal(again.found["box"], found.found["box"])
    assert ObjectSet.load(tmp_path, ["box", "logits"]) is None
    next((tmp_path / "truth").glob("*.safetensors")).write_bytes(b"cut")
    assert ObjectSet.load(tmp_path, ["box"]) is None


def test_a_set_without_any_object_is_a_table_without_rows(tmp_path):
    tally = ObjectTally()
    tally.add({"place": torch.empty(0, dtype=torch.int64), "box": torch.empty(0, 4)}, targets([]), ["a"], [0])
    tally.finish({}).save(tmp_path)
    again = ObjectSet.load(tmp_path, ["box"])
    assert (
        isinstance(again.found, Activations)
        and again.found.images == 0
        and again.truth["box"].shape == (0, 4)
    )
