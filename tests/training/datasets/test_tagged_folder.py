import os

import av
import numpy as np
import pytest
import soundfile

from training.datasets.gathering import DatasetLayoutError
from training.datasets.tagged_folder import decade_tag, read_tagged_folder


def write_audio(path, **tags):
    """A tenth of a second of noise, with FFmpeg's own muxer, encoder and tag writer for that ending."""
    encoder, kind = {".mp3": ("libmp3lame", "s16p"), ".ogg": ("flac", "s16"), ".m4a": ("aac", "fltp")}[path.suffix]
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(3).uniform(-0.1, 0.1, (1, 4608))
    samples = noise.astype(np.float32) if kind == "fltp" else (noise * 2**15).astype(np.int16)
    with av.open(str(path), "w") as container:
        container.metadata.update(tags)
        stream = container.add_stream(encoder, rate=44_100)
        stream.codec_context.layout = "mono"
        stream.codec_context.format = kind
        for start in range(0, 4608, 576):
            frame = av.AudioFrame.from_ndarray(samples[:, start : start + 576].copy(), format=kind, layout="mono")
            frame.sample_rate, frame.pts = 44_100, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_flac_with_comments(path, comments):
    """Vorbis comments byte by byte, since FFmpeg writes no field twice."""
    soundfile.write(path, np.zeros(4410) + 0.1, 44_100, format="FLAC")
    content, place, is_last = path.read_bytes(), 4, False
    stream_info = content[8:42]
    while not is_last:
        is_last = content[place] & 0x80
        place += 4 + int.from_bytes(content[place + 1 : place + 4], "big")
    body = (0).to_bytes(4, "little") + len(comments).to_bytes(4, "little")
    for comment in comments:
        body += len(comment.encode()).to_bytes(4, "little") + comment.encode()
    block = b"\x84" + len(body).to_bytes(3, "big") + body
    path.write_bytes(b"fLaC\x00" + len(stream_info).to_bytes(3, "big") + stream_info + block + content[place:])


def rows(manifest):
    return {
        track_id: (manifest.artist[row], manifest.album[row], int(manifest.year[row]), manifest.tags[row])
        for row, track_id in enumerate(manifest.track_id)
    }


def test_genres_artists_and_years_are_read_from_every_format(tmp_path):
    write_audio(tmp_path / "one.mp3", genre="Hip-Hop", artist="Ana", album="Rios", date="1999")
    write_audio(tmp_path / "deep" / "er" / "two.ogg", genre="Rock", artist="Berg", date="1984-05-01")
    write_audio(tmp_path / "three.m4a", genre="Jazz", album="Rios")
    gathered = read_tagged_folder(tmp_path)
    assert rows(gathered.manifest) == {
        "one.mp3": ("Ana", "Rios", 1999, ("Hip-Hop",)),
        "deep/er/two.ogg": ("Berg", "", 1984, ("Rock",)),
        "three.m4a": ("", "Rios", 0, ("Jazz",)),
    }
    assert all(gathered.manifest.audio(row).is_file() for row in range(3))
    assert gathered.left_out == {}


def test_several_values_are_several_tags_and_each_comes_once(tmp_path):
    write_flac_with_comments(tmp_path / "a.flac", ["GENRE=Rock", "genre=Jazz / Rock", "MOOD=Happy|Calm", "TITLE=x, y"])
    write_audio(tmp_path / "b.mp3", genre="Pop; Dance,  Pop")
    assert [tags for *_, tags in rows(read_tagged_folder(tmp_path).manifest).values()] == [
        ("Rock", "Jazz", "Happy", "Calm"),
        ("Pop", "Dance"),
    ]


def test_fields_and_separators_are_a_choice(tmp_path):
    write_flac_with_comments(tmp_path / "a.flac", ["GENRE=R&B/Soul", "MOOD=Happy", "LANGUAGE=pt"])
    tags = read_tagged_folder(tmp_path, fields=["genre", "Language"], separators=";").manifest.tags
    assert tags[0] == ("R&B/Soul", "pt")


def test_the_year_makes_a_decade_only_when_asked_for(tmp_path):
    write_audio(tmp_path / "a.mp3", genre="Rock", date="2003")
    write_audio(tmp_path / "b.mp3", genre="Rock")
    assert list(read_tagged_folder(tmp_path).manifest.tags) == [("Rock",), ("Rock",)]
    assert list(read_tagged_folder(tmp_path, with_decade=True).manifest.tags) == [("Rock", "00s"), ("Rock",)]


@pytest.mark.parametrize(("year", "tag"), [(1960, "60s"), (1969, "60s"), (1999, "90s"), (2000, "00s"), (2011, "10s")])
def test_decades_are_spelt_as_listeners_spell_them(year, tag):
    assert decade_tag(year) == tag


def test_other_files_are_passed_over_and_broken_ones_counted(tmp_path):
    write_audio(tmp_path / "good.mp3", genre="Rock")
    write_audio(tmp_path / ".hidden" / "x.mp3")
    (tmp_path / "cover.jpg").write_bytes(b"picture")
    (tmp_path / "broken.mp3").write_text("no sound at all")
    (tmp_path / "empty.flac").touch()
    gathered = read_tagged_folder(tmp_path)
    assert list(gathered.manifest.track_id) == ["good.mp3"]
    assert gathered.left_out == {"no audio that FFmpeg reads": ("broken.mp3", "empty.flac")}


def test_a_name_that_is_no_text_is_counted(tmp_path):
    write_audio(tmp_path / "good.mp3", genre="Rock")
    os.rename(tmp_path / "good.mp3", os.fsencode(tmp_path) + b"/b\xe4d.mp3")  # noqa: PTH104  (a name in bytes)
    write_audio(tmp_path / "good.mp3", genre="Rock")
    gathered = read_tagged_folder(tmp_path)
    assert len(gathered.manifest) == 1
    assert list(gathered.left_out) == ["name is not UTF-8"]


def test_a_folder_without_audio_is_refused(tmp_path):
    with pytest.raises(DatasetLayoutError, match="no track can be used"):
        read_tagged_folder(tmp_path)
    with pytest.raises(DatasetLayoutError, match="there is no folder"):
        read_tagged_folder(tmp_path / "none")
    with pytest.raises(DatasetLayoutError, match="no field is named"):
        read_tagged_folder(tmp_path, fields=[])
