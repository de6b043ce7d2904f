"""Searches, compared with brute force over the vectors that the catalogue holds."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from index.model import ModelBundle
from service.catalogue.records import TrackEmbedding
from service.catalogue.repository import Catalogue
from tests.service.http.running import Service, encoded, ingested, tune
from tests.service.http.tiny_bundle import EXCERPT_SAMPLES, SAMPLE_RATE, SLICES, TAGS

EXCERPT_SECONDS = EXCERPT_SAMPLES / SAMPLE_RATE
ALL_ALIKE = dict.fromkeys(SLICES, 1.0)


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> ModelBundle:
    return ModelBundle.open(tiny_bundle)


@pytest.fixture(scope="module")
def embeddings(catalogue: Catalogue, bundle: ModelBundle) -> dict[str, TrackEmbedding]:
    ids = [track.id for track in catalogue.list_tracks(limit=1000)]
    return catalogue.embeddings(ids, bundle.encoder_id)


def similarity(query: np.ndarray, vector: np.ndarray, weights: dict[str, float]) -> float:
    """The definition, a dimension at a time: the weighted mean of cosines."""
    total = 0.0
    for name, weight in weights.items():
        part = slice(*SLICES[name])
        lengths = np.linalg.norm(query[part].astype(float)) * np.linalg.norm(vector[part].astype(float))
        total += weight * float(query[part].astype(float) @ vector[part].astype(float) / lengths)
    return total / sum(weights.values())


def assert_ranked_like_brute_force(
    items: list[dict[str, Any]],
    query: np.ndarray,
    weights: dict[str, float],
    embeddings: dict[str, TrackEmbedding],
) -> None:
    expected = {track_id: similarity(query, each.vector, weights) for track_id, each in embeddings.items()}
    assert {item["track"]["id"] for item in items} == set(expected)
    for item in items:
        assert item["similarity"] == pytest.approx(expected[item["track"]["id"]], abs=2e-6)
    for nearer, farther in itertools.pairwise(items):
        assert expected[nearer["track"]["id"]] > expected[farther["track"]["id"]] - 2e-6


@pytest.mark.parametrize(
    ("parameters", "weights"),
    [
        ({}, ALL_ALIKE),
        ({"dimension": "era"}, {"era": 1}),
        ({"dimension": "x"}, {"x": 1}),
        ({"dimension": ["era", "é/.."]}, {"era": 1, "é/..": 1}),
        (
            {"weights": "klang farbe:1,groove:tight:0.5,mood, inner:2"},
            {"klang farbe": 1, "groove:tight": 0.5, "mood, inner": 2},
        ),
        ({"weights": "era:3,x:0"}, {"era": 3}),
    ],
)
def test_a_clip_finds_what_brute_force_finds(
    shared: Service,
    *,
    bundle: ModelBundle,
    embeddings: dict[str, TrackEmbedding],
    parameters: dict[str, Any],
    weights: dict[str, float],
) -> None:
    samples = tune(np.random.default_rng(77), seconds=1)
    heard = bundle.embed(samples[np.newaxis]).vectors[0]
    answer = shared.post_clip("/similar", encoded(samples, kind="FLAC"), params={**parameters, "limit": 100})
    assert answer.status_code == 200, answer.text
    assert answer.json()["next_cursor"] is None
    # FLAC stores 16 bits; the clip's vector is that of what was stored.
    items = answer.json()["items"]
    assert {item["track"]["id"] for item in items} == set(embeddings)
    for item in items:
        expected = similarity(heard, embeddings[item["track"]["id"]].vector, weights)
        assert item["similarity"] == pytest.approx(expected, abs=2e-3)
        assert set(item["dimensions"]) == set(SLICES)


@pytest.mark.parametrize("weights", [ALL_ALIKE, {"era": 1.0}, {"mood, inner": 2.0, "x": 0.25}])
def test_a_track_finds_what_brute_force_finds(
    shared: Service, embeddings: dict[str, TrackEmbedding], weights: dict[str, float]
) -> None:
    track_id, own = next(iter(embeddings.items()))
    text = ",".join(f"{name}:{weight}" for name, weight in weights.items())
    answer = shared.get(f"/tracks/{track_id}/similar", params={"weights": text, "limit": 100})
    others = {other: each for other, each in embeddings.items() if other != track_id}
    assert_ranked_like_brute_force(answer.json()["items"], own.vector, weights, others)


@pytest.mark.parametrize(
    ("tags", "parameters", "weights"),
    [
        (["rock"], {}, {"groove:tight": 1}),
        (["rock", "Rock 'n' Roll"], {}, {"groove:tight": 1}),
        (["ELECTRONIC", "warm"], {}, {"era": 1, "klang farbe": 1}),
        (["electronic", "warm"], {"weights": "era:1,klang farbe:3"}, {"era": 1, "klang farbe": 3}),
    ],
)
def test_tags_find_what_brute_force_finds(
    shared: Service,
    *,
    bundle: ModelBundle,
    embeddings: dict[str, TrackEmbedding],
    tags: list[str],
    parameters: dict[str, str],
    weights: dict[str, float],
) -> None:
    point = np.zeros(bundle.subspaces.width)
    for tag in tags:
        row = [name.lower() for name, _ in TAGS].index(tag.lower())
        point += bundle.proxies[row] / np.linalg.norm(bundle.proxies[row])
    answer = shared.get("/search", params={"tag": tags, "limit": 100, **parameters})
    assert answer.status_code == 200, answer.text
    assert_ranked_like_brute_force(answer.json()["items"], point, weights, embeddings)
    assert all(set(item["dimensions"]) == set(weights) for item in answer.json()["items"])


def test_the_explanation_is_the_cosine_in_each_dimension(
    shared: Service, embeddings: dict[str, TrackEmbedding]
) -> None:
    track_id, own = next(iter(embeddings.items()))
    for item in shared.get(f"/tracks/{track_id}/similar").json()["items"]:
        for name, cosine in item["dimensions"].items():
            other = embeddings[item["track"]["id"]].vector
            assert cosine == pytest.approx(similarity(own.vector, other, {name: 1}), abs=2e-6)


def test_the_excerpt_is_the_one_that_matches_best(shared: Service, embeddings: dict[str, TrackEmbedding]) -> None:
    track_id, own = next(iter(embeddings.items()))
    starts = set()
    for item in shared.get(f"/tracks/{track_id}/similar", params={"dimension": "era"}).json()["items"]:
        other = embeddings[item["track"]["id"]]
        matches = [similarity(own.vector, excerpt, {"era": 1}) for excerpt in other.excerpt_vectors]
        start = other.excerpt_starts[int(np.argmax(matches))]
        assert item["excerpt"]["start_seconds"] == pytest.approx(start, abs=1e-3)
        assert item["excerpt"]["end_seconds"] == pytest.approx(start + EXCERPT_SECONDS, abs=1e-3)
        starts.add(item["excerpt"]["start_seconds"])
    assert len(starts) > 1


def test_a_clip_of_an_ingested_file_finds_its_track_first(shared: Service, music: Path, catalogue: Catalogue) -> None:
    file = sorted(music.iterdir())[7]
    first = shared.post_clip("/similar", file).json()["items"][0]
    assert catalogue.track(first["track"]["id"]).path == file
    assert first["similarity"] == pytest.approx(1, abs=1e-5)
    assert all(cosine == pytest.approx(1, abs=1e-5) for cosine in first["dimensions"].values())


def test_a_track_is_never_similar_to_itself(shared: Service, embeddings: dict[str, TrackEmbedding]) -> None:
    track_id = next(iter(embeddings))
    items = shared.every_item(f"/tracks/{track_id}/similar", limit=7)
    assert track_id not in {item["track"]["id"] for item in items}
    assert len(items) == len(embeddings) - 1


@pytest.mark.parametrize("scale", [0.001, 1000])
def test_scaling_all_weights_keeps_the_answer(shared: Service, scale: float) -> None:
    plain = shared.get("/search", params={"tag": ["electronic", "warm"], "weights": "era:1,klang farbe:3"})
    scaled = shared.get(
        "/search", params={"tag": ["electronic", "warm"], "weights": f"era:{scale},klang farbe:{3 * scale}"}
    )
    assert scaled.json()["items"] == plain.json()["items"]


def test_a_repeated_dimension_is_an_equal_mix(shared: Service, music: Path) -> None:
    clip = sorted(music.iterdir())[0]
    repeated = shared.post_clip("/similar", clip, params={"dimension": ["era", "x"]})
    mixed = shared.post_clip("/similar", clip, params={"weights": "era:1,x:1"})
    assert repeated.json() == mixed.json()


def test_the_same_artist_is_left_out_on_demand(service: Service, tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    folder = tmp_path / "artists"
    folder.mkdir()
    for number, artist in enumerate(["The Same", "the same ", "Another"]):
        _write_tagged(folder / f"{number}.flac", tune(rng), artist=artist)
    ids = [str(result.track_id) for result in ingested(service.settings, folder)]
    service.wait_for(*ids)

    def found(**parameters: Any) -> set[str]:
        answer = service.get(f"/tracks/{ids[0]}/similar", params={"limit": 100, **parameters})
        return {item["track"]["id"] for item in answer.json()["items"]}

    assert {ids[1], ids[2]} <= found()
    assert found() - found(exclude_same_artist=True) == {ids[1]}


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_pages_give_every_track_once_in_the_order_of_one_answer(
    shared: Service, embeddings: dict[str, TrackEmbedding], limit: int
) -> None:
    whole = shared.get("/search", params={"tag": "rock", "limit": 100}).json()["items"]
    assert shared.every_item("/search?tag=rock", limit=limit) == whole
    assert len(whole) == len(embeddings)


def test_a_clip_s_answer_has_pages_too(shared: Service, music: Path, embeddings: dict[str, TrackEmbedding]) -> None:
    clip = sorted(music.iterdir())[3].read_bytes()
    items = shared.every_item("/similar", limit=11, clip=clip)
    assert [item["track"]["id"] for item in items] == list(dict.fromkeys(item["track"]["id"] for item in items))
    assert len(items) == len(embeddings)


def test_pages_give_every_track_once_while_others_are_added(service: Service, tmp_path: Path) -> None:
    before = {item["id"] for item in service.every_item("/tracks", limit=100)}
    first = service.get("/search", params={"tag": "rock", "limit": 10}).json()
    newcomers = tmp_path / "newcomers"
    newcomers.mkdir()
    rng = np.random.default_rng(31)
    for number in range(8):
        (newcomers / f"{number}.wav").write_bytes(encoded(tune(rng)))
    added = [str(result.track_id) for result in ingested(service.settings, newcomers)]
    service.wait_for(*added)
    seen = [item["track"]["id"] for item in first["items"]]
    cursor = first["next_cursor"]
    while cursor is not None:
        page = service.get("/search", params={"tag": "rock", "limit": 10, "cursor": cursor}).json()
        seen += [item["track"]["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen))
    assert before <= set(seen)
    # Those that belong before the place that had been reached are not shown again; some lie behind it.
    assert set(seen) & set(added)


def test_a_cursor_may_go_on_with_another_limit(shared: Service) -> None:
    whole = shared.get("/search", params={"tag": "rock", "limit": 12}).json()["items"]
    first = shared.get("/search", params={"tag": "rock", "limit": 4}).json()
    rest = shared.get("/search", params={"tag": "rock", "limit": 8, "cursor": first["next_cursor"]}).json()
    assert first["items"] + rest["items"] == whole


def test_the_same_question_in_other_words_takes_the_same_cursor(shared: Service) -> None:
    cursor = shared.get("/search", params={"tag": "rock", "limit": 4}).json()["next_cursor"]
    answer = shared.get("/search", params={"tag": "ROCK", "weights": "groove:tight:5", "cursor": cursor})
    assert answer.status_code == 200


def test_a_cursor_of_another_question_is_refused(shared: Service, music: Path) -> None:
    files = sorted(music.iterdir())
    by_tag = shared.get("/search", params={"tag": "rock", "limit": 4}).json()["next_cursor"]
    by_clip = shared.post_clip("/similar", files[0], params={"limit": 4}).json()["next_cursor"]
    answers = [
        shared.get("/search", params={"tag": "electronic", "cursor": by_tag}),
        shared.get("/search", params={"tag": ["rock", "electronic"], "cursor": by_tag}),
        shared.get("/tracks", params={"cursor": by_tag}),
        shared.post_clip("/similar", files[1], params={"cursor": by_clip}),
        shared.post_clip("/similar", files[0], params={"cursor": by_clip, "dimension": "era"}),
        shared.post_clip("/similar", files[0], params={"cursor": by_tag}),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(400, "invalid_cursor")] * 6


def _write_tagged(path: Path, samples: np.ndarray, *, artist: str) -> None:
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1) as file:
        file.artist = artist
        file.write(samples)
