"""What files say, what is refused, and what is left of damaged ones."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from hypothesis import given
from hypothesis import strategies as st

from index.audio import AudioError, AudioErrorCode, AudioExcerpts, AudioMetadata, ExcerptPlan, open_audio
from index.waveform import clean_tag
from tests.index.audio_files import (
    FORMATS,
    RATE,
    Signal,
    music,
    page_starts,
    with_page_checksums,
    write,
)

PLAN = ExcerptPlan(sample_rate=16_000, excerpt_samples=16_000, excerpts_per_track=3)
EVERY = dataclasses.replace(PLAN, excerpts_per_track=None)


@pytest.fixture(scope="module")
def song() -> Signal:
    return music(40)


Encoded = Callable[[str], Path]


@pytest.fixture(scope="module")
def encoded(song: Signal, tmp_path_factory: pytest.TempPathFactory) -> Encoded:
    """The song in a format; encoded once, so never to be written to."""
    folder = tmp_path_factory.mktemp("songs")

    def encode(name: str) -> Path:
        kind = FORMATS[name]
        path = folder / f"{name}{kind.suffix}"
        return path if path.exists() else write(path, song, kind)

    return encode


def listen(path: Path, plan: ExcerptPlan = EVERY) -> tuple[AudioExcerpts, Signal, Signal]:
    """The excerpts' source, starts and samples."""
    with open_audio(path, plan) as excerpts:
        blocks = list(excerpts)
    starts = np.concatenate([block.starts_seconds for block in blocks])
    return excerpts, starts, np.concatenate([block.samples for block in blocks])


def refusal(path: Path) -> AudioErrorCode:
    with pytest.raises(AudioError) as raised:
        listen(path)
    assert path.name in str(raised.value)
    return raised.value.code


# Tags


@pytest.mark.parametrize(
    "name", ["wav", "flac", "alac", "vorbis", "flac in ogg", "opus", "webm", "mp3, constant", "wma"]
)
def test_tags_are_read_from_every_container(tmp_path: Path, name: str) -> None:
    tags = {"title": "Für Élise", "artist": "Łukasz Żal", "album": "音楽", "date": "1987-03-01"}
    kind = FORMATS[name]
    with open_audio(write(tmp_path / f"song{kind.suffix}", music(1), kind, tags=tags), PLAN) as excerpts:
        metadata = excerpts.metadata
    assert (metadata.title, metadata.artist, metadata.album, metadata.year) == (*list(tags.values())[:3], 1987)
    assert metadata.duration_seconds == pytest.approx(1, abs=0.05)
    assert (metadata.sample_rate, metadata.channels) == (kind.rate or RATE, 2)
    assert metadata.codec == {"libsndfile": "vorbis", "libmp3lame": "mp3", "libopus": "opus"}.get(
        kind.codec, kind.codec
    )


@pytest.mark.parametrize("name", ["vorbis", "wav", "flac"])
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_tags_that_are_not_utf8_keep_their_letters(tmp_path: Path, name: str, encoding: str) -> None:
    kind = FORMATS[name]
    path = write(tmp_path / f"song{kind.suffix}", music(1), kind, tags={"title": "Caf#", "artist": "Bj#rk"})
    raw = path.read_bytes().replace(b"Caf#", "Café".encode(encoding)).replace(b"Bj#rk", "Björk".encode(encoding))
    path.write_bytes(with_page_checksums(raw) if name == "vorbis" else raw)
    metadata = listen(path)[0].metadata
    assert (metadata.title, metadata.artist) == ("Café", "Björk")


def test_an_id3v1_tag_in_latin1_keeps_its_letters(tmp_path: Path) -> None:
    path = write(tmp_path / "song.mp3", music(1), FORMATS["mp3, constant"])
    raw = path.read_bytes()
    header = 10 + int.from_bytes(raw[6:10], "big")  # below 128 bytes, ID3v2's sizes are plain numbers
    fields = [(b"Caf\xe9", 30), (b"Bj\xf6rk", 30), (b"", 30), (b"1995", 4), (b"", 31)]
    path.write_bytes(raw[header:] + b"TAG" + b"".join(text.ljust(size, b"\0") for text, size in fields))
    metadata = listen(path)[0].metadata
    assert (metadata.title, metadata.artist, metadata.year) == ("Café", "Björk", 1995)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  two\r\n lines\t", "two lines"),
        ("a\0b", "a b"),
        ("\0", ""),
        ("bell\x07\x1b[0m", "bell [0m"),
        ("x" * 10_000, "x" * 500),
        (b"\x93quoted\x94 \x80".decode("utf-8", "surrogateescape"), "“quoted” €"),
        (b"\x81".decode("utf-8", "surrogateescape"), ""),  # a control character in latin-1, nothing in cp1252
        ("𝄞 ♫", "𝄞 ♫"),
    ],
)
def test_tags_become_one_clean_line(raw: str, clean: str) -> None:
    assert clean_tag(raw) == clean


@given(st.binary(max_size=600))
def test_any_bytes_become_text_that_can_be_stored(raw: bytes) -> None:
    text = clean_tag(raw.decode("utf-8", "surrogateescape"))
    assert text == text.strip()
    assert len(text) <= 500
    assert text.isprintable()
    text.encode("utf-8")


@pytest.mark.parametrize(
    ("tags", "year"),
    [
        ({"date": "1969"}, 1969),
        ({"DATE": "2011-12-31T00:00:00Z"}, 2011),
        ({"date": "31.12.1999"}, 1999),
        ({"TYER": "1984"}, 1984),
        ({"date": "0000", "year": "1977"}, 1977),
        ({"originaldate": "1971", "date": "2015 remaster"}, 2015),
        ({"date": "99"}, None),
        ({"date": "123456"}, None),
        ({"date": "3000"}, None),
        ({"comment": "1969"}, None),
    ],
)
def test_the_year_is_the_first_four_digits_that_make_sense(tags: dict[str, str], year: int | None) -> None:
    metadata = AudioMetadata.of(tags, codec="pcm", sample_rate=8000, channels=1, claimed_samples=None)
    assert metadata.year == year


# What is refused


def make_image(path: Path, codec: str, pixels: str) -> None:
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream(codec, rate=1)
        assert isinstance(stream, VideoStream)
        stream.width = stream.height = 64
        stream.pix_fmt = pixels
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24").reformat(format=pixels)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def add_cover(path: Path, cover: bytes) -> None:
    """Put an ID3v2 tag with a picture before an MP3 file."""
    body = b"\0image/jpeg\0\3\0" + cover
    frame = b"APIC" + len(body).to_bytes(4, "big") + b"\0\0" + body
    size = bytes((len(frame) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\3\0\0" + size + frame + path.read_bytes())


@pytest.mark.parametrize("suffix", [".txt", ".mp3", ".wav", ".ogg", ".flac", ".m4a", ""])
@pytest.mark.parametrize("content", [b"", b"Just some words.\n" * 50, bytes(100_000), b"<html></html>"])
def test_what_is_no_audio_is_refused_whatever_its_name(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    assert refusal(path) is AudioErrorCode.NOT_AUDIO


def test_random_bytes_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    for number in range(20):
        path = tmp_path / f"{number}.mp3"
        path.write_bytes(rng.bytes(20_000))
        assert refusal(path) is AudioErrorCode.NOT_AUDIO


@pytest.mark.parametrize(("codec", "pixels"), [("mjpeg", "yuvj420p"), ("png", "rgb24")])
def test_an_image_is_no_audio(tmp_path: Path, codec: str, pixels: str) -> None:
    make_image(tmp_path / "cover.jpg", codec, pixels)
    assert refusal(tmp_path / "cover.jpg") is AudioErrorCode.NOT_AUDIO


def test_folders_and_pipes_are_no_audio_and_do_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    assert refusal(tmp_path / "pipe.wav") is AudioErrorCode.NOT_AUDIO
    assert refusal(tmp_path) is AudioErrorCode.NOT_AUDIO


def test_a_silent_film_has_no_audio_stream(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "film.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        assert isinstance(stream, VideoStream)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    assert refusal(tmp_path / "film.mp4") is AudioErrorCode.NO_AUDIO_STREAM


def test_a_missing_file_is_the_callers_mistake_not_the_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_audio(tmp_path / "gone.wav", PLAN)


PLAYLISTS = {
    "m3u": "#EXTM3U\n#EXTINF:5,song\n{path}\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{path}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{path}'\n",
    "dash": (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT5S">'
        '<Period><AdaptationSet mimeType="audio/wav"><Representation id="1" bandwidth="9"><BaseURL>{path}</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>"
    ),
    "cue": 'FILE "{path}" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
    "asx": '<asx version="3.0"><entry><ref href="{path}"/></entry></asx>',
    "pls": "[playlist]\nFile1={path}\nNumberOfEntries=1\nVersion=2\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("suffix", [".m3u8", ".mp3"])
def test_a_file_never_makes_another_one_open(tmp_path: Path, kind: str, suffix: str) -> None:
    song = write(tmp_path / "song.wav", music(5), FORMATS["wav"])
    for path in (str(song), song.name, f"file://{song}"):
        playlist = tmp_path / f"list{suffix}"
        playlist.write_text(PLAYLISTS[kind].format(path=path))
        assert refusal(playlist) is AudioErrorCode.NOT_AUDIO


def test_ffmpeg_itself_would_follow_such_a_playlist(tmp_path: Path) -> None:
    # Else the test above could not fail.
    write(tmp_path / "song.wav", music(1), FORMATS["wav"])
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile 'song.wav'\n")
    with av.open(str(tmp_path / "list.ffconcat")) as container:
        assert container.streams.best("audio") is not None


@pytest.mark.parametrize("name", ["concat:song.wav|song.wav", "http:song.wav", "fd:", "%d.wav", "-"])
def test_a_name_is_only_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("song.wav"), music(3), FORMATS["wav"])
    Path("song.wav").rename(name)
    assert len(listen(Path(name))[1]) == 3


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_refused_file_is_closed_again(tmp_path: Path) -> None:
    (tmp_path / "text.mp3").write_text("words")
    make_image(tmp_path / "cover.jpg", "mjpeg", "yuvj420p")
    before = open_descriptors()
    for _ in range(10):
        for name in ("text.mp3", "cover.jpg"):
            refusal(tmp_path / name)
    assert open_descriptors() == before


# What is wrong with real files


def test_cover_art_is_passed_over(tmp_path: Path) -> None:
    make_image(tmp_path / "cover.jpg", "mjpeg", "yuvj420p")
    path = write(tmp_path / "song.mp3", music(3), FORMATS["mp3, constant"])
    add_cover(path, (tmp_path / "cover.jpg").read_bytes())
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["audio", "video"]
    assert len(listen(path)[1]) == 3


@pytest.mark.parametrize(
    "name", ["wav", "aiff", "flac", "vorbis", "opus", "webm", "mp3, constant", "mp3, variable", "wma"]
)
@pytest.mark.parametrize("plan", [PLAN, EVERY], ids=["a few", "every"])
def test_a_truncated_file_gives_what_was_decodable(
    tmp_path: Path, encoded: Encoded, name: str, plan: ExcerptPlan
) -> None:
    whole_path = encoded(name)
    _, whole_starts, whole = listen(whole_path)
    raw = whole_path.read_bytes()
    path = tmp_path / f"cut{whole_path.suffix}"
    path.write_bytes(raw[: len(raw) * 2 // 3])
    excerpts, starts, samples = listen(path, plan)
    seconds = excerpts.metadata.duration_seconds
    assert seconds is not None
    assert 17 < seconds < 33
    assert len(starts) == (3 if plan is PLAN else int(seconds))
    assert starts[-1] + 1 <= seconds
    if plan is EVERY:
        np.testing.assert_array_equal(starts, whole_starts[: len(starts)])
        np.testing.assert_allclose(samples[:-1], whole[: len(starts) - 1], atol=0.02)
    elif name != "opus":  # whose loudness recovers slowly from being cut
        assert (np.abs(samples).max(axis=1) > 0.01).all()


@pytest.mark.parametrize("claimed_bytes", [10**9, 0xFFFFFFFF, 1000])
def test_a_wav_header_may_claim_any_length(tmp_path: Path, encoded: Encoded, claimed_bytes: int) -> None:
    raw = bytearray(encoded("wav").read_bytes())
    at = raw.index(b"data") + 4
    raw[at : at + 4] = claimed_bytes.to_bytes(4, "little")
    path = tmp_path / "song.wav"
    path.write_bytes(raw)
    if claimed_bytes == 1000:  # there is nothing wrong with bytes behind the sound
        assert refusal(path) is AudioErrorCode.TOO_SHORT
        return
    for plan in (PLAN, EVERY):
        excerpts, starts, _ = listen(path, plan)
        assert excerpts.metadata.duration_seconds == pytest.approx(40, abs=0.01)
        assert starts[-1] < 40


@pytest.mark.parametrize("sample_rate", [1, 10_000_000])
def test_a_sample_rate_that_cannot_be_is_damage(tmp_path: Path, encoded: Encoded, sample_rate: int) -> None:
    raw = bytearray(encoded("wav").read_bytes())
    raw[24:28] = sample_rate.to_bytes(4, "little")
    (tmp_path / "song.wav").write_bytes(raw)
    assert refusal(tmp_path / "song.wav") is AudioErrorCode.UNDECODABLE


@pytest.mark.parametrize("name", ["packed", "planar"])
def test_more_than_eight_channels_are_averaged_too(tmp_path: Path, name: str) -> None:
    signal = music(2, channels=12, rate=16_000)
    path = tmp_path / "many"
    if name == "packed":
        soundfile.write(path, signal.T, 16_000, format="WAV", subtype="PCM_16")
    else:
        with av.open(str(path), "w", format="wv") as container:
            stream = container.add_stream("wavpack", rate=16_000)
            assert isinstance(stream, AudioStream)
            stream.layout = "12 channels"
            steps = np.ascontiguousarray(np.round(signal.T * 2**15).astype(np.int16).reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(steps, "s16", "12 channels")
            frame.sample_rate, frame.pts = 16_000, 0
            for part in av.AudioResampler(stream.format).resample(frame):
                container.mux(stream.encode(part))
            container.mux(stream.encode(None))
    np.testing.assert_allclose(listen(path)[2].reshape(-1), signal.mean(axis=0), atol=0.01)


def test_a_flac_without_a_length_is_measured(tmp_path: Path, encoded: Encoded) -> None:
    expected = listen(encoded("flac"), PLAN)
    raw = bytearray(encoded("flac").read_bytes())
    # STREAMINFO begins at byte 8; the low 36 bits of its bytes 10 to 17 count the samples.
    raw[21] &= 0xF0
    raw[22:26] = bytes(4)
    path = tmp_path / "song.flac"
    path.write_bytes(raw)
    with open_audio(path, PLAN) as excerpts:
        assert excerpts.metadata.duration_seconds is None
    excerpts, starts, samples = listen(path, PLAN)
    assert excerpts.metadata.duration_seconds == pytest.approx(40)
    np.testing.assert_array_equal(starts, expected[1])
    np.testing.assert_array_equal(samples, expected[2])


def test_an_mp3_without_a_table_is_measured_not_guessed(encoded: Encoded) -> None:
    with open_audio(encoded("mp3, variable without a table"), PLAN) as excerpts:
        guess = excerpts.metadata.duration_seconds
        assert guess is not None
        assert guess > 45  # or there would be nothing to put right
        list(excerpts)
        assert excerpts.metadata.duration_seconds == pytest.approx(40.05, abs=0.02)


@pytest.mark.parametrize("plan", [PLAN, EVERY], ids=["a few", "every"])
def test_packets_that_cannot_be_decoded_are_skipped_and_counted(
    tmp_path: Path, encoded: Encoded, rng: np.random.Generator, plan: ExcerptPlan
) -> None:
    _, _, whole = listen(encoded("aac"))
    raw = bytearray(encoded("aac").read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + 10_000] = rng.bytes(10_000)
    path = tmp_path / "song.m4a"
    path.write_bytes(raw)
    excerpts, starts, samples = listen(path, plan)
    assert 0 < excerpts.skipped_packets < 60
    assert excerpts.metadata.duration_seconds == pytest.approx(40, abs=0.02)
    if plan is EVERY:
        # What comes behind the hole is where it was.
        np.testing.assert_allclose(samples[-5:], whole[-5:], atol=0.05)
        assert len(starts) == 40


def test_an_ogg_file_may_begin_with_a_broken_packet_and_end_with_an_empty_one(tmp_path: Path, song: Signal) -> None:
    path = write(tmp_path / "song.ogg", song[:, : 5 * RATE], FORMATS["vorbis"])
    raw = bytearray(path.read_bytes())
    audio, last = (page_starts(bytes(raw))[number] for number in (2, -1))
    # The first packet starts behind the page's table of segments; an odd first byte says it holds no audio.
    raw[audio + 27 + raw[audio + 26]] |= 1
    # One more page, of one segment of no bytes, its number one higher than the last one's.
    number = int.from_bytes(raw[last + 18 : last + 22], "little") + 1
    raw += raw[last : last + 18] + number.to_bytes(4, "little") + bytes(4) + b"\1\0"
    path.write_bytes(with_page_checksums(bytes(raw)))
    excerpts, starts, _ = listen(path)
    assert excerpts.skipped_packets == 0
    assert excerpts.metadata.duration_seconds == pytest.approx(5, abs=0.01)
    assert len(starts) >= 4


def test_a_file_of_which_nothing_can_be_decoded_is_undecodable(tmp_path: Path, rng: np.random.Generator) -> None:
    path = write(tmp_path / "song.flac", music(3), FORMATS["flac"])
    raw = path.read_bytes()
    path.write_bytes(raw[:8300] + rng.bytes(len(raw)))
    assert refusal(path) is AudioErrorCode.UNDECODABLE


def test_ogg_files_one_behind_the_other_are_one_track(tmp_path: Path, song: Signal) -> None:
    first = write(tmp_path / "first.ogg", song[:, : 25 * RATE], FORMATS["vorbis"])
    second = write(tmp_path / "second.ogg", music(20, seed=1), FORMATS["vorbis"])
    parts = [listen(path)[2] for path in (first, second)]
    chained = tmp_path / "radio.ogg"
    chained.write_bytes(first.read_bytes() + second.read_bytes())
    excerpts, _, samples = listen(chained)
    assert excerpts.metadata.duration_seconds == pytest.approx(45, abs=0.01)
    np.testing.assert_allclose(samples[:24], parts[0][:24], atol=1e-4)
    excerpts, starts, few = listen(chained, PLAN)
    assert excerpts.metadata.duration_seconds == pytest.approx(45, abs=0.01)
    np.testing.assert_allclose(starts, [7, 22, 37], atol=0.01)
    joined = samples.reshape(-1)
    for start, excerpt in zip(starts, few, strict=True):
        at = round(start * 16_000)
        np.testing.assert_allclose(excerpt, joined[at : at + 16_000], atol=1e-6)


def with_gap(path: Path, flac: Path, gap_seconds: int) -> Path:
    """The same in a Matroska file whose clock jumps after 20 s."""
    with av.open(str(flac)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                packet.pts = packet.dts = packet.dts + (gap_seconds * RATE if packet.dts > 20 * RATE else 0)
                target.mux(packet)
    return path


def test_where_packets_are_lost_is_a_hole_and_the_rest_keeps_its_time(tmp_path: Path, encoded: Encoded) -> None:
    _, _, whole = listen(encoded("flac"))
    path = with_gap(tmp_path / "gap.mka", encoded("flac"), 3)
    excerpts, starts, samples = listen(path)
    assert excerpts.metadata.duration_seconds == pytest.approx(43, abs=0.01)
    # Seconds 21 and 22 lie wholly in the hole.
    np.testing.assert_array_equal(starts[:40], [*range(21), *range(23, 42)])
    np.testing.assert_allclose(samples[:20], whole[:20], atol=1e-6)
    # Second 24 is the source's 21; times are in milliseconds, so it may be a sample or so beside its place.
    after, there = samples[22:40].reshape(-1), whole[21:39].reshape(-1)
    assert max(np.corrcoef(np.roll(after, lag), there)[0, 1] for lag in range(-16, 17)) > 0.98
    # Of three, the one in the middle would be silence of our own making.
    few_starts, few = listen(path, PLAN)[1:]
    np.testing.assert_allclose(few_starts, [43 / 6 - 0.5, 43 * 5 / 6 - 0.5], atol=0.01)
    assert np.abs(few).max(axis=1).min() > 0.01


@pytest.mark.parametrize("plan", [PLAN, EVERY], ids=["a few", "every"])
def test_a_clock_that_jumps_by_a_day_is_passed_over(tmp_path: Path, encoded: Encoded, plan: ExcerptPlan) -> None:
    excerpts, starts, samples = listen(with_gap(tmp_path / "gap.mka", encoded("flac"), 100_000), plan)
    assert excerpts.metadata.duration_seconds == pytest.approx(40, abs=0.01)
    assert len(starts) == (3 if plan is PLAN else 40)
    assert starts[-1] < 40
    assert np.abs(samples).max(axis=1).min() > 0.01


def test_what_ffmpeg_refuses_libsndfile_may_read(tmp_path: Path, song: Signal) -> None:
    path = write(tmp_path / "song.ogg", song, FORMATS["vorbis"], tags={"title": "Café", "date": "1999"})
    expected = listen(path)
    few = listen(path, PLAN)
    raw = bytearray(path.read_bytes())
    # The last byte of the first header: its lowest bit must be set, the others mean nothing, but FFmpeg wants them 0.
    raw[57] = 0xFF
    path.write_bytes(with_page_checksums(bytes(raw)))
    with pytest.raises(av.error.InvalidDataError):
        av.open(str(path))
    for plan, (_, starts, samples) in ((EVERY, expected), (PLAN, few)):
        excerpts, found_starts, found = listen(path, plan)
        assert (excerpts.metadata.title, excerpts.metadata.year) == ("Café", 1999)
        assert (excerpts.metadata.codec, excerpts.metadata.channels) == ("vorbis", 2)
        assert excerpts.metadata.duration_seconds == pytest.approx(40)
        np.testing.assert_array_equal(found_starts, starts)
        np.testing.assert_allclose(found, samples, atol=1e-4)


@pytest.mark.parametrize("format_name", ["IRCAM", "MAT5", "NIST", "PVF"])
def test_formats_that_only_libsndfile_reads_are_read(tmp_path: Path, format_name: str) -> None:
    signal = music(2, channels=1, rate=16_000)
    soundfile.write(tmp_path / "song.bin", signal[0], 16_000, format=format_name, subtype="PCM_16")
    np.testing.assert_allclose(listen(tmp_path / "song.bin")[2].reshape(-1), signal[0], atol=2**-15)


Mutate = Callable[[bytearray, np.random.Generator], None]


def flip_bytes(raw: bytearray, rng: np.random.Generator) -> None:
    for at in rng.integers(len(raw), size=rng.integers(1, 20)):
        raw[at] = rng.integers(256)


def drop_a_piece(raw: bytearray, rng: np.random.Generator) -> None:
    first, last = sorted(rng.integers(len(raw), size=2))
    del raw[first:last]


def flip_the_header(raw: bytearray, rng: np.random.Generator) -> None:
    for at in rng.integers(min(300, len(raw)), size=3):
        raw[at] = rng.integers(256)


@pytest.mark.parametrize("mutate", [flip_bytes, drop_a_piece, flip_the_header])
@pytest.mark.parametrize("name", ["wav", "flac", "vorbis", "opus", "mp3, variable", "aac", "webm", "aiff"])
def test_any_damage_gives_excerpts_or_a_code(
    tmp_path: Path, rng: np.random.Generator, name: str, mutate: Mutate
) -> None:
    kind = FORMATS[name]
    whole = write(tmp_path / f"song{kind.suffix}", music(3), kind).read_bytes()
    for number in range(8):
        raw = bytearray(whole)
        mutate(raw, rng)
        path = tmp_path / f"{number}{kind.suffix}"
        path.write_bytes(raw)
        try:
            _, starts, samples = listen(path, (PLAN, EVERY)[number % 2])
        except AudioError:
            continue
        assert len(starts) > 0
        assert np.isfinite(samples).all()
        assert np.abs(samples).max() <= 1
