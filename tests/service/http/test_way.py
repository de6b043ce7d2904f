"""GET /path, and any answer as a playlist."""

import io
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.model import ModelBundle
from service.catalogue.records import TrackEmbedding
from service.catalogue.repository import Catalogue
from service.search.forms import Form, wanted_form
from tests.service.http.running import Service
from tests.service.http.tiny_bundle import SLICES

PLAYLIST = {"accept": "audio/x-mpegurl"}


@pytest.fixture(scope="module")
def embeddings(catalogue: Catalogue, tiny_bundle: Path) -> dict[str, TrackEmbedding]:
    ids = [track.id for track in catalogue.list_tracks(limit=1000)]
    return catalogue.embeddings(ids, ModelBundle.open(tiny_bundle).encoder_id)


def similarity(query: np.ndarray, vector: np.ndarray, names: list[str]) -> float:
    total = 0.0
    for name in names:
        a, b = query[slice(*SLICES[name])].astype(float), vector[slice(*SLICES[name])].astype(float)
        total += float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) or 1.0))
    return total / len(names)


def point(start: np.ndarray, end: np.ndarray, share: float) -> np.ndarray:
    """By rotation: in the plane of both, `share` of the angle between them."""
    found = np.zeros(len(start))
    for begin, stop in SLICES.values():
        a, b = start[begin:stop].astype(float), end[begin:stop].astype(float)
        angle = np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))
        aside = b - (a @ b) * a
        if np.linalg.norm(aside) < 1e-6:
            found[begin:stop] = (1 - share) * a + share * b
            continue
        aside /= np.linalg.norm(aside)
        found[begin:stop] = np.cos(share * angle) * a + np.sin(share * angle) * aside
    return found


@pytest.mark.parametrize("steps", [2, 3, 10, 30, 50])
@pytest.mark.parametrize("names", [["era"], ["era", "mood, inner"], list(SLICES)])
def test_at_every_point_of_the_way_stands_the_nearest_track_that_is_left(
    shared: Service, embeddings: dict[str, TrackEmbedding], steps: int, names: list[str]
) -> None:
    start, end = list(embeddings)[4], list(embeddings)[17]
    parameters: dict[str, Any] = {"from": start, "to": end, "steps": steps}
    answer = shared.get("/path", params=parameters if len(names) == len(SLICES) else {**parameters, "dimension": names})
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    found = [item["track"]["id"] for item in items]
    assert (found[0], found[-1]) == (start, end)
    assert len(found) == len(set(found)) == min(steps, len(embeddings))
    taken = {start, end}
    for position, item in enumerate(items[1:-1], start=1):
        here = point(embeddings[start].vector, embeddings[end].vector, position / (steps - 1))
        best = max(similarity(here, each.vector, names) for i, each in embeddings.items() if i not in taken)
        assert item["similarity"] == pytest.approx(best, abs=1e-5)
        own = embeddings[item["track"]["id"]].vector
        assert similarity(here, own, names) == pytest.approx(best, abs=1e-5)
        taken.add(item["track"]["id"])


def test_a_way_back_begins_where_the_way_there_ended(shared: Service, embeddings: dict[str, TrackEmbedding]) -> None:
    start, end = list(embeddings)[:2]
    there = shared.get("/path", params={"from": start, "to": end, "steps": 2}).json()["items"]
    back = shared.get("/path", params={"from": end, "to": start, "steps": 2}).json()["items"]
    assert [item["track"]["id"] for item in back] == [item["track"]["id"] for item in reversed(there)]
    assert all(item["similarity"] == pytest.approx(1, abs=1e-5) for item in there)


@pytest.fixture
def calls(embeddings: dict[str, TrackEmbedding], music: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """One of every call that searches."""
    first, second = list(embeddings)[:2]
    clip = sorted(music.iterdir())[0]
    files = {"file": ("clip", clip.read_bytes())}
    return [
        ("POST", "/query?limit=4", {"json": {"tags": {"rock": 1}}}),
        ("GET", "/search?tag=rock&limit=4", {}),
        ("GET", f"/tracks/{first}/similar?limit=4", {}),
        ("POST", "/similar?limit=4", {"files": files}),
        ("GET", f"/path?from={first}&to={second}&steps=4", {}),
    ]


def test_any_answer_is_a_playlist_of_addresses_that_play(
    shared: Service, calls: list[tuple[str, str, dict[str, Any]]], music: Path
) -> None:
    for method, address, options in calls:
        plain = shared.request(method, address, **options).json()
        answer = shared.request(method, address, headers=PLAYLIST, **options)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("audio/x-mpegurl")
        assert answer.headers.get("facet-next-cursor") == plain.get("next_cursor")
        head, *rest = answer.text.splitlines()
        assert head == "#EXTM3U"
        addresses = rest[1::2]
        assert [re.sub(r".*/tracks/(.*)/audio", r"\1", each) for each in addresses] == [
            item["track"]["id"] for item in plain["items"]
        ]
        for line, item in zip(rest[::2], plain["items"], strict=True):
            assert line == f"#EXTINF:{round(item['track']['duration_seconds'])},{item['track']['title']}"
        assert all(each.startswith("http://localhost/tracks/") for each in addresses)
        assert shared.get(addresses[0]).status_code == 200
        assert str(music) not in answer.text


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("audio/x-mpegurl", True),
        ("Audio/MPEGURL", True),
        ("application/vnd.apple.mpegurl, */*;q=0.1", True),
        ("application/json, audio/x-mpegurl", False),
        ("application/json;q=0.5, audio/x-mpegurl;q=0.9", True),
        ("audio/x-mpegurl;q=0", False),
        ("audio/x-mpegurl;q=much", False),
        (";;,=,q", False),
    ],
)
def test_a_playlist_is_given_to_whoever_prefers_one(accept: str, wanted: bool) -> None:
    assert wanted_form(accept) is (Form.PLAYLIST if wanted else Form.JSON)


def test_any_answer_is_a_parquet_file_with_the_same_rows(
    shared: Service, calls: list[tuple[str, str, dict[str, Any]]]
) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed here: `make test` installs it")
    names = [item["name"] for item in shared.get("/dimensions").json()["items"]]
    for method, address, options in calls:
        plain = shared.request(method, address, **options).json()
        answer = shared.request(method, address, headers={"accept": "application/vnd.apache.parquet"}, **options)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/vnd.apache.parquet"
        assert answer.headers.get("facet-next-cursor") == plain.get("next_cursor")
        rows = pq.read_table(io.BytesIO(answer.content)).to_pylist()
        assert rows == [
            {
                "track_id": item["track"].pop("id"),
                **item["track"],
                "similarity": item["similarity"],
                **{f"similarity.{name}": item["dimensions"].get(name) for name in names},
                "excerpt_start_seconds": item["excerpt"]["start_seconds"],
                "excerpt_end_seconds": item["excerpt"]["end_seconds"],
            }
            for item in plain["items"]
        ]
        assert len(rows) == 4


def test_an_empty_answer_has_the_columns_all_the_same(shared: Service) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed here: `make test` installs it")
    tables = [
        pq.read_table(
            io.BytesIO(
                shared.get(f"/search?tag=rock{more}", headers={"accept": "application/vnd.apache.parquet"}).content
            )
        )
        for more in ("", "&label=nobody")
    ]
    assert (tables[0].num_rows, tables[1].num_rows) == (10, 0)
    assert tables[0].schema == tables[1].schema


def test_without_pyarrow_parquet_is_refused_in_words(shared: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused = shared.get("/search?tag=rock", headers={"accept": "application/vnd.apache.parquet"})
    assert (refused.status_code, refused.json()["code"]) == (406, "parquet_unavailable")
    assert "facet[parquet]" in refused.json()["detail"]
    assert shared.get("/search?tag=rock").status_code == 200
