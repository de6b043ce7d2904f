"""A composition accompanied by MMA: its drums, bass and harmony as parts. Input from `composition`, output to `band`.

MMA writes a MIDI file; which role a note has is read from its channel and program, since what MMA counts among the
basses may be a figure on a chord instrument.
"""

import math
from collections import defaultdict
from pathlib import Path

from tinysoundfont import midi

from training.datasets.accompanied.band import accompany
from training.datasets.rendered.composition import BEATS, Bar, Composition
from training.datasets.rendered.score import Note, without_overlaps

NOTES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

# MMA's names for chords by their tones above the root.
QUALITIES = {
    (0, 4, 7): "",
    (0, 3, 7): "m",
    (0, 3, 6): "dim3",
    (0, 4, 8): "+",
    (0, 4, 7, 11): "M7",
    (0, 4, 7, 10): "7",
    (0, 3, 7, 10): "m7",
    (0, 3, 6, 10): "m7b5",
    (0, 2, 4, 7, 11): "M9",
    (0, 2, 4, 7, 10): "9",
    (0, 2, 3, 7, 10): "m9",
}

DRUM_CHANNEL = 9
BASS_PROGRAMS = range(32, 40)
# A bass that lies higher than this on average, or plays chords, is a figure on a chord instrument.
HIGHEST_BASS = 52.0
# General-MIDI keys of a drum kit, by the role in which they are mixed.
KICKS, SNARES = frozenset({35, 36}), frozenset({37, 38, 39, 40})
CRASHES, CYMBALS = frozenset({49, 55, 57}), frozenset({42, 44, 46, 51, 52, 53, 59})
PERCUSSION_FROM = 54
DRUM_HIT_SECONDS = 0.12
SHORTEST = 0.05


def back(composition: Composition, groove: str, *, mma: Path, seed: int) -> dict[str, tuple[Note, ...]]:
    """Have a composition accompanied.

    Args:
        composition: Its tempo is kept throughout.
        groove: As MMA names it.
        mma: MMA's command.
        seed: Of what MMA leaves to chance.

    Returns:
        Notes of the roles that the groove has: `chords`, `bass`, and the drums'. The first bar begins after
        `composition.lead_in` beats.

    Raises:
        PlayingError: If MMA refuses.
    """
    beat_seconds = 60.0 / composition.tempo
    offset = composition.lead_in * beat_seconds
    end = offset + (composition.last_beat + composition.last_beats) * beat_seconds
    channels: dict[int, list[Note]] = defaultdict(list)
    programs: dict[int, int] = {}
    sounding: dict[tuple[int, int], tuple[float, int]] = {}
    for event in midi.load_memory(accompany(_source(composition, groove, seed), mma)):
        match event.action:
            case midi.ProgramChange(program=program):
                programs.setdefault(event.channel, program)
            case midi.NoteOn(key=key, velocity=velocity) if velocity:
                sounding[event.channel, key] = (event.t, velocity)
            case midi.NoteOn(key=key) | midi.NoteOff(key=key):
                if (event.channel, key) in sounding:
                    start, velocity = sounding.pop((event.channel, key))
                    if start + offset < end - SHORTEST:
                        length = min(max(event.t - start, SHORTEST), end - start - offset)
                        channels[event.channel].append(Note(start + offset, length, key, velocity))
    roles: dict[str, list[Note]] = defaultdict(list)
    for channel, notes in channels.items():
        if channel == DRUM_CHANNEL:
            for note in notes:
                roles[_drum_role(note.pitch)].append(Note(note.start, DRUM_HIT_SECONDS, note.pitch, note.velocity))
        else:
            roles["bass" if _is_bass(programs.get(channel, 0), notes) else "chords"].extend(notes)
    return {role: without_overlaps(notes) for role, notes in roles.items()}


def _is_bass(program: int, notes: list[Note]) -> bool:
    starts = {round(note.start, 2) for note in notes}
    is_low = sum(note.pitch for note in notes) / len(notes) <= HIGHEST_BASS
    return is_low and (program in BASS_PROGRAMS or len(starts) > 0.9 * len(notes))


def _drum_role(key: int) -> str:
    for role, keys in (("kick", KICKS), ("crash", CRASHES), ("cymbals", CYMBALS), ("snare", SNARES)):
        if key in keys:
            return role
    # What lies between is toms, which are mixed with the snare.
    return "percussion" if key >= PERCUSSION_FROM else "snare"


def _source(composition: Composition, groove: str, seed: int) -> str:
    lines = [f"RndSeed {seed}", "Time 4", f"Groove {groove}", f"Tempo {composition.tempo:.3f}", "Volume m"]
    lines += [f"{number + 1} {_symbols(bar, composition)}" for number, bar in enumerate(composition.bars)]
    return "\n".join(lines) + "\n"


def _symbols(bar: Bar, composition: Composition) -> str:
    """A bar's chords as MMA reads them: one to each beat, a stroke where it stays."""
    signs = ["/"] * BEATS
    for beat, chord in bar.chords:
        root = chord.tones[0]
        above = tuple(sorted((tone - root) % 12 for tone in chord.tones))
        quality = QUALITIES.get(above, "m" if 3 in above else "")
        signs[math.floor(beat)] = NOTES[(composition.tonic + root) % 12] + quality
    return " ".join(signs)
