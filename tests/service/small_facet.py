"""Facet with a small ear: the real commands, an analyser that takes a moment, and WAV files to try them on.

`python -m tests.service.small_facet ingest ...` runs a command in a process of its own, for tests that kill it.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import soundfile

from index.analysis import Analysis
from index.audio import AudioError, AudioErrorCode, AudioMetadata
from index.subspaces import Subspace, Subspaces
from service.settings import Settings

SUBSPACES = Subspaces((Subspace("low", 0, 4), Subspace("high", 4, 8)))
SAMPLE_RATE = 8000
EXCERPT_SAMPLES = SAMPLE_RATE // 4


@dataclass(frozen=True)
class SmallBundle:
    """As much of a bundle as ingest asks for."""

    encoder_id: str = "small-1"
    name: str = "small"
    manifest: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(files={}))


@dataclass
class SmallAnalyser:
    """Hears how strong eight bands are in each quarter of a second. The same file always sounds the same.

    Attributes:
        bundle: The embedding space.
        seconds: How long it takes over a file, at least.
        heard: The files it was given.
        tells: Whether it says so on stderr.
    """

    bundle: SmallBundle = field(default_factory=SmallBundle)
    seconds: float = 0.0
    heard: list[Path] = field(default_factory=list)
    tells: bool = False

    def analyse(self, path: Path) -> Analysis:
        self.heard.append(path)
        if self.tells:
            sys.stderr.write(f"listening to {path.name}\n")  # at once, so that two threads do not share a line
        time.sleep(self.seconds)
        try:
            # By an open file: libsndfile's own opening does not know names that are not UTF-8.
            with path.open("rb") as stream, soundfile.SoundFile(stream) as sound:
                samples = sound.read(dtype="float32", always_2d=True).mean(axis=1)
                rate, title, artist = sound.samplerate, sound.title, sound.artist
        except soundfile.LibsndfileError as error:
            raise AudioError(AudioErrorCode.NOT_AUDIO, f"{path.name} is no audio: {error}") from error
        excerpts = samples[: len(samples) // EXCERPT_SAMPLES * EXCERPT_SAMPLES].reshape(-1, EXCERPT_SAMPLES)
        if len(excerpts) == 0:
            raise AudioError(AudioErrorCode.TOO_SHORT, f"{path.name} lasts {len(samples) / rate:.2f} s")
        spectrum = np.abs(np.fft.rfft(excerpts, axis=1))[:, :1000]
        bands = spectrum.reshape(len(excerpts), SUBSPACES.width, -1).sum(axis=2)
        vectors = SUBSPACES.unit(bands)
        return Analysis(
            metadata=AudioMetadata(
                title=title or None,
                artist=artist or None,
                album=None,
                year=None,
                duration_seconds=len(samples) / rate,
                codec="pcm_s16le",
                sample_rate=rate,
                channels=1,
            ),
            duration_seconds=len(samples) / rate,
            skipped_packets=0,
            vector=SUBSPACES.mean(vectors),
            excerpt_vectors=vectors,
            excerpt_starts=np.arange(len(excerpts), dtype=np.float32) * np.float32(0.25),
            excerpt_tag_probabilities=(bands / bands.sum(axis=1, keepdims=True)).astype(np.float32),
        )


def write_tone(path: Path, hertz: float, *, seconds: float = 0.5, title: str = "", artist: str = "") -> Path:
    """Write a tone: each pitch has content of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)
    with path.open("wb") as stream, soundfile.SoundFile(stream, "w", SAMPLE_RATE, 1, format="WAV") as sound:
        if title:
            sound.title = title
        if artist:
            sound.artist = artist
        sound.write(samples)
    return path


@contextmanager
def open_small_analyser(settings: Settings, *, workers: int) -> Iterator[SmallAnalyser]:  # noqa: ARG001
    """In the place of `service.listening.open_analyser`."""
    seconds = float(os.environ.get("SMALL_ANALYSER_SECONDS", "0"))
    yield SmallAnalyser(seconds=seconds, tells="SMALL_ANALYSER_TELLS" in os.environ)


if __name__ == "__main__":
    import facet
    from service.ingest import session

    session.open_analyser = open_small_analyser  # type: ignore[assignment,attr-defined]
    facet.main(prog_name="facet")
