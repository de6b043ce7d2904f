"""Leakage, factor triplets and factor pairs, on tracks whose factors are known."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from index.subspaces import Subspaces
from tests.training.evaluation.made_up_tracks import (
    NOTIONS,
    perfect,
    somewhat_good,
    subspaces_of_widths,
    without_meaning,
)
from training.evaluation.bootstrap import Bootstrap
from training.evaluation.disentanglement import (
    HARD,
    RANDOM,
    factor_pair_figures,
    factor_pairs,
    factor_triplet_figures,
    factor_triplets,
    factors_of,
    leakage_figures,
)
from training.evaluation.evaluation import OWN_SUBSPACES, EvaluationError, Task
from training.evaluation.points import spaces_of
from training.evaluation.triplets import tag_triplets, track_triplets, triplet_figures

SETTINGS = Bootstrap(resamples=100)


def test_the_leakage_matrix_is_every_subspace_on_the_notions_of_the_others() -> None:
    tracks, rng = somewhat_good(80), np.random.default_rng(0)
    triplets = [*(tag_triplets(tracks, each, 100, rng) for each in NOTIONS), track_triplets(tracks, 10, rng)]
    figures = leakage_figures(tracks, triplets, settings=SETTINGS)
    off_diagonal = {(subspace, notion) for subspace in NOTIONS for notion in NOTIONS if subspace != notion}
    assert Counter((each.subspace, each.notion) for each in figures) == Counter(off_diagonal)
    everything = [*figures, *triplet_figures(tracks, triplets, settings=SETTINGS)]
    assert len({each.name for each in everything}) == len(everything)
    # The same vectors under another name: what a sub-space gets on a notion does not depend on what it is called.
    turned = (*NOTIONS[1:], NOTIONS[0])
    each_renamed = tuple(replace(each, name=name) for each, name in zip(tracks.subspaces, turned, strict=True))
    renamed = replace(tracks, subspaces=Subspaces(each_renamed))
    own = [each for each in triplet_figures(renamed, triplets, settings=SETTINGS) if each.subspace and each.notion]
    for each in own:
        subspace = NOTIONS[turned.index(str(each.notion))]
        leaked = next(other for other in figures if (other.subspace, other.notion) == (subspace, each.notion))
        assert leaked.value == each.value
    assert len(own) == 3


def test_perfect_embeddings_leak_nothing() -> None:
    # Of tracks that combine all tags alike, a sub-space that hears its own alone guesses: equally close is not right.
    tracks, rng = perfect(copies=1, values=(4, 3, 5)), np.random.default_rng(0)
    figures = leakage_figures(tracks, [tag_triplets(tracks, each, 2000, rng) for each in NOTIONS], settings=SETTINGS)
    values = dict(zip(NOTIONS, (4, 3, 5), strict=True))
    for each in figures:
        here, carriers = values[str(each.subspace)], 60 // values[str(each.notion)]
        # Right only if the positive has the anchor's tag of the sub-space's notion, and the negative has not.
        expected = (carriers / here - 1) / (carriers - 1) * (1 - 1 / here)
        assert each.value == pytest.approx(expected, abs=0.03), each.name


def test_factors_are_the_one_tag_of_each_notion() -> None:
    tracks = perfect()
    factors = factors_of(tracks)
    assert tracks.labels[np.arange(len(tracks))[:, None], factors].all()
    assert [set(tracks.tags_of(notion)) for notion in NOTIONS] == [set(factors[:, at]) for at in range(3)]
    with pytest.raises(EvaluationError, match=r"exactly one tag of 'klang farbe' on every track; \d+ of 300 tracks"):
        factors_of(without_meaning())


@pytest.mark.parametrize("notion", NOTIONS)
def test_hard_triplets_hold_the_other_factors_against_the_answer(notion: str) -> None:
    tracks, asked = somewhat_good(200), NOTIONS.index(notion)
    factors = factors_of(tracks)
    found = factor_triplets(tracks, notion, 2000, np.random.default_rng(0), variant=HARD)
    positive, negative = (factors[at] == factors[found.anchor] for at in (found.positive, found.negative))
    assert (positive == (np.arange(3) == asked)).all()
    assert (negative == (np.arange(3) != asked)).all()


def test_hard_triplets_are_drawn_alike() -> None:
    tracks = perfect(values=(2, 2, 2), copies=2)
    found = factor_triplets(tracks, NOTIONS[0], 16_000, np.random.default_rng(0), variant=HARD)
    counts = Counter(zip(found.anchor.tolist(), found.positive.tolist(), found.negative.tolist(), strict=True))
    # 16 anchors, 2 tracks of the one contrary and 2 of the one twin.
    assert len(counts) == 64
    assert stats.chisquare(list(counts.values())).pvalue > 0.001


def test_random_factor_triplets_share_the_factor_alone_for_certain() -> None:
    tracks = somewhat_good(100)
    factors = factors_of(tracks)[:, 1]
    found = factor_triplets(tracks, NOTIONS[1], 500, np.random.default_rng(0), variant=RANDOM)
    assert (factors[found.anchor] == factors[found.positive]).all()
    assert (factors[found.anchor] != factors[found.negative]).all()


def test_perfect_embeddings_know_their_factor_and_no_other() -> None:
    tracks, rng = perfect(), np.random.default_rng(0)
    triplets = [factor_triplets(tracks, notion, 300, rng, variant=HARD) for notion in NOTIONS]
    for each in factor_triplet_figures(tracks, triplets, variant=HARD, settings=SETTINGS):
        knows_it = each.variant != HARD or (each.subspace is not None and each.subspace == each.notion)
        # All else of a hard triplet speaks for the negative: two dimensions of three, in the complete space.
        assert each.value == float(knows_it), each.name


def test_what_factor_triplets_are_asked_where() -> None:
    tracks, rng = somewhat_good(150), np.random.default_rng(0)
    triplets = [factor_triplets(tracks, notion, 100, rng, variant=RANDOM) for notion in NOTIONS]
    figures = factor_triplet_figures(tracks, triplets, variant=RANDOM, settings=SETTINGS)
    expected: set[tuple[str | None, str | None, str]]
    expected = {(space, notion, RANDOM) for space in (None, *NOTIONS) for notion in NOTIONS}
    expected |= {(None, None, RANDOM), (None, None, f"{RANDOM}, {OWN_SUBSPACES}")}
    assert Counter((each.subspace, each.notion, each.variant) for each in figures) == Counter(expected)
    assert {each.task for each in figures} == {Task.FACTOR_TRIPLETS}


def test_random_embeddings_know_no_factor() -> None:
    tracks = somewhat_good(300)
    noise = np.random.default_rng(1).standard_normal(tracks.excerpts.shape).astype(np.float32)
    tracks, rng = replace(tracks, excerpts=noise), np.random.default_rng(0)
    figures = []
    for variant in (RANDOM, HARD):
        triplets = [factor_triplets(tracks, notion, 600, rng, variant=variant) for notion in NOTIONS]
        figures += factor_triplet_figures(tracks, triplets, variant=variant, settings=SETTINGS)
    pairs = [factor_pairs(tracks, notion, 600, rng) for notion in NOTIONS]
    figures += factor_pair_figures(tracks, pairs, settings=SETTINGS)
    assert np.mean([abs(each.value - 0.5) < 0.08 for each in figures]) > 0.85


def test_a_factor_pair_is_of_one_tune_and_differs_in_one_factor() -> None:
    tracks = somewhat_good(150)
    factors, artists = factors_of(tracks), np.array(tracks.artists)
    for asked, notion in enumerate(NOTIONS):
        found = factor_pairs(tracks, notion, 400, np.random.default_rng(0))
        differs = factors[found.anchor] != factors[found.positive]
        assert (differs == (np.arange(3) == asked)).all()
        assert (artists[found.anchor] == artists[found.positive]).all()
        assert (artists[found.anchor] != "").all()
        assert (artists[found.anchor] != artists[found.negative]).all()


def test_every_pair_comes_once_before_one_comes_twice() -> None:
    tracks = perfect(values=(2, 2, 2), copies=2)
    # Each of 16 tracks has one twin in all but one factor.
    found = factor_pairs(tracks, NOTIONS[0], 40, np.random.default_rng(0))
    counts = Counter(zip(found.anchor.tolist(), found.positive.tolist(), strict=True))
    assert (len(counts), set(counts.values())) == (16, {2, 3})


def test_a_factor_pair_is_close_where_it_agrees() -> None:
    tracks, rng = perfect(values=(4, 3, 5)), np.random.default_rng(0)
    pairs = [factor_pairs(tracks, notion, 2000, rng) for notion in NOTIONS]
    for each in factor_pair_figures(tracks, pairs, settings=SETTINGS):
        if each.subspace == each.notion:
            assert each.value == 0.0
        elif each.subspace is not None:
            # Only a track of another tune that has the same tag there is as close.
            assert each.value == pytest.approx(1 - 1 / (4, 3, 5)[NOTIONS.index(each.subspace)], abs=0.03)


def test_data_that_do_not_allow_a_question_are_told_so() -> None:
    rng, tracks = np.random.default_rng(0), perfect(values=(3, 1, 1), copies=1)
    with pytest.raises(EvaluationError, match="hard triplets need more tracks"):
        factor_triplets(tracks, NOTIONS[0], 5, rng, variant=HARD)
    with pytest.raises(EvaluationError, match="there is one only"):
        factor_pairs(tracks, NOTIONS[0], 5, rng)
    several = perfect(values=(3, 1, 1))
    with pytest.raises(EvaluationError, match="differ in 'room' alone"):
        factor_pairs(several, NOTIONS[2], 5, rng)
    with pytest.raises(EvaluationError, match="there is one only"):
        factor_pairs(replace(several, artists=("",) * 6), NOTIONS[0], 5, rng)


def test_a_bundle_without_dimensions_has_no_leakage() -> None:
    tracks = replace(somewhat_good(50), subspaces=subspaces_of_widths((14,)))
    triplets = [tag_triplets(tracks, NOTIONS[0], 10, np.random.default_rng(0))]
    assert spaces_of(tracks.subspaces) == (None,)
    assert leakage_figures(tracks, triplets, settings=SETTINGS) == []
