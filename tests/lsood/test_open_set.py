"""Open-set macro F1 against scikit-learn at every threshold."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from lsood.open_set import open_set_f1


def case(n, m, k, seed, decimals):
    random = np.random.default_rng(seed)
    labels, known, unknown = (random.integers(k, size=size) for size in (n, n, m))
    known = np.where(random.random(n) < 0.7, labels, known)
    inside, outside = random.normal(size=n).round(decimals), random.normal(1, 1, m).round(decimals)
    return labels, known, inside, unknown, outside


@pytest.mark.parametrize(
    ("n", "m", "k", "decimals"), [(40, 30, 3, 6), (60, 20, 5, 1), (5, 50, 12, 1), (1, 1, 1, 3)]
)
def test_exact_at_every_threshold_with_ties_and_absent_classes(n, m, k, decimals):
    labels, known, inside, unknown, outside = case(n, m, k, n, decimals)
    curve = open_set_f1(labels, known, inside, unknown, outside, k)
    distinct = np.unique(np.concatenate([inside, outside]))
    np.testing.assert_array_equal(curve.thresholds, [-np.inf, *distinct])
    true, scores = np.concatenate([labels, np.full(m, k)]), np.concatenate([inside, outside])
    for threshold in (-1e9, *distinct, *(distinct + 1e-4)):
        called = np.where(scores > threshold, k, np.concatenate([known, unknown]))
        expected = f1_score(true, called, labels=range(k + 1), average="macro", zero_division=0)
        assert curve.at(threshold) == pytest.approx(expected, abs=1e-12)
    best, where = curve.best()
    assert best == curve.f1.max() == curve.at(where)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="1 predictions for 2 scores"):
        open_set_f1([0, 1], [0], [0.1, 0.2], [0], [0.3], 2)
    with pytest.raises(ValueError, match="labels must be classes 0 to 1"):
        open_set_f1([0, 2], [0, 1], [0.1, 0.2], [0], [0.3], 2)
    with pytest.raises(ValueError, match="every score is the same"):
        open_set_f1([0], [0], [0.1], [0], [0.1], 2)
