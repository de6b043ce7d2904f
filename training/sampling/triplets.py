"""Triplets by tag, with triplets by track beside them if wanted: for losses that compare cosines."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from training.sampling.batch import Batch, Positions, SamplingError
from training.sampling.clips import Clips, another, listed
from training.vocabulary import Vocabulary

# How often one of several is picked: all alike, or in proportion to the rows of the manifest that have it.
Share = Literal["uniform", "frequency"]


class TripletSampler:
    """Triplets about a tag: anchor and positive have it, the negative does not (and may share any other).

    A tag is drawn first, then a row of the manifest that has it, one of another track that has it, and one that does
    not, each choice uniform; and of each a uniform excerpt. With track triplets, a row has two more excerpts: another
    of the anchor's track, and one of any other track. They share the anchor, so a row is five excerpts and not six.

    The paper draws tags so, but does not say with what probabilities; those are settings.

    Attributes:
        tag_probabilities: `(tags,)`: how often each is drawn.
    """

    def __init__(
        self,
        labels: Any,
        *,
        n_excerpts: NDArray[np.integer[Any]],
        vocabulary: Vocabulary,
        rng: np.random.Generator,
        tracks: NDArray[Any] | Sequence[str] | None = None,
        with_track_triplets: bool = False,
        over_dimensions: Share = "uniform",
        over_tags: Share = "uniform",
    ) -> None:
        """Count what there is to draw from.

        Args:
            labels: Sparse `(rows, tags)` of any of scipy's formats; what is not zero is a tag.
            n_excerpts: `(rows,)`: excerpts in each row's audio, at least 1.
            vocabulary: The tags, in the order of the columns.
            rng: Of all draws from now on.
            tracks: The track of each row, where rows are clips of tracks; None if each is a track of its own.
            with_track_triplets: Whether rows of a batch hold those, too; every track needs two excerpts then.
            over_dimensions: How often a dimension is picked.
            over_tags: How often a tag is picked among those of its dimension.

        Raises:
            SamplingError: If fewer than two tracks have a tag (it is named), or all rows have it, a row or track has
                too few excerpts, or shapes disagree.
        """
        self._clips = Clips(n_excerpts, tracks=tracks, least=2 if with_track_triplets else 1)
        holders = _by_tag(labels, self._clips, vocabulary)
        n_clips, n_tags = holders.shape
        self._holders: Positions = holders.indices.astype(np.int64)
        self._counts: Positions = np.diff(holders.indptr).astype(np.int64)
        self._first_holder: Positions = holders.indptr[:-1].astype(np.int64)
        tag_of_holder = np.repeat(np.arange(n_tags), self._counts)
        within_tag = np.arange(len(self._holders)) - self._first_holder[tag_of_holder]
        # Holders of a tag that are clips of one track stand side by side: such a block is what a positive avoids.
        _, first_of_block, block, block_sizes = np.unique(
            tag_of_holder * self._clips.n_tracks + self._clips.track[self._holders],
            return_index=True,
            return_inverse=True,
            return_counts=True,
        )
        self._first_of_own_track: Positions = within_tag[first_of_block][block]
        self._n_of_own_track: Positions = block_sizes[block].astype(np.int64)
        _check_tags(np.bincount(tag_of_holder[first_of_block], minlength=n_tags), self._counts, n_clips, vocabulary)
        # Holder j of a tag (from 0, in the order of the clips) has `clip - j` clips without the tag before it. Moved up
        # tag by tag, these numbers of all tags are one sorted list: see `_without`.
        self._without_before: Positions = tag_of_holder * (n_clips + 1) + self._holders - within_tag
        self._n_clips = n_clips
        self._dimension_of_tag: Positions = np.array(
            [vocabulary.dimensions.index(tag.dimension) for tag in vocabulary.tags]
        )
        self.tag_probabilities = _tag_probabilities(
            self._counts, self._dimension_of_tag, over_dimensions=over_dimensions, over_tags=over_tags
        )
        self._with_track_triplets = with_track_triplets
        self._rng = rng

    def draw(self, n_rows: int) -> Batch:
        """The next `n_rows` triplets: rows of 3 excerpts, or of 5 with track triplets."""
        rng, clips = self._rng, self._clips
        tags = rng.choice(len(self._counts), size=n_rows, p=self.tag_probabilities)
        counts, first = self._counts[tags], self._first_holder[tags]
        anchor_holders = first + rng.integers(0, counts)
        positive_holders = first + another(
            self._first_of_own_track[anchor_holders], self._n_of_own_track[anchor_holders], counts, rng
        )
        anchors = self._holders[anchor_holders]
        negatives = self._without(tags, rng.integers(0, self._n_clips - counts))
        columns = [clips.excerpt_of_clip(clip, rng) for clip in (anchors, self._holders[positive_holders], negatives)]
        if self._with_track_triplets:
            columns.append(clips.another_of_same_track(columns[0], rng))
            columns.append(clips.excerpt_of_clip(clips.clip_of_another_track(anchors, rng), rng))
        positions, excerpts = clips.locate(np.stack(columns, axis=1))
        return Batch(
            positions=positions,
            excerpts=excerpts,
            tags=tags,
            dimensions=self._dimension_of_tag[tags],
            tag_roles=((0, 1, 2),),
            track_roles=((0, 3, 4),) if self._with_track_triplets else (),
        )

    def state(self) -> dict[str, Any]:
        """The generator's."""
        return {"rng": self._rng.bit_generator.state}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self._rng.bit_generator.state = state["rng"]

    def _without(self, tags: Positions, numbers: Positions) -> Positions:
        """The clip that is number so-and-so (from 0) of those without a tag.

        It comes after all the tag's holders that have at most `number` clips without the tag before them, so it is
        clip `number` plus their count. No draw is thrown away, however common the tag.
        """
        keys = tags * (self._n_clips + 1) + numbers
        holders_before = np.searchsorted(self._without_before, keys, side="right") - self._first_holder[tags]
        return np.asarray(numbers + holders_before)


def _by_tag(labels: Any, clips: Clips, vocabulary: Vocabulary) -> Any:
    """The labels of the clips, in compressed columns; each column's clips in order, without zeros and repetitions."""
    expected = (len(clips.position), len(vocabulary.tags))
    if labels.shape != expected:
        raise SamplingError(
            f"labels have shape {labels.shape}, expected {expected}: the rows with excerpts, and the tags of the "
            f"vocabulary {vocabulary.name}"
        )
    by_row = sparse.csr_array(labels != 0)
    holders = sparse.csc_array(by_row[clips.position])
    holders.sum_duplicates()
    holders.sort_indices()
    return holders


def _check_tags(n_tracks: Positions, counts: Positions, n_clips: int, vocabulary: Vocabulary) -> None:
    names = vocabulary.tag_names
    rare = [f"{names[tag]!r} ({n_tracks[tag]})" for tag in np.flatnonzero(n_tracks < 2)]
    if rare:
        raise SamplingError(
            f"a triplet needs two tracks with its tag; too few have {listed(rare)}. "
            "Leave such tags out of the vocabulary, or add tracks"
        )
    everywhere = [repr(names[tag]) for tag in np.flatnonzero(counts == n_clips)]
    if everywhere:
        raise SamplingError(
            f"a triplet needs a track without its tag; all {n_clips} have {listed(everywhere)}. "
            "Leave such tags out of the vocabulary, or add tracks"
        )


def _tag_probabilities(
    counts: Positions, dimension_of_tag: Positions, *, over_dimensions: Share, over_tags: Share
) -> NDArray[np.float64]:
    """`(tags,)`: P(dimension) * P(tag | dimension)."""
    rows_in_dimension = np.bincount(dimension_of_tag, weights=counts)
    tags_in_dimension = np.bincount(dimension_of_tag)
    if over_dimensions == "uniform":
        of_dimension = np.full(len(tags_in_dimension), 1.0 / len(tags_in_dimension))
    else:
        of_dimension = rows_in_dimension / rows_in_dimension.sum()
    if over_tags == "uniform":
        within_dimension = 1.0 / tags_in_dimension[dimension_of_tag]
    else:
        within_dimension = counts / rows_in_dimension[dimension_of_tag]
    return np.asarray(of_dimension[dimension_of_tag] * within_dimension)
