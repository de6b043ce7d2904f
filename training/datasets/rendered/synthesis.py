"""A score's parts sounded one by one with a General-MIDI soundfont. Input from `performance`, output to `production`.

The synthesiser is TinySoundFont (MIT): no sound card, no system library, no randomness of its own.
"""

import hashlib
from pathlib import Path

import numpy as np
import tinysoundfont
from numpy.typing import NDArray

from training.datasets.rendered.score import Part

SAMPLE_RATE = 44_100
MAX_VOICES = 256
DRUM_CHANNEL = 9
DRUM_BANK = 128

# FluidR3_GM.sf2 as Debian's fluid-soundfont-gm 3.1 packs it (Frank Wen, MIT).
FLUID_R3_SHA256 = "74594e8f4250680adf590507a306655a299935343583256f3b722c48a1bc1cb0"


class SoundfontMismatchError(ValueError):
    """The soundfont is not the one whose sound was asked for."""

    def __init__(self, path: Path, found: str, expected: str) -> None:
        super().__init__(
            f"{path}: sha256 is {found[:12]}, expected {expected[:12]}; "
            "take FluidR3_GM.sf2 from Debian's package fluid-soundfont-gm, or pass expected_sha256=None to hear another"
        )


class Soundfont:
    """An opened soundfont that sounds parts. Not thread-safe: one per process.

    Args:
        path: An .sf2 file with General-MIDI programs and drum kits in bank 128.
        expected_sha256: Refuse any other file; None accepts all.
        sample_rate: Hz, of the sound.

    Raises:
        FileNotFoundError: If there is no such file.
        SoundfontMismatchError: If the file is another one than expected.
    """

    def __init__(
        self, path: Path, *, expected_sha256: str | None = FLUID_R3_SHA256, sample_rate: int = SAMPLE_RATE
    ) -> None:
        content = path.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if expected_sha256 is not None and found != expected_sha256:
            raise SoundfontMismatchError(path, found, expected_sha256)
        self._rate = sample_rate
        self._synth = tinysoundfont.Synth(samplerate=sample_rate)
        self._id = self._synth.sfload(content, max_voices=MAX_VOICES)

    def has(self, program: int, *, bank: int = 0) -> bool:
        """Whether it has a sound under that number."""
        return self._synth.sfpreset_name(self._id, bank, program) is not None

    def sound(self, part: Part, *, seconds: float) -> NDArray[np.float64]:
        """One part alone, shape (2, samples); notes begin on the exact sample, and ring past `seconds` is cut off."""
        is_drums = part.bank == DRUM_BANK
        channel = DRUM_CHANNEL if is_drums else 0
        self._synth.sounds_off(channel)
        self._synth.program_select(channel, self._id, part.bank, part.program, is_drums)
        total = round(seconds * self._rate)
        pieces = []
        now = 0
        for at, begins, pitch, velocity in part.events(per_second=self._rate):
            if at >= total:
                break
            if at > now:
                pieces.append(self._generate(at - now))
                now = at
            if begins:
                self._synth.noteon(channel, pitch, velocity)
            else:
                self._synth.noteoff(channel, pitch)
        pieces.append(self._generate(total - now))
        self._synth.sounds_off(channel)
        # Voices that were cut off fade for some milliseconds: let them, so that the next part begins in silence.
        self._generate(self._rate // 10)
        return np.concatenate(pieces, axis=1)

    def _generate(self, samples: int) -> NDArray[np.float64]:
        interleaved = np.frombuffer(self._synth.generate(samples=samples), dtype=np.float32)
        return interleaved.reshape(-1, 2).T.astype(np.float64)
