"""GUS patches, sounded by TiMidity++: another kind of bank than soundfonts, with recordings of its own.

What is asked of it is what `rendered.synthesis.Soundfont` does; `players` takes either.
"""

import io
import os
import subprocess
from pathlib import Path

import mido
import numpy as np
from numpy.typing import NDArray

from training.datasets.accompanied.band import PlayingError
from training.datasets.rendered.score import Part
from training.datasets.rendered.synthesis import DRUM_BANK, DRUM_CHANNEL
from training.datasets.varied.studio import SAMPLE_RATE

PATIENCE_SECONDS = 60
TICKS_PER_SECOND = 1000
FULL_SCALE = 32768.0
# Mono, signed, 16 bits, linear; as dry as it goes; from the first moment, silent or not.
OPTIONS = ("-OrM1sl", "-EFreverb=0", "-EFchorus=0", "-EFdelay=0", "--preserve-silence", f"-s{SAMPLE_RATE}", "-o-", "-")


class PatchSet:
    """A set of patches that sounds parts.

    Args:
        configuration: TiMidity's file that says which patch plays which program, such as Debian's `freepats.cfg`.
        timidity: Its command.

    Raises:
        FileNotFoundError: If there is no such configuration.
    """

    def __init__(self, configuration: Path, timidity: Path) -> None:
        self._command = [str(timidity), "-c", str(configuration), *OPTIONS]
        self._programs = _programs(configuration.read_text(encoding="utf-8", errors="replace"))

    def has(self, program: int, *, bank: int = 0) -> bool:
        """Whether it has a sound under that number."""
        return program in self._programs.get(bank, ())

    def sound(self, part: Part, *, seconds: float) -> NDArray[np.float64]:
        """One part alone, shape (1, samples) at `studio.SAMPLE_RATE`; notes begin on the millisecond.

        Raises:
            PlayingError: If TiMidity fails.
        """
        try:
            done = subprocess.run(  # noqa: S603 - the command is the caller's own
                self._command,
                input=_midi(part),
                env={"PATH": os.environ.get("PATH", os.defpath)},
                capture_output=True,
                timeout=PATIENCE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PlayingError(f"TiMidity did not play: {error}") from error
        if done.returncode:
            raise PlayingError(f"TiMidity gave up: {done.stderr.decode(errors='replace').strip()[-400:]}")
        samples = round(seconds * SAMPLE_RATE)
        sound = np.frombuffer(done.stdout, dtype="<i2").astype(np.float64)[:samples] / FULL_SCALE
        return np.pad(sound, (0, samples - sound.size))[None]


def _programs(configuration: str) -> dict[int, frozenset[int]]:
    """By bank: the programs of bank 0, and the kits that have drums; other banks are not asked for."""
    programs: set[int] = set()
    kits: set[int] = set()
    section = ("", "")
    for line in configuration.splitlines():
        match line.partition("#")[0].split():
            case ["bank" | "drumset" as kind, number]:
                section = (kind, number)
            case [key, _, *_] if key.isdigit() and section == ("bank", "0"):
                programs.add(int(key))
            case [key, _, *_] if key.isdigit() and section[0] == "drumset":
                kits.add(int(section[1]))
    return {0: frozenset(programs), DRUM_BANK: frozenset(kits)}


def _midi(part: Part) -> bytes:
    """The part as a MIDI file whose ticks are milliseconds."""
    channel = DRUM_CHANNEL if part.bank == DRUM_BANK else 0
    track = mido.MidiTrack(
        [
            mido.MetaMessage("set_tempo", tempo=1_000_000),
            mido.Message("program_change", channel=channel, program=part.program),
        ]
    )
    now = 0
    for at, begins, pitch, velocity in part.events(per_second=TICKS_PER_SECOND):
        kind = "note_on" if begins else "note_off"
        track.append(mido.Message(kind, channel=channel, note=pitch, velocity=velocity, time=at - now))
        now = at
    file = io.BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_SECOND, tracks=[track]).save(file=file)
    return file.getvalue()
