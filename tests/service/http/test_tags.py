"""What the model hears, with how far it can be trusted: recomputed excerpt by excerpt from the clip itself."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from index.model import ModelBundle
from service.catalogue.repository import Catalogue
from tests.service.http.running import RATE, Service, encoded, tune
from tests.service.http.tiny_bundle import CALIBRATED, EXCERPT_SAMPLES, SLICES, TAGS

SECONDS = 5.4
SOUND = encoded(tune(np.random.default_rng(11), seconds=SECONDS))


def _by_definition(dimensions: list[dict[str, Any]], probabilities: np.ndarray, *, within: float) -> None:
    """Every tag of the bundle stands under its own dimension, best first, with the probability that was computed."""
    assert [each["name"] for each in dimensions] == list(SLICES)
    expected = {name: probabilities[row] for row, (name, _) in enumerate(TAGS)}
    for each in dimensions:
        assert {tag["name"] for tag in each["tags"]} == {name for name, own in TAGS if own == each["name"]}
        assert {tag["dimension"] for tag in each["tags"]} <= {each["name"]}
        told = [tag["probability"] for tag in each["tags"]]
        assert told == sorted(told, reverse=True)
        assert told == pytest.approx([expected[tag["name"]] for tag in each["tags"]], abs=within)


def test_a_clip_s_probability_is_the_mean_over_its_excerpts(shared: Service, tiny_bundle: Path) -> None:
    answer = shared.post_clip("/tags?excerpts=true", SOUND).json()
    samples, _ = soundfile.read(io.BytesIO(SOUND), dtype="float32")
    starts = [round(each["start_seconds"] * RATE) for each in answer["excerpts"]]
    assert len(starts) >= 5
    assert starts == sorted(set(starts))
    excerpts = np.stack([samples[start : start + EXCERPT_SAMPLES] for start in starts])
    _, logits = ModelBundle.open(tiny_bundle).encode(excerpts)
    probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
    assert np.ptp(probabilities, axis=0).max() > 0.1
    _by_definition(answer["dimensions"], probabilities.mean(axis=0), within=2e-4)
    for each, start, own in zip(answer["excerpts"], starts, probabilities, strict=True):
        assert each["end_seconds"] == pytest.approx(min(start / RATE + 1, SECONDS), abs=0.001)
        _by_definition(each["dimensions"], own, within=1e-3)


def test_a_tag_says_on_what_it_was_calibrated(shared: Service) -> None:
    entry = CALIBRATED["rock"]
    known = shared.get("/tags").json()["items"]
    assert [(tag["name"], tag["dimension"]) for tag in known] == list(TAGS)
    assert {tag["name"]: tag["calibration"] for tag in known if tag["calibration"]} == {"rock": entry.model_dump()}
    heard = shared.post_clip("/tags", SOUND).json()
    calibrated = {tag["name"]: tag["calibrated_on"] for each in heard["dimensions"] for tag in each["tags"]}
    assert calibrated == {name: entry.on if name == "rock" else None for name, _ in TAGS}
    assert heard["excerpts"] is None


def test_what_is_wanted_of_the_tags_is_told_and_no_more(shared: Service) -> None:
    everything = shared.post_clip("/tags", SOUND).json()["dimensions"]
    one = shared.post_clip("/tags?limit=1", SOUND).json()["dimensions"]
    assert one == [{**each, "tags": each["tags"][:1]} for each in everything]
    # Whatever their order in the question, dimensions come in the bundle's, each once.
    asked = {"dimension": ["era", "klang farbe", "era"]}
    some = shared.post_clip("/tags", SOUND, params=asked).json()["dimensions"]
    assert some == [each for each in everything if each["name"] in asked["dimension"]]
    bound = sorted(tag["probability"] for each in everything for tag in each["tags"])[3]
    surely = shared.post_clip(f"/tags?at_least={bound}", SOUND).json()["dimensions"]
    assert surely == [
        {**each, "tags": [tag for tag in each["tags"] if tag["probability"] >= bound]} for each in everything
    ]
    assert sum(len(each["tags"]) for each in surely) == len(TAGS) - 3
    parameters = {"excerpts": "true", "limit": 1, "dimension": "era", "at_least": 0.01}
    excerpts = shared.post_clip("/tags", SOUND, params=parameters).json()["excerpts"]
    assert {len(each["dimensions"]) for each in excerpts} == {1}
    assert {len(each["dimensions"][0]["tags"]) for each in excerpts} <= {0, 1}


def test_a_clip_that_was_sent_before_is_not_sent_again(shared: Service) -> None:
    handle = shared.post_clip("/clips", SOUND).json()["id"]
    for parameters in ("", "?excerpts=true&limit=1"):
        again = shared.get(f"/clips/{handle}/tags{parameters}")
        assert again.status_code == 200
        assert again.json() == shared.post_clip(f"/tags{parameters}", SOUND).json()


def test_a_track_s_tags_are_those_that_were_stored(shared: Service, catalogue: Catalogue, tiny_bundle: Path) -> None:
    encoder_id = ModelBundle.open(tiny_bundle).encoder_id
    for track in catalogue.list_tracks(limit=5):
        embedding = catalogue.embedding(track.id, encoder_id)
        assert embedding is not None
        answer = shared.get(f"/tracks/{track.id}/tags").json()
        assert set(answer) == {"dimensions"}
        _by_definition(answer["dimensions"], embedding.tag_probabilities, within=1e-6)
        every = [tag for each in answer["dimensions"] for tag in each["tags"]]
        told = sorted(every, key=lambda tag: (-tag["probability"], tag["name"]))
        assert told == shared.get(f"/tracks/{track.id}").json()["tags"]
        best = shared.get(f"/tracks/{track.id}/tags?dimension=era&limit=1").json()["dimensions"]
        assert [tag["name"] for tag in best[0]["tags"]] == [tag["name"] for tag in told if tag["dimension"] == "era"][
            :1
        ]
