"""MMA and fluidsynth at work: a score's text to MIDI, MIDI to sound. Input from `score`, output to `studio`.

Both are programs of their own (Debian's packages mma and fluidsynth, GPL-2 and LGPL-2.1) that are run, not linked.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 44_100
PATIENCE_SECONDS = 120.0
GAIN = 0.4  # fluidsynth's own; the sound is float, so nothing clips

# TimGM6mb.sf2 as Debian's timgm6mb-soundfont 1.3 packs it (Tim Brechbill and David Bolton, GPL-2).
TIM_GM_SHA256 = "c5378b62028c920cb11e4803327983fee2f2cdff5dc89c708e39da417e51c854"


class BandMissingError(ValueError):
    """A program or the soundfont that a piece needs is not there, or is not the right one."""


class PlayingError(RuntimeError):
    """A program failed on a piece."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What plays.

    Attributes:
        mma: MMA's command. Its library is looked for where it installs it, `../share/mma` from the command's folder.
        fluidsynth: The synthesiser's command.
        soundfont: A General-MIDI soundfont with drum kits.
    """

    mma: Path
    fluidsynth: Path
    soundfont: Path


def find_tools(
    *, mma: Path | None, fluidsynth: Path | None, soundfont: Path, expected_sha256: str | None = TIM_GM_SHA256
) -> Tools:
    """Look for the tools.

    Args:
        mma: The command; None looks for `mma` on the path.
        fluidsynth: The same for `fluidsynth`.
        soundfont: The file.
        expected_sha256: Of the soundfont; None takes any.

    Raises:
        BandMissingError: If one is missing, or the soundfont is another than expected.
    """
    programs = {"mma": find_mma(mma), "fluidsynth": find_program("fluidsynth", fluidsynth)}
    if not soundfont.is_file():
        raise BandMissingError(f"{soundfont} is not there; take TimGM6mb.sf2 from Debian's package timgm6mb-soundfont")
    sha256 = hashlib.sha256(soundfont.read_bytes()).hexdigest()
    if expected_sha256 is not None and sha256 != expected_sha256:
        raise BandMissingError(
            f"{soundfont}: sha256 is {sha256[:12]}, expected {expected_sha256[:12]}; take TimGM6mb.sf2 from Debian's "
            "package timgm6mb-soundfont; --any-soundfont takes this one all the same"
        )
    return Tools(soundfont=soundfont.resolve(), **programs)


def find_mma(given: Path | None) -> Path:
    """MMA's command: the given one, or that on the path.

    Raises:
        BandMissingError: If it is not there.
    """
    return find_program("mma", given)


def find_program(name: str, given: Path | None) -> Path:
    """The given command or, without one, that of this name on the path.

    Raises:
        BandMissingError: If it is not there.
    """
    found = shutil.which(str(given) if given else name)
    if found is None:
        raise BandMissingError(
            f"{given or name} is not a command here; install Debian's package {name}, or name it with --{name}"
        )
    return Path(found).resolve()


def accompany(source: str, mma: Path) -> bytes:
    """A score as MMA plays it: a MIDI file.

    Raises:
        PlayingError: If MMA refuses the score, or does not finish in time.
    """
    with tempfile.TemporaryDirectory() as folder:
        score, midi = Path(folder) / "piece.mma", Path(folder) / "piece.mid"
        score.write_text(source, encoding="utf-8")
        _run([sys.executable, str(mma), "-f", str(midi), str(score)], folder, mma=mma)
        if not midi.is_file():
            raise PlayingError("MMA wrote no MIDI file, though it did not complain")
        return midi.read_bytes()


def sound(midi: bytes, tools: Tools) -> NDArray[np.float64]:
    """A MIDI file's sound, dry, shape (2, samples); it ends when the last note has died away.

    Raises:
        PlayingError: If fluidsynth fails, or all is silence.
    """
    with tempfile.TemporaryDirectory() as folder:
        file, raw = Path(folder) / "piece.mid", Path(folder) / "piece.raw"
        file.write_bytes(midi)
        rate = str(SAMPLE_RATE)
        # No reverberation and no chorus of its own: those are the studio's.
        options = ["-n", "-i", "-R", "0", "-C", "0", "-g", str(GAIN), "-r", rate]
        output = ["-O", "float", "-E", "little", "-T", "raw", "-F", str(raw)]
        _run([str(tools.fluidsynth), *options, *output, str(tools.soundfont), str(file)], folder)
        interleaved = np.fromfile(raw, dtype="<f4")
    if not interleaved.any():
        raise PlayingError("fluidsynth gave silence; does the soundfont have General MIDI's programs?")
    return interleaved.reshape(-1, 2).T.astype(np.float64)


def _run(command: list[str], folder: str, *, mma: Path | None = None) -> None:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": folder,  # no settings of the person who runs it
        "PYTHONHASHSEED": "0",
    }
    if mma and (library := mma.parent.parent / "share" / "mma").is_dir():
        environment["MMA_HOME"] = str(library)
    try:
        done = subprocess.run(  # noqa: S603 - the commands are the caller's own
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PlayingError(f"{Path(command[0]).name} did not play: {error}") from error
    if done.returncode:
        told = (done.stderr + done.stdout).strip()[-400:]
        raise PlayingError(f"{' '.join(Path(part).name for part in command[:2])} gave up: {told}")
