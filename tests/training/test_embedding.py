"""Embeddings: where they are compared, and the two ways to make them."""

import math
from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from index.subspaces import Subspaces
from tests.training.made_up import DTYPES, SUBSPACES, relu_embeddings, seeded
from training.backbones.inception import Inception
from training.embedding import (
    EmbeddingNetwork,
    Normalisation,
    SharedEmbedding,
    SubspaceHeads,
    dimension_masks,
    normalised,
    served_subspaces,
    subspaces_of,
    unit,
)

some_vectors = arrays(np.float32, (3, SUBSPACES.width), elements=st.floats(-100, 100, width=32))
COMPARED = (Normalisation.WHOLE, Normalisation.SLICES)
HEADS = (SharedEmbedding, SubspaceHeads)


def test_sub_spaces_default_to_the_papers_four_of_64() -> None:
    four = subspaces_of(("genre", "mood", "instrument", "era"))
    assert [(s.name, s.start, s.stop) for s in four] == [
        ("genre", 0, 64),
        ("mood", 64, 128),
        ("instrument", 128, 192),
        ("era", 192, 256),
    ]


def test_sub_spaces_may_have_any_number_and_widths() -> None:
    assert [(s.name, s.start, s.stop) for s in SUBSPACES] == [("klang farbe", 0, 3), ("é/..", 3, 10), ("room", 10, 12)]


@pytest.mark.parametrize("widths", [{"a": 3}, {"a": 3, "b": 4, "c": 1}, {"a": 3, "b": 0}, 0])
def test_widths_that_do_not_fit_the_dimensions_are_refused(widths: dict[str, int] | int) -> None:
    with pytest.raises(ValueError, match=r"dimensions are a, b|have a column"):
        subspaces_of(("a", "b"), widths=widths)


def test_masks_are_one_in_their_slice_and_together_everywhere_once() -> None:
    masks = dimension_masks(SUBSPACES)
    assert masks.sum(dim=0).tolist() == [1.0] * SUBSPACES.width
    for mask, subspace in zip(masks, SUBSPACES, strict=True):
        assert mask[subspace.slice].tolist() == [1.0] * subspace.width
        assert mask.sum() == subspace.width


@settings(deadline=None)  # torch loads parts of itself at the first call
@given(some_vectors)
def test_torch_and_the_index_agree_on_unit_slices_and_on_what_has_none(vectors: np.ndarray) -> None:
    for normalisation in COMPARED:
        expected = served_subspaces(SUBSPACES, normalisation).unit(vectors)
        found = normalised(torch.from_numpy(vectors), normalisation, SUBSPACES).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_without_normalisation_the_numbers_stay() -> None:
    embeddings = relu_embeddings(5)
    assert torch.equal(normalised(embeddings, Normalisation.NONE, SUBSPACES), embeddings)


@settings(deadline=None)
@given(some_vectors, st.floats(0.01, 100))
def test_the_length_of_an_embedding_changes_nothing(vectors: np.ndarray, factor: float) -> None:
    tensor = torch.from_numpy(vectors).double()
    # A slice near the shortest length that counts may fall on either side of it.
    tensor[tensor.abs() < 0.01] = 0.0
    for normalisation in COMPARED:
        torch.testing.assert_close(
            normalised(factor * tensor, normalisation, SUBSPACES), normalised(tensor, normalisation, SUBSPACES)
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("normalisation", Normalisation)
def test_half_precision_is_widened_and_zero_slices_have_finite_gradients(
    dtype: torch.dtype, normalisation: Normalisation
) -> None:
    # 60,000 squared overflows float16; 1e-4 squared vanishes in it.
    embeddings = relu_embeddings(6, dtype=dtype)
    with torch.no_grad():
        embeddings[4] = 60_000.0
        embeddings[5] = 1e-4
    placed = normalised(embeddings, normalisation, SUBSPACES)
    assert placed.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert placed.isfinite().all()
    if normalisation is not Normalisation.NONE:
        assert not placed[0].any()
        n_directions = placed.detach()[4:].square().sum().item()
        assert n_directions == pytest.approx(2 if normalisation is Normalisation.WHOLE else 6, rel=1e-5)
    (placed * torch.arange(SUBSPACES.width)).sum().backward()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()
    assert bool(embeddings.grad[0].any()) == (normalisation is Normalisation.NONE)


def test_a_unit_vectors_gradient_is_that_of_the_formula() -> None:
    vector = torch.tensor([3.0, 0.0, 4.0], dtype=torch.float64, requires_grad=True)
    unit(vector)[0].backward()
    # d (x / |x|) / d x_0 = 1 / |x| - x x_0 / |x|^3 with |x| = 5.
    assert vector.grad is not None
    torch.testing.assert_close(vector.grad, torch.tensor([16 / 125, 0.0, -12 / 125], dtype=torch.float64))


def test_the_bundle_of_a_model_without_slices_has_one_dimension_for_all_columns() -> None:
    assert served_subspaces(SUBSPACES, Normalisation.SLICES) is SUBSPACES
    for normalisation in (Normalisation.NONE, Normalisation.WHOLE):
        (everything,) = served_subspaces(SUBSPACES, normalisation)
        assert (everything.name, everything.start, everything.stop) == ("all", 0, SUBSPACES.width)


def test_heads_and_a_shared_layer_are_the_same_function() -> None:
    heads = SubspaceHeads(9, SUBSPACES, generator=seeded(1))
    shared = SharedEmbedding(9, SUBSPACES, generator=seeded(2))
    state = heads.state_dict()
    numbers = range(len(SUBSPACES))
    shared.load_state_dict(
        {
            "dense.weight": torch.cat([state[f"heads.{number}.weight"] for number in numbers]),
            "dense.bias": torch.cat([state[f"heads.{number}.bias"] for number in numbers]) + 0.1,
        }
    )
    for head in heads.heads:
        assert isinstance(head, nn.Linear)
        nn.init.constant_(head.bias, 0.1)
    features = torch.randn(6, 9, generator=seeded(3))
    torch.testing.assert_close(heads(features), shared(features))
    assert heads(features).shape == (6, SUBSPACES.width)


@pytest.mark.parametrize("kind", HEADS)
def test_embeddings_are_not_negative_unless_there_is_no_relu(kind: type[SharedEmbedding | SubspaceHeads]) -> None:
    features = torch.randn(50, 9, generator=seeded(4))
    rectified = kind(9, SUBSPACES, generator=seeded(5))(features)
    plain = kind(9, SUBSPACES, activation="none", generator=seeded(5))(features)
    assert (rectified == 0).any()
    assert (plain < 0).any()
    assert torch.equal(rectified, plain.clamp_min(0.0))


@pytest.mark.parametrize("kind", HEADS)
def test_first_weights_are_he_uniform_and_the_generators_alone(kind: type[SharedEmbedding | SubspaceHeads]) -> None:
    four = subspaces_of(("a", "b", "c", "d"))
    weights = torch.cat([p for p in kind(256, four, generator=seeded(6)).parameters() if p.ndim == 2])
    assert weights.shape == (256, 256)
    assert weights.abs().max() <= math.sqrt(6 / 256)
    assert weights.std().item() == pytest.approx(math.sqrt(2 / 256), rel=0.02)
    again = torch.cat([p for p in kind(256, four, generator=seeded(6)).parameters() if p.ndim == 2])
    assert torch.equal(weights, again)


def _network(subspaces: Subspaces, *, frozen: bool) -> EmbeddingNetwork:
    backbone = Inception(width=0.125, generator=seeded())
    head = SharedEmbedding(backbone.n_features, subspaces, generator=seeded())
    return EmbeddingNetwork(backbone, head, backbone_is_frozen=frozen)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_backbone_is_not_changed_by_training_in_any_number(frozen: bool) -> None:
    network = _network(SUBSPACES, frozen=frozen)
    before = deepcopy(network.state_dict())
    network.train()
    embedding = network(torch.randn(4, 129, 128, generator=seeded(1)))
    assert embedding.shape == (4, SUBSPACES.width)
    embedding.sum().backward()
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    changed = {name for name, values in network.state_dict().items() if not torch.equal(values, before[name])}
    assert {"head.dense.weight", "head.dense.bias"} <= changed
    in_backbone = {name for name in changed if name.startswith("backbone.")}
    assert bool(in_backbone) == (not frozen)
    assert ("backbone.stem.0.norm.running_mean" in changed) == (not frozen)
