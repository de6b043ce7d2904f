"""Triplet losses, against a slow loop over the formula and against pytorch-metric-learning."""

import math
from dataclasses import replace

import pytest
import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.reducers import MeanReducer
from torch import Tensor

from tests.training.made_up import DTYPES, ROUNDING, SUBSPACES, made_up_targets, positive_embeddings, relu_embeddings
from training.embedding import Normalisation
from training.losses.objective import Targets
from training.losses.triplet import TripletLoss, triplet_loss

N = 12
EMPTY = torch.empty(0, 3, dtype=torch.int64)
MODELS = {
    "triplet": TripletLoss(SUBSPACES, normalisation=Normalisation.WHOLE),
    "disentangled triplet": TripletLoss(SUBSPACES, normalisation=Normalisation.SLICES),
    "with track regularisation": TripletLoss(SUBSPACES, normalisation=Normalisation.SLICES, track_weight=0.5),
    "wide margin": TripletLoss(SUBSPACES, normalisation=Normalisation.SLICES, margin=0.7, track_weight=2.0),
}


def _cosine(a: list[float], b: list[float]) -> float:
    lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / lengths if lengths > 0 else 0.0


def _slow_triplets(
    embeddings: list[list[float]], triplets: Tensor, dimensions: list[int] | None, *, margin: float
) -> float:
    total = 0.0
    for number, (anchor, positive, negative) in enumerate(triplets.tolist()):
        columns = slice(None) if dimensions is None else SUBSPACES.each[dimensions[number]].slice
        a, p, n = (embeddings[excerpt][columns] for excerpt in (anchor, positive, negative))
        total += max(0.0, _cosine(a, n) - _cosine(a, p) + margin)
    return total / len(triplets)


def _slow(model: TripletLoss, embeddings: Tensor, targets: Targets) -> float:
    values = embeddings.detach().double().tolist()
    dimensions = targets.tag_dimensions.tolist() if model.normalisation is Normalisation.SLICES else None
    loss = _slow_triplets(values, targets.tag_triplets, dimensions, margin=model.margin)
    if model.track_weight:
        loss += model.track_weight * _slow_triplets(values, targets.track_triplets, None, margin=model.margin)
    return loss


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MODELS)
def test_the_loss_is_that_of_a_slow_loop_over_the_formula(name: str, dtype: torch.dtype) -> None:
    embeddings, targets = relu_embeddings(N, dtype=dtype), made_up_targets(N)
    loss = MODELS[name](embeddings, targets)
    assert loss.total.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert loss.total.item() == pytest.approx(_slow(MODELS[name], embeddings, targets), abs=ROUNDING[dtype])
    loss.total.backward()
    assert embeddings.grad is not None
    assert embeddings.grad.dtype == dtype
    assert embeddings.grad.isfinite().all()
    assert embeddings.grad.any()


def test_the_triplet_loss_and_its_gradient_are_those_of_pytorch_metric_learning() -> None:
    triplets = made_up_targets(N).tag_triplets
    ours, theirs = relu_embeddings(N, dtype=torch.float64), relu_embeddings(N, dtype=torch.float64)
    # Theirs gives a vector of zeros another gradient: the first is left out.
    triplets = triplets[(triplets != 0).all(dim=1)]
    oracle = TripletMarginLoss(margin=0.1, distance=CosineSimilarity(), reducer=MeanReducer())
    expected = oracle(theirs, torch.zeros(N), indices_tuple=tuple(triplets.T))
    found = triplet_loss(ours, triplets, margin=0.1)
    torch.testing.assert_close(found, expected)
    found.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_gradients_are_those_of_finite_differences() -> None:
    embeddings, targets = positive_embeddings(6), made_up_targets(6)
    model = TripletLoss(SUBSPACES, track_weight=0.5)
    assert torch.autograd.gradcheck(lambda f: model(f, targets).total, embeddings)


@pytest.mark.parametrize("name", MODELS)
def test_the_length_of_each_embedding_changes_nothing(name: str) -> None:
    embeddings, targets = relu_embeddings(N, dtype=torch.float64), made_up_targets(N)
    factors = torch.logspace(-2, 2, N, dtype=torch.float64)[:, None]
    torch.testing.assert_close(
        MODELS[name](factors * embeddings, targets).total, MODELS[name](embeddings, targets).total
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_gradient_step_lowers_the_loss(name: str) -> None:
    embeddings, targets = positive_embeddings(N), made_up_targets(N)
    before = MODELS[name](embeddings, targets).total
    before.backward()
    assert embeddings.grad is not None
    assert MODELS[name](embeddings - 1e-3 * embeddings.grad, targets).total < before


@pytest.mark.parametrize("name", MODELS)
def test_without_triplets_the_loss_and_its_gradient_are_zero(name: str) -> None:
    embeddings = relu_embeddings(N)
    targets = replace(
        made_up_targets(N),
        tag_triplets=EMPTY,
        tag_dimensions=torch.empty(0, dtype=torch.int64),
        track_triplets=EMPTY,
    )
    loss = MODELS[name](embeddings, targets).total
    assert loss.item() == 0.0
    loss.backward()
    assert embeddings.grad is not None
    assert not embeddings.grad.any()


def test_triplets_that_keep_the_margin_count_as_zeros_in_the_mean() -> None:
    embeddings = torch.eye(3, requires_grad=True)
    kept, broken = torch.tensor([[0, 0, 1]]), torch.tensor([[0, 1, 2]])
    assert triplet_loss(embeddings, kept).item() == 0.0
    assert triplet_loss(embeddings, broken).item() == pytest.approx(0.1)
    assert triplet_loss(embeddings, torch.cat([kept, broken])).item() == pytest.approx(0.05)


def test_only_the_slice_of_the_triplets_dimension_learns() -> None:
    targets = replace(made_up_targets(N), tag_triplets=torch.tensor([[4, 5, 6]]), tag_dimensions=torch.tensor([1]))
    embeddings = relu_embeddings(N)
    TripletLoss(SUBSPACES, margin=2.0)(embeddings, targets).total.backward()
    assert embeddings.grad is not None
    touched = embeddings.grad.abs().sum(dim=0)
    assert touched[3:10].any()
    assert not touched[:3].any()
    assert not touched[10:].any()


def test_terms_are_told_before_their_weights() -> None:
    loss = TripletLoss(SUBSPACES, track_weight=0.5)(relu_embeddings(N), made_up_targets(N))
    assert set(loss.terms) == {"tag_triplets", "track_triplets"}
    expected = loss.terms["tag_triplets"] + 0.5 * loss.terms["track_triplets"]
    torch.testing.assert_close(loss.total.detach(), expected)
    assert not any(term.requires_grad for term in loss.terms.values())


@pytest.mark.parametrize("name", MODELS)
def test_the_mean_of_two_halves_is_the_loss_of_the_whole(name: str) -> None:
    model, embeddings, whole = MODELS[name], relu_embeddings(N, dtype=torch.float64), made_up_targets(N)
    halves = [
        replace(
            whole,
            tag_triplets=whole.tag_triplets[part::2],
            tag_dimensions=whole.tag_dimensions[part::2],
            track_triplets=whole.track_triplets[part::2],
        )
        for part in (0, 1)
    ]
    expected = sum(model(embeddings, half).total for half in halves) / 2
    torch.testing.assert_close(model(embeddings, whole).total, expected)


def test_autocast_changes_nothing() -> None:
    embeddings, targets = relu_embeddings(N), made_up_targets(N)
    expected = MODELS["with track regularisation"](embeddings, targets).total
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(MODELS["with track regularisation"](embeddings, targets).total, expected)


def test_a_batch_says_what_it_must_come_with() -> None:
    assert MODELS["triplet"].uses_tag_triplets
    assert not MODELS["triplet"].uses_track_triplets
    assert MODELS["with track regularisation"].uses_track_triplets


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 'whole' or 'slices'"):
        TripletLoss(SUBSPACES, normalisation=Normalisation.NONE)
    with pytest.raises(ValueError, match="track_weight is -1"):
        TripletLoss(SUBSPACES, track_weight=-1.0)
    with pytest.raises(ValueError, match="margin is nan"):
        TripletLoss(SUBSPACES, margin=math.nan)
