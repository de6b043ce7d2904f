"""The page's files and the calls that only a page needs, in process. What a browser makes of them: tests/web."""

import re
import sqlite3
import uuid
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from index.audio import AudioErrorCode
from index.decoder import Decoder
from service.catalogue.repository import Catalogue
from service.ingest.reading import FileErrorCode
from service.peaks.kept import KeptPeaks
from service.peaks.measuring import PEAKS, measured_peaks
from service.settings import Settings
from service.web.failures import OTHERWISE, advice_for
from service.web.static_files import FOLDER, read_static_files
from tests.service.http.running import RATE, Service, encoded, ingested, running_service, tune

BUDGET_BYTES = 150_000


def test_the_page_comes_with_a_policy_that_allows_nothing_but_this_service(shared: Service) -> None:
    answer = shared.get("/?like=t:whatever&with=anything")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_every_file_that_the_page_names_is_there_with_its_type(shared: Service) -> None:
    named = re.findall(r'(?:href|src)="(/web/[^"]+)"', shared.get("/").text)
    assert len(named) > 5
    kinds = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
    for address in named:
        answer = shared.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["content-type"] == kinds[address.rpartition(".")[2]]


def test_whoever_asks_for_an_icon_at_the_usual_address_gets_the_pages(shared: Service) -> None:
    icon, linked = shared.get("/favicon.ico"), shared.get("/web/icon.svg")
    assert icon.status_code == 200
    assert icon.headers["content-type"] == "image/svg+xml"
    assert icon.content == linked.content
    assert "img-src 'self'" in icon.headers["content-security-policy"]
    again = shared.get("/favicon.ico", headers={"If-None-Match": icon.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_every_module_that_a_module_imports_is_there() -> None:
    for path in (FOLDER / "js").glob("*.js"):
        for name in re.findall(r'(?:from|import\(?) ?"\./([^"]+)"', path.read_text()):
            assert (path.parent / name).is_file(), f"{path.name} imports {name}"


@pytest.mark.parametrize("header", ["{}", "W/{}", '"another", {}', "*"])
def test_a_file_that_did_not_change_is_not_sent_again(shared: Service, header: str) -> None:
    first = shared.get("/web/js/main.js")
    again = shared.get("/web/js/main.js", headers={"If-None-Match": header.format(first.headers["etag"])})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["nothing.js", "../endpoints.py", "%2e%2e/endpoints.py", "", "js"])
def test_nothing_but_the_pages_files_is_served(shared: Service, name: str) -> None:
    answer = shared.get(f"/web/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_the_whole_page_is_small_and_loads_nothing_from_another_host() -> None:
    files = read_static_files()
    assert sum(len(file.content) for file in files.values()) < BUDGET_BYTES
    for name, file in files.items():
        text = file.content.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", text), name
        assert "style=" not in text or not name.endswith(".html"), name


def test_a_files_lines_stay_readable() -> None:
    for name, file in read_static_files().items():
        lines = file.content.decode().splitlines()
        assert len(lines) <= 300, name
        assert max(map(len, lines)) <= 180, name


def test_tracks_are_found_by_words_of_their_names_in_any_case(shared: Service, catalogue: Catalogue) -> None:
    tracks = catalogue.list_tracks(limit=100)
    wanted = tracks[7]
    items = shared.get(f"/names?text={wanted.title.upper()}").json()["items"]
    expected = [track.id for track in tracks if wanted.title.lower() in track.title.lower()]
    assert [item["id"] for item in items] == expected[:10]
    assert shared.get("/names?text=tune+zebra").json()["items"] == []
    assert len(shared.get("/names?text=tune&limit=3").json()["items"]) == 3
    assert shared.get("/names?text=%25").json()["items"] == []


def test_a_playlist_of_tracks_that_are_gone_is_refused_with_their_ids(shared: Service, catalogue: Catalogue) -> None:
    here = [track.id for track in catalogue.list_tracks(limit=2)]
    gone = str(uuid.uuid4())
    answer = shared.request("POST", "/playlist", json={"track_ids": [here[1], gone, here[0], "no id", gone]})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (404, "track_not_found")
    assert problem["missing"] == [gone, "no id"]
    assert gone in problem["detail"]
    assert "1 more" in problem["detail"]
    one = shared.request("POST", "/playlist", json={"track_ids": [gone]}).json()
    assert (one["missing"], "more" in one["detail"]) == ([gone], False)
    whole = shared.request("POST", "/playlist", json={"track_ids": here})
    assert [each in whole.text for each in here] == [True, True]


def test_the_state_of_the_catalogue_counts_and_says_what_to_do(
    settings: Settings, tmp_path: Path, catalogue: Catalogue
) -> None:
    (tmp_path / "broken.mp3").write_bytes(b"no music at all")
    assert ingested(settings, tmp_path / "broken.mp3")[0].code == "not_audio"
    with running_service(settings) as service:
        state = service.get("/catalogue").json()
    assert (state["tracks"], state["searchable"]) == (catalogue.count_tracks(), catalogue.count_tracks())
    assert state["failures"] == [{"code": "not_audio", "files": 1, "advice": advice_for("not_audio")}]
    assert advice_for("not_audio") != OTHERWISE


@pytest.mark.parametrize("code", [*AudioErrorCode, *FileErrorCode])
def test_for_every_failure_there_is_something_to_do_or_to_leave(code: str) -> None:
    assert advice_for(code) != OTHERWISE


def test_likeness_is_what_random_pairs_have(shared: Service, catalogue: Catalogue) -> None:
    likeness = shared.get("/catalogue").json()["likeness"]
    encoder_id = shared.get("/model").json()["answering"]["encoder_id"]
    vectors = np.concatenate([batch for _, batch in catalogue.all_embeddings(encoder_id)])
    assert list(likeness) == ["klang farbe", "groove:tight", "é/..", "mood, inner", "x", "era"]
    groove = vectors[:, 5:9]
    cosines = (groove @ groove.T)[~np.eye(len(groove), dtype=bool)]
    quantiles = likeness["groove:tight"]
    assert len(quantiles) == 21
    assert all(low <= high for low, high in pairwise(quantiles))
    # 2,000 pairs: a share is known to within some three percentiles, which lie closest in the middle.
    shares = [(cosines <= quantile).mean() for quantile in quantiles[1:-1]]
    assert np.abs(np.array(shares) - np.linspace(0.05, 0.95, 19)).max() < 0.05


def test_peaks_follow_the_sound(tmp_path: Path) -> None:
    """Half a second of every second is loud: the outline says where, to a hundredth of the file."""
    seconds = np.arange(8 * RATE) / RATE
    loud = seconds % 1 < 0.5
    samples = np.sin(2 * np.pi * 440 * seconds) * np.where(loud, 0.4, 0.02)
    file = tmp_path / "pulses.wav"
    file.write_bytes(encoded(samples.astype(np.float32)))
    with Decoder() as decoder:
        peaks = measured_peaks(decoder, file, duration_seconds=8.0)
    assert peaks.shape == (PEAKS,)
    expected = np.where((np.arange(PEAKS) + 0.5) / PEAKS * 8 % 1 < 0.5, 255, 255 * 0.05)
    assert (np.abs(peaks - expected) < 16).mean() > 0.95


def test_silence_and_a_very_short_sound_have_an_outline_too(tmp_path: Path) -> None:
    file = tmp_path / "file.wav"
    with Decoder() as decoder:
        file.write_bytes(encoded(np.zeros(RATE, np.float32)))
        assert measured_peaks(decoder, file, duration_seconds=1.0).tolist() == [0] * PEAKS
        file.write_bytes(encoded(tune(np.random.default_rng(1), seconds=0.05)))
        assert measured_peaks(decoder, file, duration_seconds=0.05).max() == 255
        # A header that claims far more than there is.
        assert measured_peaks(decoder, file, duration_seconds=500.0).max() == 255


def test_peaks_are_measured_once_and_kept(service: Service, settings: Settings) -> None:
    track = service.get("/tracks?limit=1").json()["items"][0]
    first = service.get(f"/tracks/{track['id']}/peaks")
    assert first.status_code == 200
    assert len(first.json()["peaks"]) == PEAKS
    assert max(first.json()["peaks"]) == 255
    with sqlite3.connect(settings.peaks_file) as connection:
        connection.execute("UPDATE peaks SET outline = ?", [bytes(range(200)) * 2])
    connection.close()
    assert service.get(f"/tracks/{track['id']}/peaks").json()["peaks"] == list(range(200)) * 2


def test_a_damaged_file_of_peaks_costs_nothing_but_time(service: Service, settings: Settings) -> None:
    settings.peaks_file.write_bytes(b"no database" * 1000)
    track = service.get("/tracks?limit=1").json()["items"][0]
    assert service.get(f"/tracks/{track['id']}/peaks").status_code == 200


def test_peaks_of_a_file_that_is_gone_are_a_problem_with_its_code(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "soon gone.wav"
    file.write_bytes(encoded(tune(np.random.default_rng(9))))
    track_id = ingested(settings, file)[0].track_id
    file.unlink()
    with running_service(settings) as service:
        answer = service.get(f"/tracks/{track_id}/peaks")
    assert (answer.status_code, answer.json()["code"]) == (404, "audio_missing")
    assert KeptPeaks(settings.peaks_file).get("0" * 64) is None


def test_the_model_is_told_in_the_words_of_its_card(shared: Service) -> None:
    answering = shared.get("/model").json()["answering"]
    assert (answering["name"], answering["card"]) == ("tiny", None)
