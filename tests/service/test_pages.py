"""Walks and pages over more tracks than a block holds, against one list put in order at once."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.diversity import diverse_order, similarity_among
from index.live import LiveIndex
from index.live_search import Place, find
from index.live_state import Change, LiveState
from index.query import Query
from service.http.cursors import BlockProgress, Progress, Sealed, read_block_progress, write_progress
from service.http.refusals import InvalidCursorError
from service.search.pages import BLOCK, Cut, by_diversity, by_excerpt, cut_blocks, cut_ranking
from service.search.walking import Walk
from tests.index.vectors import ODD, gathered_vectors

TRACKS = 2 * BLOCK + 87
SEALED = Sealed({}, b"only the service knows")


def ids(numbers):
    return tuple(f"track-{number:06d}" for number in numbers)


def put(revision, numbers, vectors):
    return Change(revision=revision, put_ids=ids(numbers), put_vectors=vectors, deleted_ids=())


def delete(revision, numbers):
    return Change(revision=revision, put_ids=(), put_vectors=np.empty((0, 11), np.float32), deleted_ids=ids(numbers))


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    rng = np.random.default_rng(6)
    live = LiveIndex(tmp_path_factory.mktemp("pages"), encoder_id="abc", subspaces=ODD)
    vectors = gathered_vectors(TRACKS, ODD, rng)
    vectors[200:300] = vectors[100:200]
    live.apply(put(1, range(300), vectors[:300]))
    live.compact()
    live.apply(put(2, range(300, TRACKS), vectors[300:]))
    return live


def query_of(state: LiveState) -> Query:
    return Query.by_example(ODD, state.vectors(ids([7])))


def every_page(cut_one, sizes) -> list[Cut]:
    pages, progress = [], None
    for size in itertools.cycle(sizes):
        pages.append(cut_one(progress, size))
        progress = pages[-1].progress
        if progress is None:
            return pages
        assert len(pages[-1].matches) == size
    raise AssertionError


SIZES = st.lists(st.integers(15, 100), min_size=1, max_size=4)
WALKS = st.fixed_dictionaries(
    {"duplicates_from": st.sampled_from([None, 0.999, 0.95]), "most_per_artist": st.sampled_from([None, 1, 7])}
)


def artists_of(track_ids):
    return [int(track_id[-2:]) % 40 - 2 for track_id in track_ids]


@settings(max_examples=8, deadline=None)
@given(sizes=SIZES, clauses=WALKS)
def test_pages_of_a_ranking_are_the_whole_cut_up(live, sizes, clauses):
    state = live.moment
    walk = Walk(state, query_of(state), None, artists_of=artists_of, **clauses)
    whole = cut_ranking(walk, None, limit=TRACKS)
    pages = every_page(lambda progress, size: cut_ranking(walk, progress, limit=size), sizes)
    assert [match for page in pages for match in page.matches] == list(whole.matches)
    assert [each for page in pages for each in page.passed_over] == list(whole.passed_over)
    assert len(whole.matches) + len(whole.passed_over) == TRACKS


@settings(max_examples=8, deadline=None)
@given(sizes=SIZES, clauses=WALKS, diversity=st.sampled_from([0.1, 0.6, 1.0]))
def test_a_diverse_answer_is_in_order_block_by_block(live, sizes, clauses, diversity):
    state = live.moment
    query = query_of(state)
    walk = Walk(state, query, None, artists_of=artists_of, **clauses)
    ranking = [match.hit for match in cut_ranking(walk, None, limit=TRACKS).matches]
    expected = []
    for start in range(0, len(ranking), BLOCK):
        block = ranking[start : start + BLOCK]
        order = diverse_order(
            np.array([hit.similarity for hit in block]),
            similarity_among(query, state.vectors([hit.track_id for hit in block])),
            diversity=diversity,
            shown=np.zeros(len(block), np.bool_),
        )
        expected += [block[position] for position in order]
    arrange = by_diversity(walk, diversity)

    def cut_one(progress, size):
        if progress is not None:
            progress = read_block_progress(SEALED, write_progress(SEALED, progress))
            assert len(write_progress(SEALED, progress)) < 1500
        return cut_blocks(walk, arrange, progress, limit=size)

    pages = every_page(cut_one, sizes)
    assert [match.hit for page in pages for match in page.matches] == expected
    assert sorted(each.hit.track_id for page in pages for each in page.passed_over) == sorted(
        hit.track_id for hit in find(state, query, limit=TRACKS) if hit not in expected
    )


@settings(max_examples=3, deadline=None)
@given(sizes=st.lists(st.integers(60, 100), min_size=1, max_size=3))
def test_excerpts_are_in_order_within_a_block_of_tracks(live, sizes):
    state = live.moment
    query = query_of(state)
    rng = np.random.default_rng(1)
    excerpts = {track_id: gathered_vectors(3, ODD, rng) for track_id in ids(range(TRACKS))}
    walk = Walk(state, query, None)
    arrange = by_excerpt(walk, lambda some: [(i, [0.0, 1.5, 3.0], excerpts[i]) for i in some])
    pages = every_page(lambda progress, size: cut_blocks(walk, arrange, progress, limit=size), sizes)
    matches = [match for page in pages for match in page.matches]
    assert len({(match.hit.track_id, match.start_seconds) for match in matches}) == len(matches) == 3 * TRACKS
    ranking = [hit.track_id for hit in find(state, query, limit=TRACKS)]
    for start in range(0, TRACKS, BLOCK):
        block = matches[3 * start : 3 * (start + BLOCK)]
        assert {match.hit.track_id for match in block} == set(ranking[start : start + BLOCK])
        similarities = [match.hit.similarity for match in block]
        assert similarities == sorted(similarities, reverse=True)
    for match in matches:
        vector = excerpts[match.hit.track_id][int(match.start_seconds / 1.5)]
        assert match.hit.similarity == pytest.approx(float(query.scaled @ vector), abs=2e-6)


@settings(max_examples=8, deadline=None)
@given(data=st.data(), is_diverse=st.booleans(), clauses=WALKS)
def test_whatever_comes_and_goes_between_pages_nothing_comes_twice(tmp_path_factory, data, is_diverse, clauses):
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    vectors = gathered_vectors(600, ODD, rng)
    live = LiveIndex(tmp_path_factory.mktemp("changing"), encoder_id="abc", subspaces=ODD)
    live.apply(put(1, range(300), vectors[:300]))
    query = Query.by_example(ODD, vectors[:1])
    stays = set(range(300))
    seen: list[str] = []
    progress: Progress | BlockProgress | None = None
    for revision in itertools.count(2):
        walk = Walk(live.moment, query, None, artists_of=artists_of, **clauses)
        size = data.draw(st.integers(20, 100))
        if is_diverse:
            assert not isinstance(progress, Progress)
            cut = cut_blocks(walk, by_diversity(walk, 0.5), progress, limit=size)
        else:
            assert not isinstance(progress, BlockProgress)
            cut = cut_ranking(walk, progress, limit=size)
        seen += [match.hit.track_id for match in cut.matches]
        progress = cut.progress
        if progress is None:
            break
        if revision < 6:
            coming = rng.choice(np.arange(300, 600), size=40, replace=False)
            live.apply(put(2 * revision, coming, vectors[coming]))
            going = rng.choice(600, size=20, replace=False)
            stays -= set(going.tolist())
            live.apply(delete(2 * revision + 1, going))
    assert len(seen) == len(set(seen))
    if clauses == {"duplicates_from": None, "most_per_artist": None}:
        assert set(ids(stays)) <= set(seen)


def test_where_all_of_a_block_goes_between_two_pages_the_answer_goes_on_behind_it(tmp_path):
    vectors = gathered_vectors(TRACKS, ODD, np.random.default_rng(3))
    live = LiveIndex(tmp_path, encoder_id="abc", subspaces=ODD)
    live.apply(put(1, range(TRACKS), vectors))
    query = Query.by_example(ODD, vectors[:1])
    ranking = [hit.track_id for hit in find(live.moment, query, limit=TRACKS)]
    walk = Walk(live.moment, query, None)
    first = cut_blocks(walk, by_diversity(walk, 0.5), None, limit=10)
    assert isinstance(first.progress, BlockProgress)
    live.apply(delete(2, [int(track_id[-6:]) for track_id in ranking[:BLOCK]]))
    walk = Walk(live.moment, query, None)
    rest = cut_blocks(walk, by_diversity(walk, 0.5), first.progress, limit=TRACKS)
    assert {match.hit.track_id for match in rest.matches} == set(ranking[BLOCK:])


@pytest.mark.parametrize("mark", ["x", "{", "[1]", "\u20ac", "[" * 1200])
def test_a_cursor_that_was_made_up_is_refused(live, mark):
    walk = Walk(live.moment, query_of(live.moment), None)
    progress = BlockProgress(after=None, hits=0, until=None, mark=mark)
    for arrange in (by_diversity(walk, 0.5), by_excerpt(walk, lambda _: [])):
        with pytest.raises(InvalidCursorError):
            cut_blocks(walk, arrange, progress, limit=5)


def test_a_walk_goes_on_behind_its_place_however_wrong_the_depth(live):
    state = live.moment
    query = query_of(state)
    whole = find(state, query, limit=TRACKS)
    for depth in (0, 40, 9_000):
        steps = Walk(state, query, None).steps(after=Place.of(whole[40]), depth=depth, wanted=5)
        assert [step.hit for step in steps] == whole[41:]
