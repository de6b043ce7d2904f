"""Heads fitted to features: the loop, from top to bottom. Music comes from `excerpts`.

A step takes some labelled excerpts for the loss of values, and of some real tracks two excerpts each for the losses of
tracks and of the teacher (now and then the same one twice, under two dropouts). The loop ends after a set number of
steps: the features do not change, so there is little to overfit that dropout does not keep out, and no side of the data
is spent on stopping.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from index.subspaces import Subspaces, Vectors
from training.embedding import subspaces_of
from training.heads.excerpts import LearntExcerpts
from training.heads.network import FactorHeads, Standardised, moments
from training.heads.objective import TeacherLoss, TrackLoss, ValueLoss
from training.heads.recipe import HeadRecipe
from training.vocabulary import Vocabulary

# Share of the steps in which the learning rate rises.
_RISE = 0.1

# Of a teacher's standardised logits.
_BOUND = 4.0
_LEAST_DEVIATION = 1e-6


@dataclass(frozen=True, eq=False, kw_only=True)
class RealExcerpts:
    """Excerpts of real music, without labels.

    Attributes:
        features: `(m, width)` float32.
        track: `(m,)` int64, ascending, 0 to n - 1; each track has an excerpt.
        teacher: `(m, tags)` float32: the taggers' logits of each excerpt, in the order of the teacher's vocabulary.
        album: `(n,)`: what was made together, and is hard to tell apart.
    """

    features: Vectors
    track: NDArray[np.int64]
    teacher: Vectors
    album: NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedHeads:
    """What comes of it.

    Attributes:
        network: In evaluation mode.
        subspaces: Of its embedding.
        values: Its centres are proxies of the labelled music's tags.
        losses: Mean of each term over the last tenth of the steps.
    """

    network: FactorHeads
    subspaces: Subspaces
    values: ValueLoss
    losses: dict[str, float]


def fit_heads(
    labelled: LearntExcerpts,
    real: RealExcerpts | None,
    recipe: HeadRecipe,
    *,
    values: Vocabulary,
    taught: Vocabulary,
    blocks: Mapping[str, slice],
    watch: Callable[[int], None] = lambda _: None,
) -> FittedHeads:
    """Fit heads. The same music, recipe, threads and torch give the same heads.

    Args:
        labelled: Music with true labels.
        real: Music without; None leaves its losses out.
        recipe: How.
        values: The labelled music's tags.
        taught: The teacher's tags; both have the same dimensions.
        blocks: Columns of the features by the names that the recipe calls them by.
        watch: Called after each step with its number.
    """
    rng = np.random.default_rng(recipe.training.seed)
    torch.manual_seed(recipe.training.seed)
    subspaces = subspaces_of(values.dimensions, widths=recipe.network.slice_width)
    kinds = {"labelled": labelled.features} | ({} if real is None else {"real": real.features})
    network = FactorHeads(
        Standardised(*moments(kinds), bound=recipe.network.bound),
        subspaces,
        hidden=recipe.network.hidden,
        dropout=recipe.network.dropout,
        unseen={dimension: [blocks[name] for name in names] for dimension, names in recipe.network.unseen.items()},
    )
    value_loss = ValueLoss(values, subspaces, **recipe.value.model_dump())
    track_loss = TrackLoss(subspaces, temperature=recipe.track.temperature)
    teacher_loss = TeacherLoss(taught, subspaces)
    modules = torch.nn.ModuleList([network, value_loss, teacher_loss])
    optimiser = torch.optim.AdamW(
        modules.parameters(), lr=recipe.training.learning_rate, weight_decay=recipe.training.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.training.learning_rate, total_steps=recipe.training.steps, pct_start=_RISE
    )
    features = torch.from_numpy(labelled.features)
    known = {dimension: torch.from_numpy(labelled.of(dimension)) for dimension in values.dimensions}
    pairs = None if real is None else _Pairs.of(real)
    weights = {"value": 1.0, "track": recipe.track.weight, "teacher": recipe.teacher.weight}
    sums: dict[str, float] = {}
    last = max(recipe.training.steps // 10, 1)
    network.train()
    for step in range(recipe.training.steps):
        drawn = torch.from_numpy(rng.integers(len(features), size=recipe.training.labelled_excerpts))
        terms = {"value": value_loss(network(features[drawn]), {name: all_[drawn] for name, all_ in known.items()})}
        if pairs is not None and (recipe.track.weight or recipe.teacher.weight):
            first, second, told = pairs.draw(recipe.training.real_tracks, recipe.track.of_few_albums, rng)
            embedded = network(torch.cat([first, second]))
            if recipe.track.weight:
                terms["track"] = track_loss(*embedded.chunk(2))
            if recipe.teacher.weight:
                terms["teacher"] = teacher_loss(embedded, told)
        loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        if step >= recipe.training.steps - last:
            for name, term in terms.items():
                sums[name] = sums.get(name, 0.0) + float(term.detach()) / last
        watch(step + 1)
    modules.eval()
    return FittedHeads(network=network, subspaces=subspaces, values=value_loss, losses=sums)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Two excerpts of a track, whichever: near each other or far apart, they are of one track."""

    features: Tensor
    teacher: Tensor
    begins: NDArray[np.int64]
    counts: NDArray[np.int64]
    albums: Sequence[NDArray[np.int64]]

    @classmethod
    def of(cls, real: RealExcerpts) -> "_Pairs":
        counts = np.bincount(real.track)
        albums = [np.flatnonzero(real.album == album) for album in np.unique(real.album)]
        return cls(
            torch.from_numpy(real.features),
            torch.from_numpy(standardised_logits(real.teacher)),
            np.cumsum(counts) - counts,
            counts,
            [tracks for tracks in albums if len(tracks) > 1],
        )

    def draw(self, n: int, share: float, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Features of first and second excerpts, `(n, width)` each, and the teacher's word on all, `(2 n, tags)`."""
        tracks = self.tracks(n, share, rng)
        first, second = (
            torch.from_numpy(self.begins[tracks] + (rng.random(len(tracks)) * self.counts[tracks]).astype(np.int64))
            for _ in range(2)
        )
        return self.features[first], self.features[second], self.teacher[torch.cat([first, second])]

    def tracks(self, n: int, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
        """Each once; a share of them are all that some albums have, and so each other's hard negatives."""
        n = min(n, len(self.counts))
        chosen: list[int] = []
        for album in rng.permutation(len(self.albums)):
            left = round(n * share) - len(chosen)
            if left < 2:
                break
            chosen.extend(rng.permutation(self.albums[album])[:left])
        others = np.setdiff1d(np.arange(len(self.counts)), chosen)
        return np.concatenate([np.array(chosen, dtype=np.int64), rng.permutation(others)[: n - len(chosen)]])


def standardised_logits(logits: Vectors) -> Vectors:
    """Each tag's at mean 0 and deviation 1, softly bounded: what a tagger is surer of than that tells no more."""
    deviation = np.maximum(logits.std(axis=0), _LEAST_DEVIATION)
    return np.asarray(_BOUND * np.tanh((logits - logits.mean(axis=0)) / deviation / _BOUND), dtype=np.float32)
