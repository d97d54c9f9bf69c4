"""The loss against torch's cross-entropy and the formula written out."""

import math

import pytest
import torch
import torch.nn.functional as F

from networks import focal_loss
from networks.training.batches import label_counts
from networks.training.losses import log_weights, outlier_exposure_loss


def case(shape):
    torch.manual_seed(0)
    logits, target = 3 * torch.randn(shape), torch.randint(0, shape[1], (shape[0], *shape[2:]))
    target.view(-1)[::3] = 255
    return logits, target


@pytest.mark.parametrize("shape", [(7, 4), (2, 4, 5, 7)])
def test_gamma_0_is_cross_entropy_over_labelled_elements(shape):
    logits, target = case(shape)
    expected = F.cross_entropy(logits, target, ignore_index=255)
    torch.testing.assert_close(focal_loss(logits, target, 0), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("gamma", [0.5, 2.0, 4.0])
@pytest.mark.parametrize("shape", [(7, 4), (2, 4, 5, 7)])
def test_the_formula_over_labelled_elements(shape, gamma):
    logits, target = case(shape)
    kept = target != 255
    p = logits.softmax(1).gather(1, target.clamp_max(3)[:, None])[:, 0][kept]
    torch.testing.assert_close(focal_loss(logits, target, gamma), (-((1 - p) ** gamma) * p.log()).mean())


@pytest.mark.parametrize("gamma", [0, 0.5, 2.0])
def test_ignored_elements_move_neither_value_nor_gradient(gamma):
    logits, target = case((2, 4, 5, 7))
    other = torch.where((target == 255)[:, None], torch.full_like(logits, 50.0), logits).requires_grad_()
    loss = focal_loss(other, target, gamma)
    torch.testing.assert_close(loss, focal_loss(logits, target, gamma))
    loss.backward()
    assert (other.grad.movedim(1, -1)[target == 255] == 0).all()


@pytest.mark.parametrize("gamma", [0, 0.5, 2.0])
def test_certain_and_unlabelled_elements_stay_finite(gamma):
    logits = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    focal_loss(logits, torch.tensor([0, 0]), gamma).backward()
    assert torch.isfinite(logits.grad).all()
    assert focal_loss(logits, torch.tensor([255, 255]), gamma) == 0


def test_negative_gamma():
    with pytest.raises(ValueError, match="at least 0, got -1"):
        focal_loss(torch.zeros(1, 2), torch.zeros(1, dtype=torch.long), -1)


@pytest.mark.parametrize("shape", [(7, 4), (2, 4, 5, 7)])
def test_outlier_exposure_is_cross_entropy_to_the_uniform_distribution(shape):
    logits, _ = case(shape)
    uniform = torch.full(shape, 1 / 4, dtype=torch.float64)
    expected = F.cross_entropy(logits.double(), uniform)
    torch.testing.assert_close(outlier_exposure_loss(logits).double(), expected, rtol=1e-6, atol=0)
    assert outlier_exposure_loss(torch.full(shape, 3.0)).item() == pytest.approx(math.log(4), rel=1e-6)


@pytest.mark.parametrize("shape", [(7, 4), (2, 4, 5, 7)])
def test_class_weights_are_those_of_torch(shape):
    logits, target = case(shape)
    weights = torch.tensor([1.0, 0.2, 3.0, 0.0])
    expected = F.cross_entropy(logits, target, weight=weights, ignore_index=255)
    torch.testing.assert_close(focal_loss(logits, target, 0, weights), expected)
    ones = torch.ones(4)
    torch.testing.assert_close(focal_loss(logits, target, 2.0, ones), focal_loss(logits, target, 2.0))


def test_log_weights_of_shares():
    weights = log_weights(torch.tensor([75, 25, 0]))
    expected = [1 / math.log(1.85), 1 / math.log(1.35), 1 / math.log(1.1)]
    torch.testing.assert_close(weights, torch.tensor(expected))


def test_labels_are_counted_without_what_is_ignored():
    maps = [torch.tensor([[0, 1], [255, 1]]), torch.tensor([[2, 2], [-1, 1]])]
    loader = torch.utils.data.DataLoader([{"target": one} for one in maps])
    assert label_counts(loader, 3).tolist() == [1, 3, 2]
    with pytest.raises(ValueError, match="nothing of the training set is labelled"):
        label_counts(torch.utils.data.DataLoader([{"target": torch.tensor(-1)}]), 3)
    with pytest.raises(ValueError, match="not boxes"):
        label_counts(torch.utils.data.DataLoader([{"target": {"boxes": torch.zeros(0, 4)}}]), 3)
