"""Too few fit images for a method: a warning that names the class or the number."""

import pytest
import torch

from baselines import (
    CMD,
    KNN,
    NECO,
    CoP,
    CoRP,
    MDSPlusPlus,
    NNGuide,
    RelativeMahalanobis,
    Residual,
    RMDSPlusPlus,
    ViM,
)
from lsood import Head
from lsood.metrics.points import auroc


def draw(counts, seed=0, width=16):
    """Classes of so many images around means of their own, and their labels."""
    random = torch.Generator().manual_seed(seed)
    means = 4 * torch.randn(len(counts), width, generator=torch.Generator().manual_seed(9))
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return means[labels] + torch.randn(len(labels), width, generator=random), labels


def test_cmd_names_the_class_of_two_images_that_spoils_it(caplog):
    test, _ = draw([40] * 10, 1)
    outside = 5 * torch.randn(400, 16, generator=torch.Generator().manual_seed(2))

    def value(counts):
        caplog.clear()
        detector = CMD().fit(*draw(counts))
        return auroc(detector.score(test).numpy(), detector.score(outside).numpy())

    assert value([300] * 10) > 0.95 and not caplog.text
    assert value([300] * 10 + [2]) < 0.7
    assert "cmd: too few fit images of class 10 (2 images, 1 of 16 components)" in caplog.text
    value([300] * 10 + [1])
    assert "class 10 (1 images, 0 of 16 components, left out)" in caplog.text
    value([3, 4, 5, 6, 7, 8, 9])
    assert caplog.text.count("class ") == 5 and "and 2 more" in caplog.text


def test_labels_are_named_as_they_are(caplog):
    x, labels = draw([300, 2])
    CMD().fit(x, labels + 7)
    assert "class 8 (2 images" in caplog.text


def test_dead_channels_are_no_reason_for_a_warning(caplog):
    x, labels = draw([300, 300])
    CMD().fit(torch.cat([x, torch.zeros(600, 4)], 1), labels)
    assert not caplog.text


HEAD = Head(torch.randn(2, 16, generator=torch.Generator().manual_seed(3)), torch.zeros(2))
CASES = [
    (
        lambda: KNN(k=50),
        {},
        "knn: fitted on 20 rows, fewer than 50: the last neighbour is taken for number k = 50",
    ),
    (lambda: NNGuide(k=50), {"head": HEAD}, "nnguide: fitted on 20 rows, fewer than 50: all are taken"),
    (lambda: ViM(), {"head": HEAD}, "vim: fitted on 12 rows, fewer than 16: directions"),
    (lambda: Residual(), {}, "residual: fitted on 12 rows, fewer than 16: directions"),
    (lambda: RelativeMahalanobis(), {}, "relative-mahalanobis: fitted on 12 rows, fewer than 16: directions"),
    (
        lambda: MDSPlusPlus(),
        {},
        "mds-pp: fitted on 12 rows, fewer than 16: directions in which they do not vary",
    ),
    (
        lambda: RMDSPlusPlus(),
        {},
        "rmds-pp: fitted on 12 rows, fewer than 16: directions in which they do not vary",
    ),
    (lambda: CoP(), {}, "cop: fitted on 12 rows, fewer than 16: directions without any of their 16"),
    (
        lambda: CoRP(features=80),
        {},
        "corp: fitted on 12 rows, fewer than 80: directions without any of their 80",
    ),
    (lambda: NECO(), {}, "neco: fitted on 12 rows, fewer than 16: of their 16 features' axes some"),
]


@pytest.mark.parametrize(
    ("make", "arguments", "message"), CASES, ids=lambda v: v if isinstance(v, str) else ""
)
def test_too_few_images_for_a_method(caplog, make, arguments, message):
    few = int(message.split()[3])
    make().fit(*draw([few // 2, few // 2]), **arguments)
    assert message in caplog.text
    caplog.clear()
    make().fit(*draw([50, 50]), **arguments)
    assert not caplog.text
