"""What a sub-space knows of the other dimensions: it should know its own, and no more.

Leakage asks every sub-space about the notions of the others. Where every track has exactly one tag of each notion, as
rendered music has, factors can be held still: `factor_triplets` and `factor_pairs`. `triplets` answers them all.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.evaluation.bootstrap import Bootstrap
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import OWN_SUBSPACES, EvaluationError, Figure, Similarity, Task
from training.evaluation.points import Complete, spaces_of
from training.evaluation.triplets import Answered, Triplets, accuracy, answers, tag_triplets

RANDOM, HARD = "random", "hard"
# How often two tracks that share all factors but one are closer than two of different tunes.
SHARE_CLOSER = "share_closer"


def leakage_figures(
    tracks: EmbeddedTracks,
    triplets: Sequence[Triplets],
    *,
    similarity: Similarity = Similarity.COSINE,
    complete: Complete = Complete.SLICES,
    settings: Bootstrap,
) -> list[Figure]:
    """Accuracy of every sub-space on the tag triplets of the other notions; 0.5 if it knows nothing of them.

    Notions are not independent in music (there is little heavy metal of the 60s), so even a sub-space that hears its
    own alone gets more. The sub-spaces on their own notions, the diagonal, are in `triplet_figures`.
    """
    return [
        accuracy(
            tracks,
            [each],
            Task.TAG_TRIPLETS,
            subspace=subspace,
            notion=each.triplets.notion,
            similarity=similarity,
            settings=settings,
        )
        for subspace in spaces_of(tracks.subspaces)[1:]
        for each in answers(
            tracks,
            [each for each in triplets if each.notion not in (None, subspace)],
            subspace,
            similarity=similarity,
            complete=complete,
        )
    ]


def factors_of(tracks: EmbeddedTracks) -> NDArray[np.int64]:
    """Which tag each track has of each notion: `(n, notions)` columns of the labels.

    Raises:
        EvaluationError: If a track has none or several of a notion.
    """
    factors = []
    for notion in tracks.dimensions:
        columns = tracks.tags_of(notion)
        counts = tracks.labels[:, columns].sum(axis=1)
        if (counts != 1).any():
            raise EvaluationError(
                f"factors need exactly one tag of {notion!r} on every track; "
                f"{np.count_nonzero(counts != 1)} of {len(tracks)} tracks have another number"
            )
        factors.append(columns[tracks.labels[:, columns].argmax(axis=1)])
    return np.stack(factors, axis=1)


def factor_triplets(tracks: EmbeddedTracks, notion: str, n: int, rng: np.random.Generator, *, variant: str) -> Triplets:
    """Draw triplets about one factor.

    Args:
        tracks: With exactly one tag of each notion.
        notion: The factor that anchor and positive share, and the negative does not.
        n: How many.
        rng: Of the draws.
        variant: `random`: whatever the other factors are. `hard`: the negative shares all others with the anchor, and
            the positive none, so that a space that hears anything else as well is misled.

    Raises:
        EvaluationError: If a track has none or several tags of a notion, or there are no such triplets.
    """
    factors = factors_of(tracks)
    if variant == RANDOM:
        return tag_triplets(tracks, notion, n, rng)
    asked = tracks.dimensions.index(notion)
    combinations, kind = np.unique(factors, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    same = combinations[:, None, :] == combinations[None, :, :]
    others = np.delete(same, asked, axis=2)
    # Of each kind of anchor, the kinds of track that may be positive, and negative.
    positives = same[:, :, asked] & ~others.any(axis=2)
    negatives = ~same[:, :, asked] & others.all(axis=2)
    is_anchor = (positives.any(axis=1) & negatives.any(axis=1))[kind]
    if not is_anchor.any():
        raise EvaluationError(
            f"no track has both a twin in all but {notion!r} and a contrary in all but {notion!r}; "
            "hard triplets need more tracks"
        )
    anchor = rng.choice(np.flatnonzero(is_anchor), size=n)
    positive, negative = np.empty((2, n), dtype=np.int64)
    for each in np.unique(kind[anchor]):
        places = np.flatnonzero(kind[anchor] == each)
        positive[places] = rng.choice(np.flatnonzero(positives[each][kind]), size=len(places))
        negative[places] = rng.choice(np.flatnonzero(negatives[each][kind]), size=len(places))
    return Triplets(anchor=anchor, positive=positive, negative=negative, notion=notion)


def factor_pairs(tracks: EmbeddedTracks, notion: str, n: int, rng: np.random.Generator) -> Triplets:
    """Pairs of one tune (tracks of the same known artist) that differ in one factor alone.

    Each comes with a track of another tune, as a triplet: anchor and positive are the pair, the negative is that track.

    Args:
        tracks: With exactly one tag of each notion.
        notion: The factor in which a pair differs.
        n: How many at most; every pair comes once before one comes twice, in no order.
        rng: Of the draws.

    Raises:
        EvaluationError: If a track has none or several tags of a notion, or there is no such pair, or but one tune.
    """
    factors, asked = factors_of(tracks), tracks.dimensions.index(notion)
    _, tune = np.unique(tracks.artists, return_inverse=True)
    known = np.array([artist != "" for artist in tracks.artists])
    if len(np.unique(tune)) < 2:
        raise EvaluationError("factor pairs are compared with tracks of other tunes (artists); there is one only")
    pairs = []
    for each in np.unique(tune[known]):
        members = np.flatnonzero(tune == each)
        differs = factors[members][:, None] != factors[members][None]
        is_pair = differs[:, :, asked] & (differs.sum(axis=2) == 1)
        pairs.append(members[np.argwhere(is_pair)])
    # Both orders of a pair: the negative is compared with either.
    every = np.concatenate(pairs) if pairs else np.empty((0, 2), dtype=np.int64)
    if len(every) == 0:
        raise EvaluationError(
            f"no two tracks of one tune (artist) differ in {notion!r} alone; there are no factor pairs"
        )
    rounds = [rng.permutation(len(every)) for _ in range(-(-n // len(every)))]
    anchor, positive = every[np.concatenate(rounds)[:n]].T
    negative = rng.integers(len(tracks), size=len(anchor))
    while (again := np.flatnonzero(tune[negative] == tune[anchor])).size:
        negative[again] = rng.integers(len(tracks), size=again.size)
    return Triplets(anchor=anchor, positive=positive, negative=negative, notion=notion)


def factor_triplet_figures(
    tracks: EmbeddedTracks,
    triplets: Sequence[Triplets],
    *,
    variant: str,
    similarity: Similarity = Similarity.COSINE,
    complete: Complete = Complete.SLICES,
    settings: Bootstrap,
) -> list[Figure]:
    """Accuracy of every space on the triplets of every factor; a sub-space should know its own, and no other.

    With the means over the factors: in the complete space, and of each factor in its own sub-space (variant with
    `own sub-spaces` after it).
    """
    figures: list[Figure] = []
    own: list[Answered] = []
    for subspace in spaces_of(tracks.subspaces):
        answered = answers(tracks, triplets, subspace, similarity=similarity, complete=complete)
        own += [each for each in answered if each.triplets.notion == subspace]
        sets = [([each], each.triplets.notion) for each in answered]
        for answers_of_set, notion in sets + ([(answered, None)] if subspace is None and answered else []):
            figures.append(
                accuracy(
                    tracks,
                    answers_of_set,
                    Task.FACTOR_TRIPLETS,
                    subspace=subspace,
                    notion=notion,
                    variant=variant,
                    similarity=similarity,
                    settings=settings,
                )
            )
    if own and len(own) == len(triplets):
        name = f"{variant}, {OWN_SUBSPACES}"
        figures.append(
            accuracy(tracks, own, Task.FACTOR_TRIPLETS, variant=name, similarity=similarity, settings=settings)
        )
    return figures


def factor_pair_figures(
    tracks: EmbeddedTracks,
    pairs: Sequence[Triplets],
    *,
    similarity: Similarity = Similarity.COSINE,
    complete: Complete = Complete.SLICES,
    settings: Bootstrap,
) -> list[Figure]:
    """How often the two of a pair are closer than one of them is to a track of another tune; intervals over tunes.

    High in a sub-space whose factor they share. In that of the factor they differ in it says how much of the tune is
    heard there: a sub-space without it has 0.5 or less.
    """
    _, tune = np.unique(tracks.artists, return_inverse=True)
    return [
        accuracy(
            tracks,
            [each],
            Task.FACTOR_PAIRS,
            metric=SHARE_CLOSER,
            subspace=subspace,
            notion=each.triplets.notion,
            similarity=similarity,
            settings=settings,
            groups=tune,
        )
        for subspace in spaces_of(tracks.subspaces)
        for each in answers(tracks, pairs, subspace, similarity=similarity, complete=complete)
    ]
