"""Proxy and classification losses, against a slow loop over the formulas."""

import math
from dataclasses import replace

import pytest
import torch
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
    seeded,
)
from training.embedding import Normalisation, subspaces_of
from training.losses.objective import Targets
from training.losses.tagging import TaggingLoss, TagProxies
from training.losses.triplet import triplet_loss

N = 12
N_TAGS = len(VOCABULARY.tags)


def _proxies(normalisation: Normalisation, *, bias: bool = False) -> TagProxies:
    """Proxies of a trained size; biases that are not zero if there are any."""
    proxies = TagProxies(VOCABULARY, SUBSPACES, normalisation=normalisation, bias=bias, generator=seeded(1))
    with torch.no_grad():
        proxies.vectors *= 4.0
        if bias:
            proxies.biases += torch.linspace(-2, 1, N_TAGS)
    return proxies


def _models() -> dict[str, TaggingLoss]:
    return {
        "proxy": TaggingLoss(_proxies(Normalisation.WHOLE)),
        "disentangled proxy": TaggingLoss(_proxies(Normalisation.SLICES)),
        "classification without normalisation": TaggingLoss(_proxies(Normalisation.NONE, bias=True)),
        "classification": TaggingLoss(_proxies(Normalisation.WHOLE, bias=True)),
        "disentangled classification": TaggingLoss(_proxies(Normalisation.SLICES, bias=True)),
        "skipping untagged dimensions": TaggingLoss(_proxies(Normalisation.SLICES), skips_untagged_dimensions=True),
        "with track triplets": TaggingLoss(_proxies(Normalisation.SLICES), track_weight=3.0, margin=0.4),
    }


NAMES = tuple(_models())


def _slow(model: TaggingLoss, embeddings: Tensor, targets: Targets) -> float:
    """The sum over tags of a track's cross-entropies, the mean over tracks: number by number, from the formulas."""
    values, labels = embeddings.detach().double().tolist(), targets.labels.tolist()
    proxies, biases = model.proxies.vectors.double().tolist(), model.proxies.biases.double().tolist()
    total = 0.0
    for f, has_tag in zip(values, labels, strict=True):
        for tag in range(N_TAGS):
            dimension = DIMENSION_OF_TAG[tag]
            if model.skips_untagged_dimensions and not any(
                has_tag[other] for other in range(N_TAGS) if DIMENSION_OF_TAG[other] == dimension
            ):
                continue
            columns = range(SUBSPACES.width)
            if model.normalisation is Normalisation.SLICES:
                columns = range(SUBSPACES.each[dimension].start, SUBSPACES.each[dimension].stop)
            length = math.sqrt(sum(f[column] ** 2 for column in columns))
            if model.normalisation is Normalisation.NONE or length == 0:
                length = 1.0
            logit = sum(f[column] / length * proxies[tag][column] for column in columns) + biases[tag]
            probability = 1 / (1 + math.exp(-logit))
            total -= math.log(probability if has_tag[tag] else 1 - probability)
    loss = total / len(values)
    if model.track_weight:
        track_loss = triplet_loss(embeddings.detach().double(), targets.track_triplets, margin=model.margin)
        loss += model.track_weight * track_loss.item()
    return loss


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_that_of_a_slow_loop_over_the_formula(name: str, dtype: torch.dtype) -> None:
    model, embeddings, targets = _models()[name], relu_embeddings(N, dtype=dtype), made_up_targets(N)
    loss = model(embeddings, targets)
    expected = _slow(model, embeddings, targets)
    assert loss.total.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert loss.total.item() == pytest.approx(expected, rel=ROUNDING[dtype])
    loss.total.backward()
    for gradient in (embeddings.grad, model.proxies.vectors.grad):
        assert gradient is not None
        assert gradient.isfinite().all()
        assert gradient.any()


def test_gradients_are_those_of_finite_differences() -> None:
    targets = made_up_targets(6)
    for normalisation in Normalisation:
        model = TaggingLoss(_proxies(normalisation, bias=True), track_weight=1.0).double()
        embeddings = positive_embeddings(6)
        assert torch.autograd.gradcheck(lambda f, m=model: m(f, targets).total, embeddings)


@pytest.mark.parametrize("name", NAMES)
def test_the_length_of_each_embedding_counts_only_without_normalisation(name: str) -> None:
    model, embeddings, targets = _models()[name], relu_embeddings(N, dtype=torch.float64), made_up_targets(N)
    factors = torch.logspace(-2, 2, N, dtype=torch.float64)[:, None]
    same = torch.isclose(model(factors * embeddings, targets).total, model(embeddings, targets).total)
    assert same == (model.normalisation is not Normalisation.NONE)


@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_step_lowers_the_loss(name: str) -> None:
    model, embeddings, targets = _models()[name], positive_embeddings(N), made_up_targets(N)
    before = model(embeddings, targets).total
    before.backward()
    assert embeddings.grad is not None
    with torch.no_grad():
        assert model(embeddings - 1e-3 * embeddings.grad, targets).total < before
        torch.optim.SGD(model.parameters(), lr=1e-3).step()
        assert model(embeddings, targets).total < before


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_batch_has_a_loss_and_gradients_of_zero(name: str) -> None:
    model = _models()[name]
    none = torch.empty(0, SUBSPACES.width, requires_grad=True)
    triplets, dimensions = torch.empty(0, 3, dtype=torch.int64), torch.empty(0, dtype=torch.int64)
    labels = torch.empty(0, N_TAGS, dtype=torch.bool)
    targets = Targets(labels=labels, tag_triplets=triplets, tag_dimensions=dimensions, track_triplets=triplets)
    loss = model(none, targets).total
    assert loss.item() == 0.0
    loss.backward()
    assert model.proxies.vectors.grad is not None
    assert not model.proxies.vectors.grad.any()


@pytest.mark.parametrize("name", NAMES)
def test_the_mean_of_two_halves_is_the_loss_of_the_whole(name: str) -> None:
    model, embeddings, whole = _models()[name], relu_embeddings(N, dtype=torch.float64), made_up_targets(N)
    # The halves' triplets stay within them.
    first = whole.track_triplets % (N // 2)
    halves = [replace(whole, labels=whole.labels[rows], track_triplets=first) for rows in (slice(0, 6), slice(6, 12))]
    whole = replace(whole, track_triplets=torch.cat([first, first + N // 2]))
    expected = (model(embeddings[:6], halves[0]).total + model(embeddings[6:], halves[1]).total) / 2
    torch.testing.assert_close(model(embeddings, whole).total, expected)


def test_autocast_changes_nothing() -> None:
    model, embeddings, targets = _models()["with track triplets"], relu_embeddings(N), made_up_targets(N)
    expected = model(embeddings, targets).total
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(model(embeddings, targets).total, expected)
        assert model.proxies(embeddings).dtype == torch.float32


def test_logits_beyond_what_a_probability_can_hold_have_a_finite_loss() -> None:
    model, targets = _models()["classification without normalisation"], made_up_targets(N)
    embeddings = (1e4 * relu_embeddings(N).detach()).requires_grad_()
    loss = model(embeddings, targets).total
    assert loss.isfinite()
    loss.backward()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()


def test_skipping_leaves_a_track_without_tags_out_of_the_loss() -> None:
    model, targets = _models()["skipping untagged dimensions"], made_up_targets(N)
    assert not targets.labels[2].any()
    assert targets.labels[3].nonzero().tolist() == [[4]]
    embeddings = positive_embeddings(N)
    model(embeddings, targets).total.backward()
    assert embeddings.grad is not None
    assert not embeddings.grad[2].any()
    # Excerpt 3 has a tag of the second dimension alone.
    assert embeddings.grad[3, 3:10].all()
    assert not embeddings.grad[3, :3].any()
    assert not embeddings.grad[3, 10:].any()


def test_a_proxy_stays_in_its_slice_through_training() -> None:
    model, targets = _models()["disentangled proxy"], made_up_targets(N)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05, weight_decay=0.01)
    for _ in range(5):
        optimizer.zero_grad()
        model(relu_embeddings(N), targets).total.backward()
        optimizer.step()
    for vector, dimension in zip(model.proxies.vectors.detach(), DIMENSION_OF_TAG, strict=True):
        outside = vector.clone()
        outside[SUBSPACES.each[dimension].slice] = 0.0
        assert not outside.any()
        assert vector.any()


@pytest.mark.parametrize("normalisation", Normalisation)
def test_first_proxies_are_glorot_uniform_and_the_generators_alone(normalisation: Normalisation) -> None:
    subspaces = subspaces_of(VOCABULARY.dimensions, widths=400)
    vectors = TagProxies(VOCABULARY, subspaces, normalisation=normalisation, generator=seeded(3)).vectors.detach()
    for vector, dimension in zip(vectors, DIMENSION_OF_TAG, strict=True):
        columns, tags = (vector, N_TAGS)
        if normalisation is Normalisation.SLICES:
            columns, tags = vector[subspaces.each[dimension].slice], DIMENSION_OF_TAG.count(dimension)
        largest = math.sqrt(6 / (len(columns) + tags))
        assert columns.abs().max() <= largest
        assert columns.std().item() == pytest.approx(largest / math.sqrt(3), rel=0.15)
    again = TagProxies(VOCABULARY, subspaces, normalisation=normalisation, generator=seeded(3)).vectors
    assert torch.equal(again, vectors)


@pytest.mark.parametrize("bias", [True, False])
def test_biases_learn_only_if_there_are_any(bias: bool) -> None:
    model = TaggingLoss(TagProxies(VOCABULARY, SUBSPACES, bias=bias, generator=seeded()))
    model(relu_embeddings(N), made_up_targets(N)).total.backward()
    torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=0.1).step()
    assert model.proxies.biases.any() == bias


def test_a_batch_says_what_it_must_come_with() -> None:
    models = _models()
    assert not any(model.uses_tag_triplets for model in models.values())
    assert [name for name, model in models.items() if model.uses_track_triplets] == ["with track triplets"]


def test_what_does_not_fit_together_is_refused() -> None:
    other = subspaces_of(tuple(reversed(VOCABULARY.dimensions)), widths=3)
    with pytest.raises(ValueError, match="the order counts"):
        TagProxies(VOCABULARY, other, generator=seeded())
    with pytest.raises(ValueError, match="track_weight is -1"):
        TaggingLoss(_proxies(Normalisation.WHOLE), track_weight=-1.0)
