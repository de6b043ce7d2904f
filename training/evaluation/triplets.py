"""Triplet prediction: is the track that shares something with the anchor closer to it than the one that does not.

Triplets are drawn here or read by `triplet_files`, and answered in the complete space and in sub-spaces.

Source: Lee et al., ISMIR 2020, section 4: correct if the positive is closer. Equally close is not correct.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.vector_index import Positions
from training.datasets.plain_names import plain_name
from training.evaluation.bootstrap import Bootstrap, shared_interval
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import OWN_SUBSPACES, EvaluationError, Figure, Similarity, Task
from training.evaluation.points import Complete, Points, excerpt_points, spaces_of, track_points

# Variants of track triplets. A stretch is as long as the previews that the paper's excerpts are cut from.
STRETCH_SECONDS = 30.0
WITHIN_STRETCH, SAME_ALBUM = f"within {STRETCH_SECONDS:g} s", "same album"

# A guess is right as often as not.
_CHANCE = 0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class Triplets:
    """k questions of one kind.

    Attributes:
        anchor: `(k,)` positions: of tracks, or of excerpts if `notion` is None.
        positive: What should be closer to the anchor,
        negative: than this.
        notion: The dimension they are about; None: excerpts, of one track or not.
        variant: Which excerpts they are drawn from, for the figure; None: from all.
    """

    anchor: Positions
    positive: Positions
    negative: Positions
    notion: str | None
    variant: str | None = None

    def __len__(self) -> int:
        return len(self.anchor)


def tag_triplets(tracks: EmbeddedTracks, notion: str, n: int, rng: np.random.Generator) -> Triplets:
    """Draw a tag of the notion, two tracks that have it and one that does not: each choice uniform.

    Tags that fewer than two tracks have, or all, cannot be asked about. The negative may share any other tag.

    Raises:
        EvaluationError: If no tag of the notion can be asked about.
    """
    columns = tracks.tags_of(notion)
    carriers = tracks.labels[:, columns].sum(axis=0)
    columns = columns[(carriers >= 2) & (carriers < len(tracks))]
    if len(columns) == 0:
        raise EvaluationError(f"no tag of {notion!r} is on two tracks and not on all; it has no triplets")
    drawn = rng.choice(columns, size=n)
    anchor, positive, negative = np.empty((3, n), dtype=np.int64)
    for column in columns:
        asked = np.flatnonzero(drawn == column)
        held, others = np.flatnonzero(tracks.labels[:, column]), np.flatnonzero(~tracks.labels[:, column])
        first = rng.integers(len(held), size=len(asked))
        anchor[asked] = held[first]
        positive[asked] = held[_another(first, len(held), rng)]
        negative[asked] = others[rng.integers(len(others), size=len(asked))]
    return Triplets(anchor=anchor, positive=positive, negative=negative, notion=notion)


def track_triplets(
    tracks: EmbeddedTracks,
    n: int,
    rng: np.random.Generator,
    *,
    variant: str | None = None,
    among: Positions | None = None,
    same_album: bool = False,
) -> Triplets:
    """Draw a track, two different excerpts of it, and an excerpt of another track: each choice uniform.

    Args:
        tracks: To draw from.
        n: How many.
        rng: Randomness.
        variant: What the figures are to say of the following.
        among: Of the excerpts that may be drawn, positions, each once; None: all.
        same_album: Whether the other track is of the same album. Tracks of no known album are not drawn then.

    Raises:
        EvaluationError: If there is no other track, or none has two excerpts.
    """
    among = np.arange(len(tracks.track)) if among is None else among
    album = (
        np.unique([plain_name(each) for each in tracks.albums], return_inverse=True)[1]
        if same_album
        else np.zeros(len(tracks), dtype=np.int64)
    )
    among = among[np.lexsort((among, album[tracks.track[among]]))]
    # Excerpts of an album stand side by side, and among them those of a track.
    excerpts = np.bincount(tracks.track[among], minlength=len(tracks))
    of_album = np.bincount(album, weights=excerpts).astype(np.int64)
    others = of_album[album] - excerpts
    is_known = np.array([not same_album or bool(name) for name in tracks.albums])
    anchors = np.flatnonzero((excerpts >= 2) & (others >= 1) & is_known)
    if len(anchors) == 0:
        raise EvaluationError(
            "track triplets need two excerpts of one track and one of another"
            + (" of its album; name albums in the manifest" if same_album else "; embed more excerpts")
        )
    before = np.zeros(len(tracks), dtype=np.int64)
    here, first_place = np.unique(tracks.track[among], return_index=True)
    before[here] = first_place
    before_album = np.cumsum(of_album) - of_album
    track = rng.choice(anchors, size=n)
    first = rng.integers(excerpts[track])
    other = before_album[album[track]] + rng.integers(others[track])
    return Triplets(
        anchor=among[before[track] + first],
        positive=among[before[track] + _another(first, excerpts[track], rng)],
        negative=among[other + np.where(other >= before[track], excerpts[track], 0)],
        notion=None,
        variant=variant,
    )


def one_stretch(tracks: EmbeddedTracks, seconds: float, rng: np.random.Generator) -> Positions:
    """Excerpts of one stretch of every track, drawn at random: those that begin in it.

    It begins with an excerpt that leaves the whole stretch before the last one, or with the first.

    Returns:
        Positions, ascending. A track shorter than the stretch has all its excerpts there.

    Raises:
        EvaluationError: If no track is longer than that.
    """
    starts, track = tracks.starts_seconds, tracks.track
    first = np.flatnonzero(np.diff(track, prepend=-1))
    # Clips of a track need not come in the order of time.
    earliest, latest = (edge.reduceat(starts, first) for edge in (np.minimum, np.maximum))
    if (latest - earliest < seconds).all():
        raise EvaluationError(f"no track has excerpts from more than {seconds:g} s")
    may_begin = np.flatnonzero(starts <= np.maximum(earliest, latest - seconds)[track])
    counts = np.bincount(track[may_begin], minlength=len(first))
    chosen = may_begin[np.cumsum(counts) - counts + rng.integers(counts)]
    begin = starts[chosen][track]
    return np.flatnonzero((starts >= begin) & (starts < begin + seconds))


def triplet_figures(
    tracks: EmbeddedTracks,
    triplets: Sequence[Triplets],
    *,
    similarity: Similarity = Similarity.COSINE,
    complete: Complete = Complete.SLICES,
    settings: Bootstrap,
) -> list[Figure]:
    """Accuracy, with intervals over tracks, in whichever part of a triplet they are.

    About a notion: in the complete space and in the notion's own sub-space, and for each the mean over the notions,
    every one counting alike; that over the own sub-spaces has the variant `OWN_SUBSPACES`, and is left out if a notion
    has no sub-space. About excerpts: in the complete space and every sub-space.

    Args:
        tracks: Whose positions the triplets hold.
        triplets: At most one for each notion, and of excerpts one for each variant; none of them empty.
        similarity: Of the points.
        complete: What the complete space is.
        settings: Of the bootstrap.
    """
    figures: list[Figure] = []
    in_complete: list[Answered] = []
    in_own: list[Answered] = []
    for subspace in spaces_of(tracks.subspaces):
        asked = [each for each in triplets if subspace is None or each.notion in (None, subspace)]
        for each in answers(tracks, asked, subspace, similarity=similarity, complete=complete):
            notion = each.triplets.notion
            task = Task.TRACK_TRIPLETS if notion is None else Task.TAG_TRIPLETS
            figures.append(
                accuracy(
                    tracks,
                    [each],
                    task,
                    subspace=subspace,
                    notion=notion,
                    variant=each.triplets.variant,
                    similarity=similarity,
                    settings=settings,
                )
            )
            if notion is not None:
                (in_complete if subspace is None else in_own).append(each)
    for answered, variant in ((in_complete, None), (in_own, OWN_SUBSPACES)):
        if answered and len(answered) == len(in_complete):
            figures.append(
                accuracy(tracks, answered, Task.TAG_TRIPLETS, variant=variant, similarity=similarity, settings=settings)
            )
    return figures


@dataclass(frozen=True, eq=False)
class Answered:
    """Triplets, and which of them a space answered rightly: `(k,)`."""

    triplets: Triplets
    correct: NDArray[np.bool_]


def answers(
    tracks: EmbeddedTracks,
    triplets: Sequence[Triplets],
    subspace: str | None,
    *,
    similarity: Similarity,
    complete: Complete,
) -> list[Answered]:
    """What one space says to triplets: correct where the positive is closer to the anchor than the negative."""
    points: dict[bool, Points] = {}
    answered = []
    for each in triplets:
        of_tracks = each.notion is not None
        if of_tracks not in points:
            points_of_kind = track_points if of_tracks else excerpt_points
            points[of_tracks] = points_of_kind(tracks, subspace=subspace, similarity=similarity, complete=complete)
        closeness = points[of_tracks].pairs(each.anchor, each.positive)
        answered.append(Answered(each, closeness > points[of_tracks].pairs(each.anchor, each.negative)))
    return answered


def accuracy(
    tracks: EmbeddedTracks,
    answered: Sequence[Answered],
    task: Task,
    *,
    metric: str = "accuracy",
    subspace: str | None = None,
    notion: str | None = None,
    variant: str | None = None,
    similarity: Similarity,
    settings: Bootstrap,
    groups: NDArray[np.int64] | None = None,
) -> Figure:
    """The share of right answers; of several sets, the mean of their shares.

    Args:
        tracks: Whose positions the triplets hold.
        answered: At least one set.
        task: Like the following, for the figure.
        metric: Its name.
        subspace: In which they were answered.
        notion: That they are about; None: all.
        variant: What else tells the figure from its like.
        similarity: Of the points.
        settings: Of the bootstrap.
        groups: `(tracks,)`: what is drawn again for the interval, each with the triplets whose anchors are of it; None:
            tracks, each with the triplets it has any part in.

    Raises:
        EvaluationError: If there is no triplet.
    """
    of_triplets = np.concatenate([_tracks_of(tracks, each.triplets) for each in answered], axis=1)
    correct = np.concatenate([each.correct for each in answered])
    parts = np.repeat(np.arange(len(answered)), [len(each.triplets) for each in answered])
    if groups is None:
        interval = shared_interval(correct, of_triplets, parts=parts, settings=settings)
    else:
        interval = settings.mean(correct, groups[of_triplets[0]], parts=parts)
    return Figure(
        task=task,
        metric=metric,
        subspace=subspace,
        notion=notion,
        variant=variant,
        similarity=similarity,
        value=interval.value,
        low=max(0.0, interval.low),
        high=min(1.0, interval.high),
        chance=_CHANCE,
        n=len(correct),
    )


def _tracks_of(tracks: EmbeddedTracks, triplets: Triplets) -> NDArray[np.int64]:
    """The tracks of anchor, positive and negative: `(3, k)`."""
    places = np.stack([triplets.anchor, triplets.positive, triplets.negative])
    return places if triplets.notion is not None else tracks.track[places]


def _another(first: NDArray[np.int64], count: int | NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Of `count` things another than the first, uniformly."""
    second = rng.integers(np.asarray(count) - 1, size=len(first))
    return np.asarray(second + (second >= first))
