"""Supervised contrast, against a slow loop over the formula and against pytorch-metric-learning."""

import math
from dataclasses import replace

import pytest
import torch
from pytorch_metric_learning.losses import SupConLoss
from torch import Tensor

from tests.training.made_up import (
    DIMENSION_OF_TAG,
    DTYPES,
    ROUNDING,
    SUBSPACES,
    VOCABULARY,
    made_up_targets,
    positive_embeddings,
    relu_embeddings,
)
from training.embedding import subspaces_of
from training.losses.contrastive import SupervisedContrastiveLoss, jaccard
from training.losses.objective import Targets
from training.vocabulary import Vocabulary, VocabularyTag

N = 14
N_TAGS = len(VOCABULARY.tags)
MODELS = {
    "default": SupervisedContrastiveLoss(VOCABULARY, SUBSPACES),
    "against all": SupervisedContrastiveLoss(VOCABULARY, SUBSPACES, skips_untagged_dimensions=False, temperature=0.5),
}


def _slow_dimension(model: SupervisedContrastiveLoss, values: list[list[float]], tags: list[set[int]]) -> float:
    def cosine(i: int, j: int) -> float:
        lengths = math.sqrt(sum(x * x for x in values[i])) * math.sqrt(sum(x * x for x in values[j]))
        return sum(x * y for x, y in zip(values[i], values[j], strict=True)) / lengths if lengths else 0.0

    losses = []
    for i, own in enumerate(tags):
        others = [j for j in range(len(tags)) if j != i]
        weights = {j: len(own & tags[j]) / len(own | tags[j]) if own | tags[j] else 0.0 for j in others}
        if sum(weights.values()) == 0:
            continue
        contrasted = [k for k in others if tags[k] or not model.skips_untagged_dimensions]
        everyone = sum(math.exp(cosine(i, k) / model.temperature) for k in contrasted)
        losses.append(
            -sum(
                weight / sum(weights.values()) * math.log(math.exp(cosine(i, j) / model.temperature) / everyone)
                for j, weight in weights.items()
                if weight
            )
        )
    return sum(losses) / len(losses) if losses else 0.0


def _slow(model: SupervisedContrastiveLoss, embeddings: Tensor, targets: Targets) -> list[float]:
    """L_s of every dimension."""
    values, labels = embeddings.detach().double().tolist(), targets.labels.tolist()
    return [
        _slow_dimension(
            model,
            [f[subspace.slice] for f in values],
            [{tag for tag in range(N_TAGS) if row[tag] and DIMENSION_OF_TAG[tag] == number} for row in labels],
        )
        for number, subspace in enumerate(SUBSPACES)
    ]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MODELS)
def test_the_loss_is_that_of_a_slow_loop_over_the_formula(name: str, dtype: torch.dtype) -> None:
    embeddings, targets = relu_embeddings(N, dtype=dtype), made_up_targets(N)
    loss = MODELS[name](embeddings, targets)
    expected = _slow(MODELS[name], embeddings, targets)
    assert loss.total.item() == pytest.approx(sum(expected) / 3, rel=ROUNDING[dtype])
    assert [term.item() for term in loss.terms.values()] == pytest.approx(expected, rel=2e-6)
    loss.total.backward()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()
    assert embeddings.grad.any()


def test_with_one_tag_a_track_the_loss_is_that_of_pytorch_metric_learning() -> None:
    names = ("a", "b", "c")
    vocabulary = Vocabulary("one", "made up", ("kind",), tuple(VocabularyTag(name, "kind") for name in names))
    subspaces = subspaces_of(("kind",), widths=SUBSPACES.width)
    classes = torch.arange(N) % 3
    targets = replace(made_up_targets(N), labels=classes[:, None] == torch.arange(3))
    ours, theirs = positive_embeddings(N), positive_embeddings(N)
    found = SupervisedContrastiveLoss(vocabulary, subspaces, temperature=0.2)(ours, targets).total
    expected = SupConLoss(temperature=0.2)(theirs, classes)
    torch.testing.assert_close(found, expected)
    found.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_jaccard_is_common_tags_by_all_tags() -> None:
    labels = torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]]).bool()
    expected = [[1, 1 / 2, 0, 0], [1 / 2, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    torch.testing.assert_close(jaccard(labels, dtype=torch.float32), torch.tensor(expected))


@pytest.mark.parametrize("name", MODELS)
def test_the_length_of_each_embedding_changes_nothing(name: str) -> None:
    embeddings, targets = relu_embeddings(N, dtype=torch.float64), made_up_targets(N)
    factors = torch.logspace(-2, 2, N, dtype=torch.float64)[:, None]
    torch.testing.assert_close(
        MODELS[name](factors * embeddings, targets).total, MODELS[name](embeddings, targets).total
    )


@pytest.mark.parametrize("name", MODELS)
def test_the_order_of_the_batch_changes_nothing(name: str) -> None:
    embeddings, targets = relu_embeddings(N, dtype=torch.float64), made_up_targets(N)
    order = torch.arange(N).flip(0)
    turned = MODELS[name](embeddings[order], replace(targets, labels=targets.labels[order]))
    torch.testing.assert_close(turned.total, MODELS[name](embeddings, targets).total)


@pytest.mark.parametrize("name", MODELS)
def test_a_gradient_step_lowers_the_loss(name: str) -> None:
    embeddings, targets = positive_embeddings(N), made_up_targets(N)
    before = MODELS[name](embeddings, targets).total
    before.backward()
    assert embeddings.grad is not None
    assert MODELS[name](embeddings - 1e-3 * embeddings.grad, targets).total < before


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("n", [0, 1, 5])
def test_without_positives_the_loss_and_its_gradient_are_zero(name: str, n: int) -> None:
    # At most one tag each, and no tag twice; with five, three have none.
    labels = torch.eye(N_TAGS).bool()[:n]
    labels[2:] = False
    embeddings = relu_embeddings(max(n, 2))[:n]
    embeddings.retain_grad()
    targets = replace(made_up_targets(N), labels=labels)
    loss = MODELS[name](embeddings, targets).total
    assert loss.item() == 0.0
    loss.backward()
    assert embeddings.grad is not None
    assert not embeddings.grad.any()


def test_tracks_without_a_tag_in_a_dimension_are_no_negatives_unless_asked_for() -> None:
    targets = made_up_targets(N)
    assert not targets.labels[2].any()
    for name, is_contrasted in (("default", False), ("against all", True)):
        embeddings = positive_embeddings(N)
        MODELS[name](embeddings, targets).total.backward()
        assert embeddings.grad is not None
        assert bool(embeddings.grad[2].any()) == is_contrasted


def test_a_low_temperature_stays_finite_in_float16() -> None:
    embeddings, targets = relu_embeddings(N, dtype=torch.float16), made_up_targets(N)
    loss = SupervisedContrastiveLoss(VOCABULARY, SUBSPACES, temperature=0.001)(embeddings, targets).total
    loss.backward()
    assert loss.isfinite()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()


def test_autocast_changes_nothing() -> None:
    embeddings, targets = relu_embeddings(N), made_up_targets(N)
    expected = MODELS["default"](embeddings, targets).total
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(MODELS["default"](embeddings, targets).total, expected)


def test_it_takes_labels_alone_and_a_positive_temperature() -> None:
    assert not MODELS["default"].uses_tag_triplets
    assert not MODELS["default"].uses_track_triplets
    with pytest.raises(ValueError, match="expected a positive number"):
        SupervisedContrastiveLoss(VOCABULARY, SUBSPACES, temperature=0.0)
    with pytest.raises(ValueError, match="the order counts"):
        SupervisedContrastiveLoss(VOCABULARY, subspaces_of(("a", "b", "c")))
