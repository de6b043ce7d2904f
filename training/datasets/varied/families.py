"""Who plays: General-MIDI programs of each value of the instrument factor. Read by `band`.

Lead and chords are of one family. The five values of `rendered` come most often; the others keep a model from taking
these five for all there is.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """One value of the factor.

    Attributes:
        leads: Programs that play tunes.
        chords: Programs that accompany.
        is_strummed: Whether its chords are spread from the lowest string up.
    """

    leads: tuple[int, ...]
    chords: tuple[int, ...]
    is_strummed: bool = False


FAMILIES: dict[str, Family] = {
    "guitar": Family((24, 25, 26, 27, 28, 29, 30), (24, 25, 26, 27, 29, 30), is_strummed=True),
    "piano": Family((0, 1, 2, 3), (0, 1, 2, 3)),
    "strings": Family((40, 41, 42, 44, 45, 48, 49, 110), (44, 45, 48, 49)),
    "brass": Family((56, 57, 58, 59, 60, 61), (57, 58, 60, 61)),
    "synth": Family((62, 63, 80, 81, 82, 83, 84, 86, 87), (50, 51, 62, 63, 81, 88, 90, 95)),
    "organ": Family((16, 17, 18, 19, 20), (16, 17, 18, 19)),
    "electric piano": Family((4, 5, 7), (4, 5, 7)),
    "flute": Family((72, 73, 74, 75), (73, 75)),
    "saxophone": Family((64, 65, 66, 67), (65, 66)),
    "choir": Family((52, 53), (52, 53)),
    "harp": Family((46,), (46,)),
    "mallets": Family((8, 9, 11, 12, 13), (11, 12)),
    "accordion": Family((21, 22, 23), (21, 23)),
    "harpsichord": Family((6,), (6,)),
    "sitar": Family((104, 105, 106, 107), (104, 105, 107)),
}
