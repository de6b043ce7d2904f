"""Agreement with a tagger: decisions counted by hand, areas and correlations of other libraries, perfect and random."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from index.model import ModelBundle
from tests.training.evaluation.made_up_tracks import embedded, without_meaning
from tests.training.evaluation.small_bundle import write_bundle
from training.evaluation.agreement import (
    ABOVE,
    PROBABILITIES,
    PROXIES,
    RANK_CORRELATION,
    ROC_AUC,
    TOP,
    agreement_figures,
    decisions,
    proxy_scores,
    rank_correlations,
    ranks_of,
)
from training.evaluation.bootstrap import Bootstrap
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import EvaluationError, Figure, Task

SETTINGS = Bootstrap(resamples=100)


def tagger(n: int = 120, *, tags: int = 6, seed: int = 0) -> EmbeddedTracks:
    """Tracks with tag scores of their excerpts: the first tags are never likely, the last often."""
    tracks = without_meaning(n, tags=tags, seed=seed)
    logits = np.random.default_rng(seed).standard_normal((len(tracks.track), tags)) + np.linspace(-9, 0.5, tags)
    return replace(tracks, excerpt_tag_scores=(1 / (1 + np.exp(-logits))).astype(np.float32))


def _found(figures: list[Figure], metric: str, decision: str | None, tag: str | None = None) -> Figure:
    variant = ", ".join([PROBABILITIES, *([decision] if decision else [])])
    (figure,) = [each for each in figures if (each.metric, each.variant, each.tag) == (metric, variant, tag)]
    return figure


def test_figures_are_those_of_other_libraries() -> None:
    tracks = tagger()
    noise = np.random.default_rng(5).uniform(0.2, 3.0, tracks.excerpt_tag_scores.shape)
    mine = (tracks.excerpt_tag_scores * noise).round(3).astype(np.float32)
    found = agreement_figures(tracks, tracks, mine, variant=PROBABILITIES, settings=SETTINGS)
    of_tags: dict[str, list[float]] = {TOP: [], ABOVE: [], RANK_CORRELATION: []}
    for column, tag in enumerate(tracks.tags):
        theirs = tracks.excerpt_tag_scores[:, column]
        correlation = _found(found.figures, RANK_CORRELATION, None, tag)
        assert correlation.value == pytest.approx(stats.spearmanr(mine[:, column], theirs).statistic)
        of_tags[RANK_CORRELATION].append(correlation.value)
        wanted = int(np.ceil(0.05 * len(theirs)))
        asked = {TOP: theirs >= np.sort(theirs)[-wanted]}
        assert asked[TOP].sum() == wanted
        if (theirs > 0.5).sum() >= 10:
            asked[ABOVE] = theirs > 0.5
        for decision, has_tag in asked.items():
            figure = _found(found.figures, ROC_AUC, decision, tag)
            assert figure.value == pytest.approx(roc_auc_score(has_tag, mine[:, column]))
            assert figure.low is not None
            assert figure.high is not None
            assert figure.low <= figure.value <= figure.high
            assert (figure.chance, figure.n) == (0.5, len(theirs))
            of_tags[decision].append(figure.value)
    assert 1 <= len(of_tags[ABOVE]) < len(tracks.tags) == len(of_tags[TOP])
    for decision, values in of_tags.items():
        metric = RANK_CORRELATION if decision == RANK_CORRELATION else ROC_AUC
        where = None if decision == RANK_CORRELATION else decision
        mean, least = (_found(found.figures, name, where) for name in (metric, f"least_{metric}"))
        assert mean.value == pytest.approx(np.mean(values))
        assert least.value == pytest.approx(min(values))
        assert (least.low, least.high) == (None, None)
        assert mean.n == least.n == len(values)
    assert {each.task for each in found.figures} == {Task.AGREEMENT}
    assert len({each.name for each in found.figures}) == len(found.figures)
    assert found.left_out == {f"the other decides too little {ABOVE}": tracks.tags[: -len(of_tags[ABOVE])]}


def test_a_bundle_agrees_with_itself() -> None:
    tracks = tagger()
    figures = agreement_figures(
        tracks, tracks, tracks.excerpt_tag_scores, variant=PROBABILITIES, settings=SETTINGS
    ).figures
    assert {round(each.value, 12) for each in figures} == {1.0}


def test_scores_that_know_nothing_agree_by_chance() -> None:
    held, over = [], []
    for seed in range(6):
        tracks = tagger(seed=seed)
        mine = np.random.default_rng(100 + seed).random(tracks.excerpt_tag_scores.shape, dtype=np.float32)
        for each in agreement_figures(tracks, tracks, mine, variant=PROBABILITIES, settings=SETTINGS).figures:
            if each.low is not None:
                held.append(each.low <= each.chance <= each.high)  # type: ignore[operator]
                over.append(each.value - each.chance)  # type: ignore[operator]
    assert np.mean(held) > 0.85
    assert abs(np.mean(over)) < 0.03


def test_the_top_is_a_twentieth_and_all_that_score_as_high() -> None:
    scores = np.arange(100, dtype=np.float32)
    assert np.flatnonzero(decisions(scores, TOP)).tolist() == [95, 96, 97, 98, 99]  # type: ignore[arg-type]
    scores[80:] = 80
    assert np.flatnonzero(decisions(scores, TOP)).tolist() == list(range(80, 100))  # type: ignore[arg-type]
    assert decisions(np.full(50, 0.3, dtype=np.float32), TOP) is None


def test_a_threshold_is_asked_where_ten_excerpts_pass_and_not_all() -> None:
    for passing, is_asked in ((9, False), (10, True), (39, True), (40, False)):
        scores = np.where(np.arange(40) < passing, 0.6, 0.5).astype(np.float32)
        found = decisions(scores, ABOVE)
        assert (found is not None) is is_asked
        if found is not None:
            assert found.sum() == passing


def test_a_correlation_under_weights_is_that_of_the_ranks_repeated() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(10, size=60).astype(np.float32), rng.random(60, dtype=np.float32)
    ranks = ranks_of(first), ranks_of(second)
    np.testing.assert_allclose(
        ranks[0] - ranks[0].min(), (stats.rankdata(first) - stats.rankdata(first).min()) / np.sqrt((60**2 - 1) / 12)
    )
    weights = rng.integers(4, size=(60, 5)).astype(np.float64)
    for column, found in enumerate(rank_correlations(*ranks, weights)):
        repeated = [np.repeat(each, weights[:, column].astype(int)) for each in ranks]
        assert found == pytest.approx(np.corrcoef(*repeated)[0, 1])


def test_scores_that_are_all_the_same_rank_nothing() -> None:
    tracks = tagger()
    mine = tracks.excerpt_tag_scores.copy()
    mine[:, 0] = 0.5
    found = agreement_figures(tracks, tracks, mine, variant=PROBABILITIES, settings=SETTINGS).figures
    tags = {each.tag for each in found if each.metric == RANK_CORRELATION}
    assert tags == {None, *tracks.tags[1:]}
    # Of pairs of equal score, half are right.
    assert _found(found, ROC_AUC, TOP, tracks.tags[0]).value == 0.5


def test_excerpts_that_one_bundle_alone_hears_are_left_out() -> None:
    tracks = tagger()
    kept = np.flatnonzero(np.arange(len(tracks.track)) % 3 > 0)
    _, renumbered = np.unique(tracks.track[kept], return_inverse=True)
    heard = sorted(set(tracks.track[kept].tolist()))
    other = replace(
        tracks,
        track_ids=tuple(tracks.track_ids[each] for each in heard),
        track=renumbered,
        starts_seconds=tracks.starts_seconds[kept] + 1e-7,
        excerpt_tag_scores=tracks.excerpt_tag_scores[kept],
    )
    found = agreement_figures(tracks, other, tracks.excerpt_tag_scores, variant=PROBABILITIES, settings=SETTINGS)
    assert found.excerpts == len(kept)
    assert {round(each.value, 12) for each in found.figures} == {1.0}
    shifted = replace(tracks, starts_seconds=tracks.starts_seconds + 0.5)
    with pytest.raises(EvaluationError, match="not one excerpt is heard by both"):
        agreement_figures(tracks, shifted, tracks.excerpt_tag_scores, variant=PROBABILITIES, settings=SETTINGS)


def test_a_tag_that_one_of_them_does_not_know_is_left_out() -> None:
    tracks = tagger()
    theirs = tracks.excerpt_tag_scores.copy()
    theirs[:, 5] = np.nan
    other = replace(tracks, excerpt_tag_scores=theirs)
    found = agreement_figures(tracks, other, tracks.excerpt_tag_scores, variant=PROBABILITIES, settings=SETTINGS)
    assert found.left_out["not both bundles know it"] == (tracks.tags[5],)
    assert tracks.tags[5] not in {each.tag for each in found.figures}
    nothing = np.full_like(theirs, np.nan)
    with pytest.raises(EvaluationError, match="no tag of the vocabulary in common"):
        agreement_figures(tracks, other, nothing, variant=PROBABILITIES, settings=SETTINGS)
    others = replace(tracks, tags=tracks.tags[::-1])
    with pytest.raises(EvaluationError, match="one vocabulary"):
        agreement_figures(tracks, others, theirs, variant=PROBABILITIES, settings=SETTINGS)


def test_proxies_are_compared_in_their_own_subspaces(tmp_path) -> None:
    bundle = ModelBundle.open(write_bundle(tmp_path / "small"))
    rng = np.random.default_rng(0)
    excerpts = rng.standard_normal((7, bundle.subspaces.width)).astype(np.float32)
    tags = (*reversed([tag.name for tag in bundle.tags]), "a tag of nobody")
    tracks = embedded(
        np.zeros((7, len(tags)), dtype=bool),
        tuple(bundle.subspaces.names[0] for _ in tags),
        excerpts,
        np.arange(7),
        bundle.subspaces,
    )
    tracks = replace(tracks, tags=tags)
    found = proxy_scores(tracks, bundle)
    assert np.isnan(found[:, -1]).all()
    for column, name in enumerate(tags[:-1]):
        place = [tag.name for tag in bundle.tags].index(name)
        columns = bundle.subspaces[bundle.tags[place].dimension].slice
        proxy = bundle.proxies[place, columns].astype(np.float64)
        for excerpt in range(7):
            own = excerpts[excerpt, columns].astype(np.float64)
            cosine = own @ proxy / np.linalg.norm(own) / np.linalg.norm(proxy)
            assert found[excerpt, column] == pytest.approx(cosine, abs=1e-5)


def test_figures_of_proxies_say_that_they_are_of_the_own_subspaces() -> None:
    tracks = tagger()
    figures = agreement_figures(tracks, tracks, tracks.excerpt_tag_scores, variant=PROXIES, settings=SETTINGS).figures
    assert {each.variant for each in figures} == {
        "proxies, own sub-spaces",
        "proxies, top 5 %, own sub-spaces",
        "proxies, above 0.5, own sub-spaces",
    }
