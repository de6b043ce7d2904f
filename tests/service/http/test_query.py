"""POST /query against slow brute force: one loop over the catalogue's vectors for every clause of a question."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.model import ModelBundle
from service.catalogue.records import Track, TrackEmbedding
from service.catalogue.repository import Catalogue
from service.settings import Settings
from tests.service.http.running import Service, encoded, ingested, running_service, tune
from tests.service.http.tiny_bundle import EXCERPT_SAMPLES, SAMPLE_RATE, SLICES, TAGS

EXCERPT_SECONDS = EXCERPT_SAMPLES / SAMPLE_RATE
ARTISTS = ("Ann", "Björk", "Cut", None)
ALBUMS = ("First", "Second", None)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tunes by a few artists, in folders; every sixth is there twice, once a little quieter at its end."""
    folder = tmp_path_factory.mktemp("library")
    rng = np.random.default_rng(50)
    for number in range(42):
        samples = tune(rng, seconds=3 + number % 4)
        place = folder / ("jazz" if number % 3 else "jazzy") / f"{number:02d}.flac"
        place.parent.mkdir(exist_ok=True)
        _write(place, samples, number)
        if number % 6 == 0:
            samples[-800:] *= 0.9
            _write(place.with_name(f"{number:02d} again.flac"), samples, number + 1)
    return folder


def _write(path: Path, samples: np.ndarray, number: int) -> None:
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1) as file:
        artist, album = ARTISTS[number % len(ARTISTS)], ALBUMS[number % len(ALBUMS)]
        if artist is not None:
            file.artist = artist
        if album is not None:
            file.album = album
        if number % 5:
            file.date = str(1960 + number)
        file.write(samples)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path, library: Path) -> Iterator[Service]:
    data = tmp_path_factory.mktemp("asked")
    chosen = Settings(data_dir=data, model=tiny_bundle, threads=1, upload_bytes=2**20)
    assert all(result.track_id for result in ingested(chosen, library))
    with running_service(chosen) as service:
        yield service


@dataclass(frozen=True)
class World:
    """All that the catalogue holds, and the definitions of what is asked of it."""

    bundle: ModelBundle
    tracks: dict[str, Track]
    embeddings: dict[str, TrackEmbedding]

    @property
    def ids(self) -> list[str]:
        return list(self.tracks)

    def cosine(self, one: np.ndarray, other: np.ndarray, name: str) -> float:
        part = slice(*SLICES[name])
        a, b = one[part].astype(float), other[part].astype(float)
        lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
        return float(a @ b) / lengths if lengths else 0.0

    def similarity(self, query: np.ndarray, vector: np.ndarray, weights: dict[str, float]) -> float:
        total = sum(weight * self.cosine(query, vector, name) for name, weight in weights.items())
        return total / sum(weights.values())

    def proxy(self, name: str) -> np.ndarray:
        row = next(row for row, (tag, _) in enumerate(TAGS) if tag.lower() == name.lower())
        proxy = self.bundle.proxies[row].astype(float)
        return proxy / np.linalg.norm(proxy)

    def ranking(self, query: np.ndarray, weights: dict[str, float], ids: list[str]) -> list[str]:
        return sorted(ids, key=lambda i: (-self.similarity(query, self.embeddings[i].vector, weights), i))


@pytest.fixture(scope="module")
def world(asked: Service, tiny_bundle: Path) -> World:
    bundle = ModelBundle.open(tiny_bundle)
    with Catalogue.open(asked.settings.catalogue_url) as catalogue:
        tracks = {track.id: track for track in catalogue.list_tracks(limit=1000)}
        return World(bundle, tracks, catalogue.embeddings(list(tracks), bundle.encoder_id))


def ask(service: Service, question: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    answer = service.request("POST", "/query", json=question, params={"limit": 100, **parameters})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ids_of(answer: dict[str, Any]) -> list[str]:
    return [item["track"]["id"] for item in answer["items"]]


def every_page(service: Service, question: dict[str, Any], *, limit: int) -> list[dict[str, Any]]:
    pages = [ask(service, question, limit=limit)]
    while pages[-1]["next_cursor"] is not None:
        pages.append(ask(service, question, limit=limit, cursor=pages[-1]["next_cursor"]))
    return pages


ALL_ALIKE = dict.fromkeys(SLICES, 1.0)


def test_examples_and_tags_liked_or_not_are_one_sum(asked: Service, world: World) -> None:
    liked, other, unlike = world.ids[3:6]
    question = {
        "positive": [{"track": liked}, {"track": other, "weight": 2}],
        "negative": [{"track": unlike}],
        "tags": {"ROCK": 0.7, "still": -0.4},
        "weights": {"groove:tight": 1, "mood, inner": 2, "x": 0},
    }
    vector = {track_id: each.vector.astype(float) for track_id, each in world.embeddings.items()}
    towards = vector[liked] + 2 * vector[other] - 0.5 * vector[unlike]
    towards = towards + 0.7 * world.proxy("rock") - 0.4 * world.proxy("still")
    weights = {"groove:tight": 1.0, "mood, inner": 2.0}
    answer = ask(asked, question)
    expected = world.ranking(towards, weights, [i for i in world.ids if i not in {liked, other, unlike}])
    assert set(ids_of(answer)) == set(expected)
    for item in answer["items"]:
        own = world.embeddings[item["track"]["id"]].vector
        assert item["similarity"] == pytest.approx(world.similarity(towards, own, weights), abs=3e-6)
        for name, cosine in item["dimensions"].items():
            assert cosine == pytest.approx(world.cosine(towards, own, name), abs=3e-6)
    similarities = [item["similarity"] for item in answer["items"]]
    assert similarities == sorted(similarities, reverse=True)
    assert answer["filtered"] == {"tracks": len(world.ids), "dropped": {"examples": 3}, "left": len(expected)}


def test_the_question_is_told_as_it_was_understood_and_asked_again_answers_the_same(
    asked: Service, world: World
) -> None:
    question = {
        "positive": [{"track": world.ids[0]}],
        "negative": [{"track": world.ids[1], "end_seconds": 2}],
        "tags": {"ELECTRONIC": 1},
        "filters": {"tags": {"WARM": {"at_least": 0.01}}},
    }
    answer = ask(asked, question, limit=5)
    understood = answer["question"]
    assert understood["tags"] == {"electronic": 1}
    assert understood["weights"] == ALL_ALIKE
    assert [each["weight"] for each in (*understood["positive"], *understood["negative"])] == [1, 0.5]
    assert list(understood["filters"]["tags"]) == ["Warm"]
    assert ask(asked, understood, limit=5) == answer
    next_of_one = ask(asked, question, limit=5, cursor=answer["next_cursor"])
    assert ask(asked, understood, limit=5, cursor=answer["next_cursor"]) == next_of_one


def test_a_part_of_a_track_is_the_excerpts_whose_middle_lies_in_it(asked: Service, world: World) -> None:
    track_id = next(i for i, each in world.embeddings.items() if len(each.excerpt_starts) >= 4)
    embedding = world.embeddings[track_id]
    starts = embedding.excerpt_starts.astype(float)
    for span, chosen in (
        ({"start_seconds": starts[1], "end_seconds": starts[2] + EXCERPT_SECONDS}, [1, 2]),
        ({"start_seconds": starts[1]}, range(1, len(starts))),
        ({"end_seconds": starts[1]}, [0]),
        ({"start_seconds": starts[2] + 0.3, "end_seconds": starts[2] + 0.4}, [2]),  # holds no middle: the nearest
    ):
        answer = ask(asked, {"positive": [{"track": track_id, **span}]})
        heard = embedding.excerpt_vectors[list(chosen)].astype(float).mean(axis=0)
        for item in answer["items"]:
            own = world.embeddings[item["track"]["id"]].vector
            assert item["similarity"] == pytest.approx(world.similarity(heard, own, ALL_ALIKE), abs=1e-3)


def test_another_genre_in_the_same_mood_is_a_ceiling(asked: Service, world: World) -> None:
    liked = world.ids[2]
    vector = world.embeddings[liked].vector
    cosines = {i: world.cosine(vector, each.vector, "era") for i, each in world.embeddings.items() if i != liked}
    ceiling = float(np.median(list(cosines.values()))) + 1e-5
    answer = ask(asked, {"positive": [{"track": liked}], "weights": {"mood, inner": 1}, "ceilings": {"era": ceiling}})
    assert set(ids_of(answer)) == {i for i, cosine in cosines.items() if cosine <= ceiling}
    assert all(item["dimensions"]["era"] <= ceiling for item in answer["items"])
    assert answer["filtered"]["dropped"]["ceilings.era"] == sum(cosine > ceiling for cosine in cosines.values())


FILTERS: list[tuple[dict[str, Any], Callable[[World, Track], bool]]] = [
    ({"artists": ["ann", "BJO\u0308RK"]}, lambda _, track: track.artist in {"Ann", "Björk"}),
    ({"artists": ["nobody"]}, lambda *_: False),
    ({"artists": []}, lambda *_: False),
    ({"albums": ["second"]}, lambda _, track: track.album == "Second"),
    ({"year": {"at_least": 1970, "at_most": 1980}}, lambda _, track: track.year and 1970 <= track.year <= 1980),
    ({"year": {}}, lambda _, track: track.year is not None),
    ({"duration_seconds": {"at_most": 4.01}}, lambda _, track: track.duration_seconds <= 4.01),
    (
        {"tags": {"rock": {"at_least": 0.3, "at_most": 0.9}, "dry": {"at_least": 0.2}}},
        lambda world, track: (
            0.3 <= world.embeddings[track.id].tag_probabilities[2] <= 0.9
            and world.embeddings[track.id].tag_probabilities[1] >= 0.2
        ),
    ),
    ({"path_prefix": "LIBRARY/jazz"}, lambda _, track: track.path.parent.name == "jazz"),
    ({"path_prefix": "LIBRARY/jazz/01.flac"}, lambda _, track: track.path.name == "01.flac"),
    (
        {"artists": ["Cut"], "year": {"at_least": 1975}, "path_prefix": "LIBRARY/jazzy"},
        lambda _, track: track.artist == "Cut" and (track.year or 0) >= 1975 and track.path.parent.name == "jazzy",
    ),
]


@pytest.mark.parametrize(("filters", "passes"), FILTERS)
def test_a_filter_lets_through_what_it_says_and_counts_the_rest(
    asked: Service, world: World, library: Path, filters: dict[str, Any], passes: Callable[[World, Track], bool]
) -> None:
    filters = json.loads(json.dumps(filters).replace("LIBRARY", str(library)))
    question = {"tags": {"rock": 1}, "filters": filters}
    answer = ask(asked, question)
    expected = [track_id for track_id, track in world.tracks.items() if passes(world, track)]
    assert set(ids_of(answer)) == set(expected)
    figures = answer["filtered"]
    assert (figures["tracks"], figures["left"]) == (len(world.tracks), len(expected))
    assert figures["tracks"] == figures["left"] + sum(figures["dropped"].values())
    assert list(figures["dropped"]) == list(filters)
    similarities = [item["similarity"] for item in answer["items"]]
    assert similarities == sorted(similarities, reverse=True)
    paged = [i for page in every_page(asked, question, limit=3) for i in ids_of(page)]
    assert paged == ids_of(answer)


def test_what_the_examples_artists_and_albums_made_is_left_out_on_demand(asked: Service, world: World) -> None:
    liked = next(i for i, track in world.tracks.items() if track.artist == "Ann" and track.album == "First")
    unlike = next(i for i, track in world.tracks.items() if track.artist == "Cut" and track.album == "Second")
    question = {
        "positive": [{"track": liked}],
        "negative": [{"track": unlike}],
        "exclude_same_artist": True,
        "exclude_same_album": True,
    }
    answer = ask(asked, question)
    expected = {
        i for i, track in world.tracks.items() if track.artist != "Ann" and track.album != "First" and i != unlike
    }
    assert set(ids_of(answer)) == expected
    assert list(answer["filtered"]["dropped"]) == ["examples", "exclude_same_artist", "exclude_same_album"]


def folded(world: World, ranking: list[str], threshold: float) -> tuple[list[str], dict[str, str]]:
    """Greedily, from the top: whoever is alike in every dimension to one that was kept is folded into it."""
    kept: list[str] = []
    into: dict[str, str] = {}
    for track_id in ranking:
        vector = world.embeddings[track_id].vector
        for other in kept:
            if all(world.cosine(vector, world.embeddings[other].vector, name) >= threshold for name in SLICES):
                into[track_id] = other
                break
        else:
            kept.append(track_id)
    return kept, into


@pytest.mark.parametrize("threshold", [0.999, 0.9])
@pytest.mark.parametrize("limit", [1, 5, 100])
def test_near_duplicates_are_folded_into_the_first(asked: Service, world: World, threshold: float, limit: int) -> None:
    question = {"tags": {"rock": 1, "warm": 1}}
    plain = ids_of(ask(asked, question))
    pages = every_page(asked, {**question, "duplicates_from": threshold}, limit=limit)
    kept, into = folded(world, plain, threshold)
    assert [i for page in pages for i in ids_of(page)] == kept
    told = [pair for page in pages for pair in page["passed_over"]["duplicates"]]
    assert [pair["track_id"] for pair in told] == [i for i in plain if i in into]
    assert {pair["track_id"]: pair["into"] for pair in told} == into
    assert len(into) >= 7


@pytest.mark.parametrize("limit", [1, 4, 100])
def test_an_artist_has_no_more_tracks_than_wanted(asked: Service, world: World, limit: int) -> None:
    question = {"tags": {"electronic": 1}}
    expected, seen = [], Counter[str]()
    plain = ids_of(ask(asked, question))
    for track_id in plain:
        artist = world.tracks[track_id].artist
        if artist is None or seen[artist] < 3:
            expected.append(track_id)
        seen[artist or ""] += 1
    pages = every_page(asked, {**question, "most_per_artist": 3}, limit=limit)
    assert [i for page in pages for i in ids_of(page)] == expected
    assert sum(page["passed_over"]["most_per_artist"] for page in pages) == len(plain) - len(expected)


@pytest.mark.parametrize("diversity", [0.2, 0.7, 1.0])
@pytest.mark.parametrize("limit", [1, 6, 100])
def test_a_diverse_answer_is_in_the_order_of_the_definition(
    asked: Service, world: World, diversity: float, limit: int
) -> None:
    question = {"positive": [{"track": world.ids[1]}], "weights": {"era": 1, "mood, inner": 1}}
    weights = {"era": 1.0, "mood, inner": 1.0}
    relevance = {item["track"]["id"]: item["similarity"] for item in ask(asked, question)["items"]}
    vectors = {i: world.embeddings[i].vector for i in relevance}
    expected: list[str] = []
    remaining = list(relevance)
    while remaining:
        scores = [
            (1 - diversity) * relevance[i]
            - diversity * max(world.similarity(vectors[i], vectors[j], weights) for j in expected)
            if expected
            else relevance[i]
            for i in remaining
        ]
        expected.append(remaining.pop(int(np.argmax(scores))))
    pages = every_page(asked, {**question, "diversity": diversity}, limit=limit)
    assert [i for page in pages for i in ids_of(page)] == expected


@pytest.mark.parametrize("limit", [1, 9, 100])
def test_excerpts_are_found_one_by_one(asked: Service, world: World, limit: int) -> None:
    question = {"positive": [{"track": world.ids[1]}], "weights": {"era": 1}, "group_by": "excerpt"}
    query = world.embeddings[world.ids[1]].vector
    expected = {
        (i, round(float(start), 3)): world.similarity(query, vector, {"era": 1})
        for i, each in world.embeddings.items()
        for start, vector in zip(each.excerpt_starts, each.excerpt_vectors, strict=True)
        if i != world.ids[1]
    }
    items = [item for page in every_page(asked, question, limit=limit) for item in page["items"]]
    found = [(item["track"]["id"], item["excerpt"]["start_seconds"]) for item in items]
    assert len(found) == len(set(found))
    assert set(found) == set(expected)
    for item, key in zip(items, found, strict=True):
        assert item["similarity"] == pytest.approx(expected[key], abs=1e-3)
        assert item["excerpt"]["end_seconds"] == pytest.approx(key[1] + EXCERPT_SECONDS, abs=1e-3)
    assert all(a["similarity"] >= b["similarity"] for a, b in itertools.pairwise(items))


QUESTIONS = st.fixed_dictionaries(
    {
        "tags": st.dictionaries(
            st.sampled_from(["rock", "warm", "80s", "still"]), st.sampled_from([-1, 0.5, 2]), min_size=1
        )
    },
    optional={
        "duplicates_from": st.sampled_from([0.9, 0.99, 0.9999]),
        "most_per_artist": st.integers(1, 5),
        "filters": st.sampled_from([{"year": {"at_least": 1975}}, {"artists": ["Ann", "Cut"]}, {}]),
        "diversity": st.sampled_from([0.0, 0.5]),
    },
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=QUESTIONS, limits=st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_pages_of_any_size_give_every_track_once_in_one_order(
    asked: Service, question: dict[str, Any], limits: list[int]
) -> None:
    whole = ask(asked, question)
    assert whole["next_cursor"] is None
    sizes = itertools.cycle(limits)
    page = ask(asked, question, limit=next(sizes))
    items = page["items"]
    while page["next_cursor"] is not None:
        page = ask(asked, question, limit=next(sizes), cursor=page["next_cursor"])
        assert page["items"]
        items += page["items"]
    assert items == whole["items"]
    ids = [item["track"]["id"] for item in items]
    assert len(ids) == len(set(ids))


def test_the_other_calls_are_special_cases(asked: Service, world: World, library: Path) -> None:
    clip = next(library.rglob("05.flac"))
    handle = asked.post_clip("/clips", clip).json()["id"]
    liked = world.ids[0]
    cases = [
        (asked.get("/search?tag=rock&tag=Warm"), {"tags": {"rock": 1, "warm": 1}}),
        (asked.get("/search?tag=rock&weights=groove:tight:3"), {"tags": {"rock": 1}, "weights": {"groove:tight": 3}}),
        (asked.get(f"/tracks/{liked}/similar"), {"positive": [{"track": liked}]}),
        (
            asked.get(f"/tracks/{liked}/similar?exclude_same_artist=true&weights=era:1,x:2"),
            {"positive": [{"track": liked}], "exclude_same_artist": True, "weights": {"era": 1, "x": 2}},
        ),
        (asked.post_clip("/similar?dimension=era", clip), {"positive": [{"clip": handle}], "weights": {"era": 1}}),
    ]
    for special, question in cases:
        general = ask(asked, question, limit=10)
        assert {key: general[key] for key in ("items", "next_cursor", "ended_at_depth")} == special.json()
        assert set(special.json()) == {"items", "next_cursor", "ended_at_depth"}


def test_a_clip_is_heard_once_and_named_as_often_as_wanted(asked: Service, library: Path) -> None:
    clip = next(library.rglob("07.flac"))
    uploaded = asked.post_clip("/clips", clip)
    assert uploaded.status_code == 201
    handle = uploaded.json()["id"]
    assert asked.post_clip("/clips", clip).json()["id"] == handle
    found = ask(asked, {"positive": [{"clip": handle}], "tags": {"rock": 0.01}}, limit=1)
    assert found["items"][0]["similarity"] == pytest.approx(1, abs=1e-3)
    assert found["question"]["positive"][0]["clip"] == handle


def test_a_handle_means_nothing_to_another_service(asked: Service, settings: Settings, library: Path) -> None:
    clip = next(library.rglob("07.flac"))
    handle = asked.post_clip("/clips", clip).json()["id"]
    with running_service(settings) as other:
        assert other.post_clip("/clips", clip).json()["id"] != handle
        answer = other.request("POST", "/query", json={"positive": [{"clip": handle}]})
        assert (answer.status_code, answer.json()["code"]) == (404, "clip_not_found")


def test_clips_are_kept_within_bounds(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.clips.REMEMBERED", 2)
    rng = np.random.default_rng(8)
    with running_service(settings) as service:
        handles = [service.post_clip("/clips", encoded(tune(rng, seconds=1))).json()["id"] for _ in range(2)]
        assert ask(service, {"positive": [{"clip": handles[0]}]}, limit=1)["items"]
        handles.append(service.post_clip("/clips", encoded(tune(rng, seconds=1))).json()["id"])
        # The second has not been asked about for the longest time.
        statuses = [
            service.request("POST", "/query", json={"positive": [{"clip": handle}]}).status_code for handle in handles
        ]
        assert statuses == [200, 404, 200]


def test_what_was_added_or_taken_away_is_filtered_as_it_is_now(service: Service, tmp_path: Path) -> None:
    question = {"tags": {"rock": 1}, "filters": {"artists": ["Newcomer"], "tags": {"rock": {"at_least": 0}}}}
    assert ask(service, question)["filtered"]["left"] == 0
    _write(tmp_path / "one.flac", tune(np.random.default_rng(9)), 0)
    with soundfile.SoundFile(tmp_path / "two.flac", "w", SAMPLE_RATE, 1) as file:
        file.artist = "Newcomer"
        file.write(tune(np.random.default_rng(10)))
    results = ingested(service.settings, tmp_path / "one.flac", tmp_path / "two.flac")
    service.wait_for(*(str(result.track_id) for result in results))
    assert ids_of(ask(service, question)) == [results[1].track_id]


def test_a_diverse_answer_repeats_nothing_while_tracks_come_and_go(service: Service, tmp_path: Path) -> None:
    question = {"tags": {"rock": 1}, "diversity": 0.5}
    before = set(ids_of(ask(service, question)))
    page = ask(service, question, limit=10)
    seen = ids_of(page)
    rng = np.random.default_rng(11)
    for number in range(6):
        (tmp_path / f"{number}.wav").write_bytes(encoded(tune(rng)))
    added = [str(result.track_id) for result in ingested(service.settings, *sorted(tmp_path.glob("*.wav")))]
    service.wait_for(*added)
    while page["next_cursor"] is not None:
        page = ask(service, question, limit=10, cursor=page["next_cursor"])
        seen += ids_of(page)
    assert len(seen) == len(set(seen))
    assert before <= set(seen)
