"""Triplets: every one drawn is one, draws are uniform, and accuracies are those of a slow loop."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.training.evaluation.made_up_tracks import (
    NOTIONS,
    embedded,
    perfect,
    somewhat_good,
    subspaces_of_widths,
    without_meaning,
)
from training.evaluation.bootstrap import Bootstrap
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import OWN_SUBSPACES, EvaluationError, Figure, Similarity, Task
from training.evaluation.points import Complete, excerpt_points, track_points
from training.evaluation.triplets import Triplets, one_stretch, tag_triplets, track_triplets, triplet_figures

SETTINGS = Bootstrap(resamples=200)


def _every_kind(tracks: EmbeddedTracks, n: int, seed: int = 0) -> list[Triplets]:
    rng = np.random.default_rng(seed)
    return [*(tag_triplets(tracks, notion, n, rng) for notion in NOTIONS), track_triplets(tracks, n, rng)]


def _figures(tracks: EmbeddedTracks, n: int = 500, **how: Similarity | Complete) -> list[Figure]:
    return triplet_figures(tracks, _every_kind(tracks, n), settings=SETTINGS, **how)  # type: ignore[arg-type]


def test_a_tag_triplet_has_a_tag_of_the_notion_that_the_negative_lacks() -> None:
    tracks = without_meaning(100)
    for notion in NOTIONS:
        columns = tracks.tags_of(notion)
        found = tag_triplets(tracks, notion, 2000, np.random.default_rng(0))
        anchor, positive, negative = (
            tracks.labels[at][:, columns] for at in (found.anchor, found.positive, found.negative)
        )
        assert (anchor & positive & ~negative).any(axis=1).all()
        assert (found.anchor != found.positive).all()


def test_tags_are_drawn_alike_and_so_are_their_carriers_and_the_others() -> None:
    labels = np.array([[True, False], [True, False], [True, False], [False, True], [False, True], [False, False]])
    tracks = replace(without_meaning(6, tags=2, widths=(5, 4)), labels=labels, notions=(NOTIONS[0],) * 2)
    found = tag_triplets(tracks, NOTIONS[0], 24_000, np.random.default_rng(0))
    counts = Counter(zip(found.anchor.tolist(), found.positive.tolist(), found.negative.tolist(), strict=True))
    # 6 ordered pairs times 3 others of the first tag, 2 times 4 of the second; each tag is drawn 12,000 times.
    expected = {(a, p, n): 12_000 / 18 for a in range(3) for p in range(3) if a != p for n in (3, 4, 5)}
    expected |= {(a, p, n): 12_000 / 8 for a, p in ((3, 4), (4, 3)) for n in (0, 1, 2, 5)}
    assert counts.keys() == expected.keys()
    assert stats.chisquare([counts[key] for key in expected], list(expected.values())).pvalue > 0.001


def test_tags_of_one_track_or_of_all_are_not_asked_about() -> None:
    tracks = without_meaning(10, tags=3, widths=(5,))
    labels = np.zeros((10, 3), dtype=bool)
    labels[0, 0], labels[:, 1] = True, True
    with pytest.raises(EvaluationError, match="no tag of 'klang farbe' is on two tracks and not on all"):
        tag_triplets(replace(tracks, labels=labels), NOTIONS[0], 10, np.random.default_rng(0))
    labels[3:5, 2] = True
    found = tag_triplets(replace(tracks, labels=labels), NOTIONS[0], 50, np.random.default_rng(0))
    assert set(found.anchor.tolist()) == {3, 4}


def test_a_track_triplet_is_two_excerpts_of_one_track_and_one_of_another() -> None:
    tracks = without_meaning(40)
    found = track_triplets(tracks, 5000, np.random.default_rng(0))
    assert (found.anchor != found.positive).all()
    assert (tracks.track[found.anchor] == tracks.track[found.positive]).all()
    assert (tracks.track[found.anchor] != tracks.track[found.negative]).all()
    several = np.flatnonzero(np.bincount(tracks.track) > 1)
    assert set(tracks.track[found.anchor].tolist()) == set(several.tolist())
    assert set(found.negative.tolist()) == set(range(len(tracks.track)))


def test_excerpts_of_another_track_are_drawn_alike() -> None:
    tracks = replace(without_meaning(3), track=np.array([0, 0, 1, 1, 1, 2]))
    found = track_triplets(tracks, 20_000, np.random.default_rng(0))
    counts = np.bincount(found.negative[tracks.track[found.anchor] == 0], minlength=6)
    assert counts[:2].tolist() == [0, 0]
    assert stats.chisquare(counts[2:]).pvalue > 0.001
    assert np.bincount(tracks.track[found.anchor]).size == 2


def test_among_some_excerpts_only_those_are_drawn_and_alike() -> None:
    tracks = replace(without_meaning(4), track=np.array([0, 0, 0, 1, 1, 2, 2, 2, 3]))
    among = np.array([0, 2, 3, 5, 6, 7])
    found = track_triplets(tracks, 30_000, np.random.default_rng(0), among=among, variant="some")
    assert found.variant == "some"
    counts = Counter(zip(found.anchor.tolist(), found.positive.tolist(), found.negative.tolist(), strict=True))
    # Tracks 0 and 2 alone have two of them: each is drawn 15,000 times.
    expected = {(a, p, n): 15_000 / (2 * 4) for a, p in ((0, 2), (2, 0)) for n in (3, 5, 6, 7)}
    expected |= {(a, p, n): 15_000 / (6 * 3) for a in (5, 6, 7) for p in (5, 6, 7) if a != p for n in (0, 2, 3)}
    assert counts.keys() == expected.keys()
    assert stats.chisquare([counts[key] for key in expected], list(expected.values())).pvalue > 0.001


def test_of_the_same_album_the_negative_is_another_track_of_it_drawn_alike() -> None:
    albums = ("red", "blue", "", "red", "blue", "red", "", "lone")
    track = np.repeat(np.arange(8), [2, 3, 2, 1, 2, 2, 2, 3])
    tracks = replace(without_meaning(8), track=track, albums=albums)
    found = track_triplets(tracks, 30_000, np.random.default_rng(0), same_album=True)
    counts = Counter(zip(found.anchor.tolist(), found.positive.tolist(), found.negative.tolist(), strict=True))
    expected = {}
    askable = [0, 1, 4, 5]
    for of in askable:
        own = np.flatnonzero(track == of).tolist()
        others = [at for at in range(len(track)) if track[at] != of and albums[track[at]] == albums[of]]
        triplets = [(a, p, n) for a in own for p in own if a != p for n in others]
        expected |= {triplet: 30_000 / len(askable) / len(triplets) for triplet in triplets}
    assert counts.keys() == expected.keys()
    assert stats.chisquare([counts[key] for key in expected], list(expected.values())).pvalue > 0.001


def test_an_album_of_one_track_or_without_a_name_has_no_triplets_of_the_same_album() -> None:
    tracks = replace(without_meaning(4), track=np.repeat(np.arange(4), 2), albums=("a", "b", "", ""))
    with pytest.raises(EvaluationError, match="of its album; name albums"):
        track_triplets(tracks, 5, np.random.default_rng(0), same_album=True)


def test_a_stretch_is_the_excerpts_of_thirty_seconds_and_any_may_be_it() -> None:
    counts = [30, 4, 10, 11]
    track = np.repeat(np.arange(4), counts)
    starts = np.concatenate([3.0 * np.arange(count) for count in counts])
    tracks = replace(without_meaning(4), track=track, starts_seconds=starts)
    begins = []
    for seed in range(400):
        found = one_stretch(tracks, 30.0, np.random.default_rng(seed))
        assert (np.diff(found) > 0).all()
        assert np.bincount(track[found]).tolist() == [10, 4, 10, 10]
        for each in range(4):
            of_track = starts[found][track[found] == each]
            assert (np.diff(of_track) == 3.0).all()
        begins.append(starts[found[0]])
    # Of 30 excerpts, the tenth before the last is the last that a whole stretch follows.
    assert set(begins) == {3.0 * place for place in range(20)}
    assert stats.chisquare(np.unique(begins, return_counts=True)[1]).pvalue > 0.001


def test_stretches_of_clips_that_are_out_of_order_are_stretches_all_the_same() -> None:
    starts = np.array([60.0, 63.0, 66.0, 0.0, 3.0, 6.0, 0.0, 3.0])
    tracks = replace(without_meaning(2), track=np.array([0] * 6 + [1] * 2), starts_seconds=starts)
    for seed in range(20):
        found = one_stretch(tracks, 10.0, np.random.default_rng(seed))
        assert np.ptp(starts[found[found < 6]]) < 10.0
        assert found[found >= 6].tolist() == [6, 7]


def test_where_no_track_is_longer_a_stretch_would_be_the_track() -> None:
    tracks = replace(without_meaning(2), track=np.repeat([0, 1], 5), starts_seconds=np.tile(3.0 * np.arange(5), 2))
    with pytest.raises(EvaluationError, match="no track has excerpts from more than 30 s"):
        one_stretch(tracks, 30.0, np.random.default_rng(0))


def test_sets_of_excerpts_have_figures_of_their_own() -> None:
    tracks = somewhat_good(60)
    rng = np.random.default_rng(0)
    sets = [track_triplets(tracks, 300, rng), track_triplets(tracks, 200, rng, variant="within a stretch")]
    figures = triplet_figures(tracks, sets, settings=SETTINGS)
    assert Counter((each.subspace, each.variant, each.n) for each in figures) == Counter(
        (space, variant, n) for space in (None, *NOTIONS) for variant, n in ((None, 300), ("within a stretch", 200))
    )
    assert len({each.name for each in figures}) == len(figures)


def test_tracks_of_one_excerpt_each_have_no_track_triplets() -> None:
    tracks = replace(without_meaning(3), track=np.arange(3))
    with pytest.raises(EvaluationError, match="two excerpts of one track"):
        track_triplets(tracks, 5, np.random.default_rng(0))


def test_the_same_seed_draws_the_same_triplets() -> None:
    tracks = without_meaning()
    first, again, other = (_every_kind(tracks, 50, seed) for seed in (3, 3, 4))
    assert all((a.negative == b.negative).all() for a, b in zip(first, again, strict=True))
    assert any((a.negative != b.negative).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("similarity", Similarity)
@pytest.mark.parametrize("complete", Complete)
def test_accuracy_is_that_of_a_slow_loop(similarity: Similarity, complete: Complete) -> None:
    tracks = somewhat_good(60)
    triplets = {each.notion: each for each in _every_kind(tracks, 200)}
    for figure in triplet_figures(
        tracks, list(triplets.values()), similarity=similarity, complete=complete, settings=SETTINGS
    ):
        if figure.task is Task.TAG_TRIPLETS and figure.notion is None:
            continue
        asked = triplets[figure.notion]
        points_of_kind = track_points if figure.task is Task.TAG_TRIPLETS else excerpt_points
        points = points_of_kind(tracks, subspace=figure.subspace, similarity=similarity, complete=complete)
        matrix = points.similarities(slice(None))
        right = [
            matrix[a, p] > matrix[a, n] for a, p, n in zip(asked.anchor, asked.positive, asked.negative, strict=True)
        ]
        # Cosines that are equal but for rounding may fall either way.
        assert figure.value == pytest.approx(np.mean(right), abs=0.011), figure.name
        assert figure.n == 200


def test_over_all_is_the_mean_of_the_notions() -> None:
    tracks = somewhat_good(80)
    rng = np.random.default_rng(0)
    triplets = [tag_triplets(tracks, notion, n, rng) for notion, n in zip(NOTIONS, (100, 300, 50), strict=True)]
    figures = triplet_figures(tracks, triplets, settings=SETTINGS)
    for own, variant in ((False, None), (True, OWN_SUBSPACES)):
        over_all = [each for each in figures if (each.subspace, each.notion, each.variant) == (None, None, variant)]
        parts = [each.value for each in figures if each.notion is not None and (each.subspace is not None) is own]
        assert len(over_all) == 1
        assert over_all[0].value == pytest.approx(np.mean(parts))
        assert over_all[0].n == 450
        assert len(parts) == 3


def test_what_is_asked_where() -> None:
    figures = _figures(somewhat_good(40), 30)
    asked = Counter((each.task, each.subspace, each.notion, each.variant) for each in figures)
    expected: set[tuple[Task, str | None, str | None, str | None]]
    expected = {(Task.TRACK_TRIPLETS, space, None, None) for space in (None, *NOTIONS)}
    expected |= {(Task.TAG_TRIPLETS, space, notion, None) for notion in NOTIONS for space in (None, notion)}
    expected |= {(Task.TAG_TRIPLETS, None, None, variant) for variant in (None, OWN_SUBSPACES)}
    assert asked == Counter(expected)


def test_intervals_hold_what_other_tracks_of_the_same_kind_would_give() -> None:
    """Were tracks drawn again as anchors alone, 47 of these 60 intervals would."""
    centres, n = np.random.default_rng(99).standard_normal((4, 16)), 100
    figures = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        kind = rng.integers(4, size=n)
        vectors = centres[kind] + rng.standard_normal((n, 16))
        tracks = embedded(
            np.eye(4, dtype=bool)[kind], (NOTIONS[0],) * 4, vectors, np.arange(n), subspaces_of_widths((16,))
        )
        triplets = [tag_triplets(tracks, NOTIONS[0], 4000, rng)]
        figures.append(triplet_figures(tracks, triplets, settings=SETTINGS)[0])
    truth = np.mean([figure.value for figure in figures])
    held = sum(figure.low <= truth <= figure.high for figure in figures)
    # Binomial(60, 0.95) is 51 or more with probability 0.999.
    assert held >= 51


def test_perfect_embeddings_answer_everything_in_the_own_subspaces() -> None:
    figures = _figures(perfect())
    own = [each for each in figures if each.task is Task.TAG_TRIPLETS and (each.subspace or each.variant)]
    assert [(each.value, each.low, each.high) for each in own] == [(1.0, 1.0, 1.0)] * 4
    of_tracks = [each for each in _figures(perfect(copies=1)) if each.task is Task.TRACK_TRIPLETS and not each.subspace]
    assert [each.value for each in of_tracks] == [1.0]


def test_random_embeddings_answer_as_often_right_as_wrong() -> None:
    figures = [
        each for seed in range(4) for each in _figures(without_meaning(seed=seed)) if each.task is Task.TAG_TRIPLETS
    ]
    held = [each.low <= 0.5 <= each.high for each in figures]  # type: ignore[operator]
    assert np.mean(held) > 0.85
    assert {each.chance for each in figures} == {0.5}


def test_equally_close_is_not_right() -> None:
    tracks = without_meaning(50)
    collapsed = replace(tracks, excerpts=np.ones_like(tracks.excerpts))
    assert {each.value for each in _figures(collapsed)} == {0.0}


def test_a_bundle_without_dimensions_is_asked_in_the_complete_space_alone() -> None:
    figures = _figures(replace(somewhat_good(60), subspaces=subspaces_of_widths((14,))), 50)
    assert {each.subspace for each in figures} == {None}
    assert {each.variant for each in figures} == {None}
    assert len(figures) == 3 + 1 + 1


def test_a_notion_without_a_subspace_leaves_no_mean_over_the_own_subspaces() -> None:
    figures = _figures(replace(somewhat_good(60), subspaces=subspaces_of_widths((6, 8))), 50)
    assert not [each for each in figures if each.variant == OWN_SUBSPACES]
    assert {each.subspace for each in figures if each.notion} == {None, *NOTIONS[:2]}
