"""From a sampler's batch to a loss that falls: every model of the paper and of ours, on made-up frames."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import Tensor, nn

from tests.training.made_up import SUBSPACES, VOCABULARY, seeded
from training.embedding import EmbeddingNetwork, Normalisation, SharedEmbedding, SubspaceHeads
from training.losses.contrastive import SupervisedContrastiveLoss
from training.losses.objective import Objective, Targets, dimensions_of_tags, tagged_dimensions
from training.losses.tagging import TaggingLoss, TagProxies
from training.losses.triplet import TripletLoss
from training.sampling.batch import Batch, Sampler
from training.sampling.passes import TrackSampler
from training.sampling.triplets import TripletSampler

N_TRACKS, N_EXCERPTS, FRAMES, MELS = 40, 3, 4, 16


def _labels() -> sparse.csr_array:
    labels = np.random.default_rng(3).random((N_TRACKS, len(VOCABULARY.tags))) < 0.35
    labels[:2], labels[2] = True, False
    return sparse.csr_array(labels)


def _frames(labels: sparse.csr_array) -> Tensor:
    """`(tracks, excerpts, frames, mels)`: every tag sounds in bands of its own, tracks and excerpts differ a little."""
    rng = np.random.default_rng(4)
    of_tag = rng.standard_normal((len(VOCABULARY.tags), MELS))
    of_track = (labels @ of_tag + 0.5 * rng.standard_normal((N_TRACKS, MELS)))[:, None, None, :]
    return torch.from_numpy(of_track + 0.5 * rng.standard_normal((N_TRACKS, N_EXCERPTS, FRAMES, MELS))).float()


def _proxies(normalisation: Normalisation, *, bias: bool = False) -> TagProxies:
    return TagProxies(VOCABULARY, SUBSPACES, normalisation=normalisation, bias=bias, generator=seeded(1))


OBJECTIVES: dict[str, Callable[[], Objective]] = {
    "triplet": lambda: TripletLoss(SUBSPACES, normalisation=Normalisation.WHOLE),
    "disentangled triplet": lambda: TripletLoss(SUBSPACES),
    "with track regularisation": lambda: TripletLoss(SUBSPACES, track_weight=0.5),
    "proxy": lambda: TaggingLoss(_proxies(Normalisation.WHOLE)),
    "disentangled proxy": lambda: TaggingLoss(_proxies(Normalisation.SLICES)),
    "classification without normalisation": lambda: TaggingLoss(_proxies(Normalisation.NONE, bias=True)),
    "classification": lambda: TaggingLoss(_proxies(Normalisation.WHOLE, bias=True)),
    "disentangled classification": lambda: TaggingLoss(_proxies(Normalisation.SLICES, bias=True)),
    "with track triplets": lambda: TaggingLoss(_proxies(Normalisation.SLICES), track_weight=5.0),
    "contrast": lambda: SupervisedContrastiveLoss(VOCABULARY, SUBSPACES),
    "skipping untagged dimensions": lambda: TaggingLoss(_proxies(Normalisation.SLICES), skips_untagged_dimensions=True),
}


def _sampler(objective: Objective, labels: sparse.csr_array) -> Sampler:
    n_excerpts, rng = np.full(N_TRACKS, N_EXCERPTS), np.random.default_rng(6)
    with_tracks = objective.uses_track_triplets
    if objective.uses_tag_triplets:
        return TripletSampler(
            labels, n_excerpts=n_excerpts, vocabulary=VOCABULARY, rng=rng, with_track_triplets=with_tracks
        )
    return TrackSampler(n_excerpts=n_excerpts, rng=rng, with_track_triplets=with_tracks)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_each_model_learns_from_what_its_sampler_draws(name: str) -> None:
    objective, labels = OBJECTIVES[name](), _labels()
    assert isinstance(objective, nn.Module)
    frames, sampler = _frames(labels), _sampler(objective, labels)
    head = SubspaceHeads if "classification" in name else SharedEmbedding
    network = EmbeddingNetwork(nn.Flatten(), head(FRAMES * MELS, SUBSPACES, generator=seeded(7)))
    optimizer = torch.optim.Adam([*network.parameters(), *objective.parameters()], lr=0.01)
    losses = []
    for _ in range(60):
        batch = sampler.draw(20)
        heard = frames[torch.from_numpy(batch.positions.reshape(-1)), torch.from_numpy(batch.excerpts.reshape(-1))]
        loss = objective(network(heard), Targets.of(batch, labels))
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(loss.total.item())
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:3])


def test_targets_are_those_of_the_batchs_excerpts_row_by_row() -> None:
    labels = _labels()
    batch = Batch(
        positions=np.array([[5, 1, 2], [7, 0, 9]]),
        excerpts=np.zeros((2, 3), dtype=np.int64),
        tags=np.array([3, 1]),
        dimensions=np.array([0, 2]),
        tag_roles=((0, 1, 2), (1, 0, 2)),
        track_roles=((2, 1, 0),),
    )
    targets = Targets.of(batch, labels).to(torch.device("cpu"))
    np.testing.assert_array_equal(targets.labels.numpy(), labels.toarray()[[5, 1, 2, 7, 0, 9]])
    assert targets.labels.dtype == torch.bool
    assert targets.tag_triplets.tolist() == [[0, 1, 2], [1, 0, 2], [3, 4, 5], [4, 3, 5]]
    assert targets.tag_dimensions.tolist() == [0, 0, 2, 2]
    assert targets.track_triplets.tolist() == [[2, 1, 0], [5, 4, 3]]


def test_a_dimension_is_tagged_where_any_of_its_tags_is() -> None:
    of_tag = dimensions_of_tags(VOCABULARY)
    labels = torch.eye(len(VOCABULARY.tags)).bool()
    tagged = tagged_dimensions(labels, of_tag, n_dimensions=3)
    assert tagged.nonzero()[:, 1].tolist() == of_tag.tolist() == [0, 2, 1, 0, 1, 0, 2]
    assert not tagged_dimensions(~labels & labels, of_tag, n_dimensions=3).any()
