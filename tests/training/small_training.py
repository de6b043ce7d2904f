"""A data set of made sounds, small enough to train on in a test, with dimensions that no paper has."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.datasets.manifest import Manifest, Split
from training.datasets.manifest_files import write_manifest

SAMPLE_RATE = 22_050
SECONDS = 6.5  # Two excerpts of 3 s, and a rest.

PITCHES = {"low hum": 110.0, "high hum": 1760.0}
GRAINS = {"smooth": 0.0, "grainy": 0.4}
PULSES = {"steady": 0.0, "beating": 4.0}

VOCABULARY = """
name = "textures"
source = "made up"
dimensions = ["height of hum", "grain", "pulse"]
tags = [
  ["low hum", "height of hum"],
  ["smooth", "grain"],
  ["high hum", "height of hum"],
  ["grainy", "grain"],
  ["steady", "pulse"],
  ["beating", "pulse"],
]
"""

# The smallest there is of everything.
SMALL = (
    "backbone.width=0.125",
    "embedding.slice_width=8",
    "training.batch_rows=8",
    "training.most_epochs=2",
    "machine.device=cpu",
    "machine.threads=1",
)


def texture(pitch: float, grain: float, pulse: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A hum of some harmonics, with noise, its loudness rising and falling so many times a second."""
    seconds = np.arange(int(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    hum = sum(np.sin(2 * np.pi * pitch * rng.uniform(0.95, 1.05) * n * seconds) / n for n in (1, 2, 3))
    sound = hum + grain * 3 * rng.standard_normal(len(seconds))
    envelope = 0.5 + 0.5 * np.cos(2 * np.pi * pulse * seconds + rng.uniform(0, 6)) if pulse else 1.0
    return np.asarray(0.2 * sound * envelope)


def write_wave(path: Path, samples: NDArray[np.float64]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def make_textures(folder: Path, *, copies: int = 2) -> tuple[Path, Path]:
    """Write sounds, their manifest and their vocabulary; each kind of sound `copies` times to learn from, once to try.

    Returns:
        The manifest and the vocabulary.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    names, tags, sides = [], [], []
    for height, pitch in PITCHES.items():
        for surface, grain in GRAINS.items():
            for time, pulse in PULSES.items():
                for copy in range(copies + 1):
                    name = f"{height} {surface} {time} {copy}".replace(" ", "-")
                    write_wave(folder / f"{name}.wav", texture(pitch, grain, pulse, rng))
                    names.append(name)
                    tags.append((height, surface, time))
                    sides.append(Split.TRAIN if copy < copies else Split.VALID)
    manifest = Manifest.of(folder, path=[f"{name}.wav" for name in names], track_id=names, tags=tags, split=sides)
    write_manifest(manifest, folder / "manifest.csv")
    (folder / "vocabulary.toml").write_text(VOCABULARY, encoding="utf-8")
    return folder / "manifest.csv", folder / "vocabulary.toml"
