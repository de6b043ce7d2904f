"""Embedded tracks of known quality: perfect ones, ones without meaning, and some in between."""

from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from index.subspaces import Subspace, Subspaces, Vectors
from training.evaluation.embedded import EmbeddedTracks

# Uneven widths and odd names, tags of the notions mixed: nothing may assume the paper's four of 64.
NOTIONS = ("klang farbe", "é/..", "room")


def subspaces_of_widths(widths: tuple[int, ...]) -> Subspaces:
    stops = np.cumsum(widths).tolist()
    return Subspaces(
        tuple(
            Subspace(NOTIONS[i], stop - width, stop) for i, (width, stop) in enumerate(zip(widths, stops, strict=True))
        )
    )


def embedded(
    labels: NDArray[np.bool_],
    notions: tuple[str, ...],
    excerpts: Vectors,
    track: NDArray[np.int64],
    subspaces: Subspaces,
    *,
    tag_scores: Vectors | None = None,
    artists: tuple[str, ...] | None = None,
    albums: tuple[str, ...] | None = None,
) -> EmbeddedTracks:
    n = len(labels)
    first = np.flatnonzero(np.diff(track, prepend=-1))
    scores = labels.astype(np.float32) if tag_scores is None else tag_scores
    return EmbeddedTracks(
        subspaces=subspaces,
        track_ids=tuple(f"track {position}" for position in range(n)),
        artists=("",) * n if artists is None else artists,
        albums=("",) * n if albums is None else albums,
        tags=tuple(f"{notion}: {column}" for column, notion in enumerate(notions)),
        notions=notions,
        labels=labels,
        excerpts=excerpts.astype(np.float32),
        track=track,
        starts_seconds=3.0 * (np.arange(len(track)) - first[track]),
        tag_scores=scores,
        excerpt_tag_scores=scores[track],
    )


def without_meaning(
    n: int = 300, *, widths: tuple[int, ...] = (5, 8, 4), tags: int = 12, seed: int = 0
) -> EmbeddedTracks:
    """Labels and embeddings that know nothing of each other. Labels are uneven, and some tracks have none."""
    rng = np.random.default_rng(seed)
    track = np.repeat(np.arange(n), rng.integers(1, 4, size=n))
    notions = tuple(NOTIONS[column % len(widths)] for column in range(tags))
    labels = rng.random((n, tags)) < np.linspace(0.03, 0.3, tags)
    return embedded(
        labels,
        notions,
        rng.standard_normal((len(track), sum(widths))),
        track,
        subspaces_of_widths(widths),
        tag_scores=rng.random((n, tags), dtype=np.float32),
    )


def perfect(*, values: tuple[int, ...] = (4, 3, 3), copies: int = 2, seed: int = 0) -> EmbeddedTracks:
    """Every combination of one tag of each notion, once for each of `copies` tunes; its slices are its tags, one-hot.

    Excerpts of a track differ in nothing but their length.
    """
    rng = np.random.default_rng(seed)
    combinations = list(product(*map(range, values))) * copies
    slices = [np.eye(count)[[each[i] for each in combinations]] for i, count in enumerate(values)]
    one_hot = np.concatenate(slices, axis=1)
    track = np.repeat(np.arange(len(combinations)), 2)
    return embedded(
        one_hot.astype(bool),
        tuple(NOTIONS[i] for i, count in enumerate(values) for _ in range(count)),
        one_hot[track] * rng.uniform(0.1, 10.0, size=(len(track), 1)),
        track,
        subspaces_of_widths(values),
        artists=tuple(f"tune {position * copies // len(combinations)}" for position in range(len(combinations))),
    )


def somewhat_good(n: int = 240, *, seed: int = 0) -> EmbeddedTracks:
    """Factors one-hot with noise, after a ReLU: zeros, and slices without direction, are among them."""
    rng = np.random.default_rng(seed)
    values, widths = (4, 3, 3), (6, 5, 3)
    factors = np.stack([rng.integers(count, size=n) for count in values], axis=1)
    labels = np.concatenate([np.eye(count, dtype=bool)[factors[:, i]] for i, count in enumerate(values)], axis=1)
    track = np.repeat(np.arange(n), rng.integers(1, 4, size=n))
    centres = [rng.standard_normal((count, width)) for count, width in zip(values, widths, strict=True)]
    clean = np.concatenate([centre[factors[:, i]] for i, centre in enumerate(centres)], axis=1)
    noisy = clean[track] + rng.standard_normal((len(track), sum(widths)))
    scores = labels + rng.standard_normal(labels.shape).round(1)
    return embedded(
        labels,
        tuple(NOTIONS[i] for i, count in enumerate(values) for _ in range(count)),
        np.maximum(noisy, 0.0),
        track,
        subspaces_of_widths(widths),
        tag_scores=scores.astype(np.float32),
        artists=tuple(f"tune {position % 5}" if position % 7 else "" for position in range(n)),
    )


def part(tracks: EmbeddedTracks, kept: NDArray[np.int64]) -> EmbeddedTracks:
    """Some of the tracks, in ascending order."""
    of_excerpt = np.flatnonzero(np.isin(tracks.track, kept))
    return replace(
        tracks,
        track_ids=tuple(tracks.track_ids[position] for position in kept),
        artists=tuple(tracks.artists[position] for position in kept),
        albums=tuple(tracks.albums[position] for position in kept),
        labels=tracks.labels[kept],
        excerpts=tracks.excerpts[of_excerpt],
        track=np.searchsorted(kept, tracks.track[of_excerpt]),
        starts_seconds=tracks.starts_seconds[of_excerpt],
        tag_scores=tracks.tag_scores[kept],
        excerpt_tag_scores=tracks.excerpt_tag_scores[of_excerpt],
    )
