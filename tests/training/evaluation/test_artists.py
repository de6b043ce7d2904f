"""Same-artist retrieval, against a slow loop, perfect tracks, random ones, and galleries counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.training.evaluation.made_up_tracks import NOTIONS, embedded, subspaces_of_widths
from training.evaluation.artists import OTHER_ALBUMS, SAME_ALBUM, artist_figures, artist_queries, finds
from training.evaluation.bootstrap import Bootstrap
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import EvaluationError, Figure, Similarity
from training.evaluation.points import Complete, Points, track_points

SETTINGS = Bootstrap(resamples=200)
VARIANTS = (None, SAME_ALBUM, OTHER_ALBUMS)


def by_artists(
    n: int = 80, *, seed: int = 0, strength: float = 1.0, widths: tuple[int, ...] = (5, 3)
) -> EmbeddedTracks:
    """Tracks by a few artists on a few albums, some of neither; `strength`: how much of the artist is in a vector."""
    rng = np.random.default_rng(seed)
    artist, album = rng.integers(8, size=n), rng.integers(4, size=n)
    centres = rng.standard_normal((8, sum(widths)))
    track = np.repeat(np.arange(n), 2)
    vectors = strength * centres[artist[track]] + rng.standard_normal((2 * n, sum(widths)))
    return embedded(
        np.zeros((n, 1), dtype=bool),
        (NOTIONS[0],),
        vectors,
        track,
        subspaces_of_widths(widths),
        artists=tuple(f"artist {each}" if each else "" for each in artist),
        albums=tuple(f"album {each}" if each else "" for each in album),
    )


def _slow(
    similarities: NDArray[np.float32], artists: tuple[str, ...], albums: tuple[str, ...], variant: str | None
) -> tuple[list[bool], list[float]]:
    right, chances = [], []
    for query in range(len(artists)):
        gallery = [other for other in range(len(artists)) if other != query]
        if variant == SAME_ALBUM:
            gallery = [other for other in gallery if albums[query] and albums[other] == albums[query]]
        if variant == OTHER_ALBUMS:
            gallery = [other for other in gallery if albums[query] and albums[other] != albums[query]]
        same = [other for other in gallery if artists[query] and artists[other] == artists[query]]
        if not same or len(same) == len(gallery):
            continue
        found = max(gallery, key=lambda other: (similarities[query, other], -other))
        right.append(found in same)
        chances.append(len(same) / len(gallery))
    return right, chances


@pytest.mark.parametrize("similarity", Similarity)
def test_figures_are_those_of_a_slow_loop(similarity: Similarity) -> None:
    tracks = by_artists()
    figures = artist_figures(tracks, similarity=similarity, settings=SETTINGS)
    assert [(each.subspace, each.variant) for each in figures] == [
        (space, variant) for space in (None, *NOTIONS[:2]) for variant in VARIANTS
    ]
    for figure in figures:
        points = track_points(tracks, subspace=figure.subspace, similarity=similarity, complete=Complete.SLICES)
        right, chances = _slow(points.similarities(slice(None)), tracks.artists, tracks.albums, figure.variant)
        assert figure.n == len(right)
        assert figure.value == pytest.approx(np.mean(right)), figure.name
        assert figure.chance == pytest.approx(np.mean(chances))
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= figure.value <= figure.high
    assert len({figure.name for figure in figures}) == len(figures)


def test_perfect_embeddings_find_the_artist_everywhere() -> None:
    for figure in artist_figures(by_artists(strength=1000.0, widths=(8,)), settings=SETTINGS):
        assert (figure.value, figure.low, figure.high) == (1.0, 1.0, 1.0)


def test_embeddings_without_meaning_find_it_by_chance() -> None:
    figures: list[Figure] = []
    for seed in range(12):
        figures += artist_figures(by_artists(150, seed=seed, strength=0.0), settings=SETTINGS)
    held = [figure.low <= figure.chance <= figure.high for figure in figures]  # type: ignore[operator]
    assert np.mean(held) > 0.85
    over = [figure.value - figure.chance for figure in figures]  # type: ignore[operator]
    assert abs(np.mean(over)) < 0.02


def test_capitals_and_space_tell_no_artists_apart_and_no_name_is_nobody() -> None:
    asked = artist_queries(("Ana  Rios", "ANA RIOS", "", "", "Berg"), ("",) * 5)
    assert [each.variant for each in asked] == [None]
    assert asked[0].queries.tolist() == [0, 1]
    assert asked[0].masks(asked[0].queries)[0].sum(axis=1).tolist() == [4, 4]
    assert asked[0].chance == 0.25


def test_among_an_album_of_one_artist_nothing_is_asked() -> None:
    artists, albums = ("a", "a", "a", "b", "b", "c"), ("x", "x", "x", "y", "y", "y")
    asked = {each.variant: each for each in artist_queries(artists, albums)}
    assert asked[None].queries.tolist() == [0, 1, 2, 3, 4]
    assert asked[SAME_ALBUM].queries.tolist() == [3, 4]
    assert asked[SAME_ALBUM].chance == 0.5
    assert OTHER_ALBUMS not in asked


def test_without_the_album_only_the_artists_other_albums_are_right() -> None:
    artists, albums = ("a", "a", "a", "b", "a", "c"), ("x", "x", "y", "y", "", "z")
    asked = {each.variant: each for each in artist_queries(artists, albums)}[OTHER_ALBUMS]
    assert asked.queries.tolist() == [0, 1, 2]
    gallery, is_right = asked.masks(asked.queries)
    assert np.flatnonzero(gallery[0]).tolist() == [2, 3, 4, 5]
    assert np.flatnonzero(is_right[0]).tolist() == [2, 4]
    assert np.flatnonzero(gallery[2]).tolist() == [0, 1, 4, 5]


def test_many_tracks_are_asked_block_by_block_with_the_same_finds() -> None:
    tracks = by_artists(600, strength=0.7)
    points = track_points(tracks, subspace=None, similarity=Similarity.COSINE, complete=Complete.SLICES)
    for asked in artist_queries(tracks.artists, tracks.albums):
        gallery, is_right = asked.masks(asked.queries)
        at_once = np.where(gallery, points.similarities(asked.queries), -np.inf).argmax(axis=1)
        assert len(asked) > 256
        assert finds(points, asked).tolist() == is_right[np.arange(len(asked)), at_once].tolist()


def test_of_equally_near_tracks_the_first_is_found() -> None:
    points = Points(vectors=np.ones((4, 2), dtype=np.float32), similarity=Similarity.DOT)
    asked = artist_queries(("a", "b", "a", "b"), ("",) * 4)[0]
    # 0 finds 1; 1, 2 and 3 find 0.
    assert finds(points, asked).tolist() == [False, False, True, False]


def test_where_no_artist_has_two_tracks_nothing_can_be_asked() -> None:
    tracks = by_artists(6)
    for artists in (("",) * 6, tuple("abcdef"), ("a",) * 6):
        with pytest.raises(EvaluationError, match="no artist has two tracks here"):
            artist_figures(replace(tracks, artists=artists), settings=SETTINGS)
