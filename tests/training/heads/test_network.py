"""What a head sees, what it does not, and what is left of it in a bundle."""

import numpy as np
import torch

from training.embedding import subspaces_of
from training.heads.encoder import HalfLinear, as_served
from training.heads.network import FactorHeads, Standardised, moments

SUBSPACES = subspaces_of(("shape", "colour"), widths=4)
WIDTH = 10


def heads(**kwargs: object) -> FactorHeads:
    torch.manual_seed(0)
    standardised = Standardised(np.zeros(WIDTH, np.float32), np.ones(WIDTH, np.float32), bound=5.0)
    return FactorHeads(standardised, SUBSPACES, hidden=6, dropout=0.5, **kwargs).eval()  # type: ignore[arg-type]


def test_a_head_sees_all_but_what_is_kept_from_it() -> None:
    network = heads(unseen={"colour": [slice(2, 4), slice(8, 10)]})
    features = torch.randn(3, WIDTH, requires_grad=True)
    for subspace, unseen in ((SUBSPACES["shape"], []), (SUBSPACES["colour"], [2, 3, 8, 9])):
        (gradient,) = torch.autograd.grad(network(features)[:, subspace.slice].sum(), features)
        moved = gradient.abs().sum(dim=0) > 0
        assert [column for column in range(WIDTH) if not moved[column]] == unseen


def test_nothing_is_left_to_chance_outside_training() -> None:
    network, features = heads(), torch.randn(3, WIDTH)
    assert torch.equal(network(features), network(features))
    network.train()
    assert not torch.equal(network(features), network(features))


def test_features_far_out_are_bounded() -> None:
    standardised = Standardised(np.ones(2, np.float32), np.full(2, 2.0, np.float32), bound=3.0)
    found = standardised(torch.tensor([[1.0, 1.0], [1.2, 1.0], [1e6, -1e6]]))
    torch.testing.assert_close(found, torch.tensor([[0.0, 0.0], [0.1, 0.0], [3.0, -3.0]]), atol=1e-3, rtol=0)


def test_moments_count_every_kind_of_music_alike() -> None:
    rng = np.random.default_rng(0)
    few, many = rng.normal(1, 1, (50, 3)), rng.normal(-1, 2, (5000, 3))
    mean, deviation = moments({"few": few.astype(np.float32), "many": many.astype(np.float32)})
    both = np.concatenate([np.tile(few, (100, 1)), many])
    np.testing.assert_allclose(mean, both.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(deviation, both.std(axis=0), rtol=1e-4)


def test_as_served_slices_are_of_length_one_on_the_mean_and_point_where_they_did() -> None:
    network, features = heads(), torch.randn(200, WIDTH)
    with torch.no_grad():
        before = network(features).numpy()
        after = as_served(network, SUBSPACES, features)(features).numpy()
    for subspace in SUBSPACES:
        assert abs(np.linalg.norm(after[:, subspace.slice], axis=1).mean() - 1) < 1e-3
    cosines = (SUBSPACES.unit(before) * SUBSPACES.unit(after)).sum(axis=1) / len(SUBSPACES)
    assert cosines.min() > 0.9999


def test_half_the_bits_are_the_nearest_half_precision_weights() -> None:
    layer, features = torch.nn.Linear(7, 5), torch.randn(4, 7)
    rounded = layer.weight.detach().numpy().astype(np.float16).astype(np.float64)
    expected = features.numpy().astype(np.float64) @ rounded.T + layer.bias.detach().numpy()
    np.testing.assert_allclose(HalfLinear(layer)(features).detach().numpy(), expected, atol=1e-5)
