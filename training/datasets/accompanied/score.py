"""A piece as MMA reads it: settings, the band, then bar by bar the chords and the solo. `band` has it played.

Everything that MMA draws by chance it draws from the seed that stands in the first line.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from training.datasets.accompanied.grooves import Groove
from training.datasets.accompanied.moods import Mood
from training.datasets.accompanied.players import Player
from training.datasets.accompanied.sheet import Sheet
from training.datasets.accompanied.solo import Note

TICKS = 192  # MMA's to a quarter note
# Every kind of track that plays chords or figures, and those that play bass.
HARMONY, BASS = "CHORD ARPEGGIO SCALE ARIA PLECTRUM", "BASS WALK"
HARMONY_LEVEL, BASS_LEVEL, SOLO_LEVEL = 76, 100, 106
CLAPS = """
Begin Drum-FacetClap
  Tone HandClap
  Voice {kit}
  Sequence {{2 0 110; 4 0 110}}
End
Begin Drum-FacetShaker
  Tone Cabasa
  Voice {kit}
  Sequence {{1 0 70; 1.5 0 90; 2 0 70; 2.5 0 90; 3 0 70; 3.5 0 90; 4 0 70; 4.5 0 90}}
End"""


@dataclass(frozen=True, kw_only=True)
class Band:
    """Who plays a piece.

    Attributes:
        groove: How they accompany.
        solo: Plays the melody.
        chords: Plays all of the harmony.
        bass: General-MIDI program.
        kit: Program of the drum channel.
        pans: MIDI panorama of solo and chords, 64 in the middle.
    """

    groove: Groove
    solo: Player
    chords: Player
    bass: int
    kit: int
    pans: tuple[int, int]


def mma_source(sheet: Sheet, solo: Sequence[Note], *, band: Band, mood: Mood, tempo: float, seed: int) -> str:
    """The piece in MMA's language.

    Args:
        sheet: Its chords.
        solo: Its melody.
        band: Who plays.
        mood: Decides volumes and claps.
        tempo: Quarter notes per minute.
        seed: Of what MMA leaves to chance.
    """
    lines = [
        f"RndSeed {seed}",
        "Time 4",
        f"Groove {band.groove.name}",
        f"Tempo {tempo:.2f}",
        # The groove's own volumes differ widely; the mood's dynamic is meant.
        f"Volume {mood.dynamic}",
        *(CLAPS.format(kit=band.kit).splitlines() if mood.claps else ()),
        f"AllTracks {HARMONY} Voice {band.chords.program}",
        f"AllTracks {HARMONY} MidiVolume {HARMONY_LEVEL}",
        f"AllTracks {HARMONY} MidiPan {band.pans[1]}",
        f"AllTracks {BASS} Voice {band.bass}",
        f"AllTracks {BASS} MidiVolume {BASS_LEVEL}",
        *(f"{track} Voice {band.chords.program}" for track in band.groove.figures),
        *(f"{track} MidiVolume {HARMONY_LEVEL}" for track in band.groove.figures),
        *(f"{track} MidiPan {band.pans[1]}" for track in band.groove.figures),
        f"AllTracks DRUM Voice {band.kit}",
        f"AllTracks DRUM MidiVolume {mood.drums}",
        f"Solo Voice {band.solo.program}",
        f"Solo MidiVolume {SOLO_LEVEL}",
        f"Solo MidiPan {band.pans[0]}",
        "Solo MidiNote Offsets=Ticks Duration=Ticks",
    ]
    for number, chords in enumerate(sheet.bars):
        for note in (note for note in solo if note.bar == number):
            begin, length = round(note.beat * TICKS), max(round(note.beats * TICKS), 12)
            lines.append(f"Solo MidiNote Note {begin} {note.pitch} {note.velocity} {length}")
        # A stroke holds the chord for one more beat.
        symbols = " / ".join(chord.symbol for chord in chords)
        lines.append(f"{number + 1} {symbols}")
    return "\n".join(lines) + "\n"
