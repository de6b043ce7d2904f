"""Which of MMA's grooves play a genre, and what bass and drums they have. Read by `band`.

A groove is named as MMA does: file of its library, then the groove. All are in four.
"""

from dataclasses import dataclass

STRAIGHT, TRIPLET = 0.5, 0.66


@dataclass(frozen=True)
class Groove:
    """One of MMA's grooves.

    Attributes:
        name: File of the library, and groove.
        swing: Where the second eighth of a beat falls: 0.5 is straight, 0.67 a triplet.
        figures: Its tracks that MMA counts among the basses, though they play a figure on a chord instrument.
    """

    name: str
    swing: float = STRAIGHT
    figures: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Genre:
    """One genre.

    Attributes:
        lively: Grooves of happy and party.
        calm: Grooves of sad and chillout.
        basses: General-MIDI programs.
        has_machine: Whether a drum machine plays, in every era.
    """

    lively: tuple[Groove, ...]
    calm: tuple[Groove, ...]
    basses: tuple[int, ...]
    has_machine: bool = False


ACOUSTIC_BASS, FINGERED_BASS, PICKED_BASS, SLAP_BASS = 32, 33, 34, 36
SYNTH_BASSES = (38, 39)

WESTERN_FIGURES = ("Bass-9", "Bass-13", "Bass-14", "Bass-15")
FUNK_FIGURES = ("Bass-3", "Bass-4", "Bass-5", "Bass-7", "Bass-8")

GENRES: dict[str, Genre] = {
    "rock": Genre(
        lively=(
            Groove("casio/rock1:Rock1", figures=("Bass-7",)),
            Groove("casio/rock2:Rock2"),
            Groove("stdlib/basicrock:BasicRock"),
        ),
        calm=(
            Groove("casio/rock1:Rock1", figures=("Bass-7",)),
            Groove("stdlib/basicrock:BasicRock4"),
            Groove("casio/poprock2:PopRock2", figures=("Bass-7",)),
        ),
        basses=(PICKED_BASS,),
    ),
    "electronic": Genre(
        lively=(
            Groove("casio/house:House", figures=("Bass-6",)),
            Groove("casio/techno:Techno", figures=("Bass-6",)),
            Groove("casio/rave:Rave", figures=("Bass-7",)),
        ),
        calm=(
            Groove("casio/house:House", figures=("Bass-6",)),
            Groove("casio/dance2:Dance2"),
            Groove("casio/trance2:Trance2"),
        ),
        basses=SYNTH_BASSES,
        has_machine=True,
    ),
    "jazz": Genre(
        lively=(
            Groove("stdlib/swing:SwingWalk", TRIPLET),
            Groove("stdlib/jazzcombo:JazzCombo", TRIPLET),
            Groove("stdlib/modernjazz:ModernJazz", TRIPLET),
        ),
        calm=(
            Groove("stdlib/swing:SwingWalk", TRIPLET),
            Groove("stdlib/mellowjazz:MellowJazz", TRIPLET),
            Groove("stdlib/evansish:Evansish", TRIPLET),
        ),
        basses=(ACOUSTIC_BASS,),
    ),
    "country": Genre(
        lively=(
            Groove("stdlib/bluegrass:BlueGrass"),
            Groove("stdlib/hillcountry:HillCountry"),
            Groove("yamaha/western:WesternMainA", figures=WESTERN_FIGURES),
        ),
        calm=(
            Groove("stdlib/slowcountry:SlowCountry", figures=("Bass-Fill",)),
            Groove("stdlib/hillcountry:HillCountry"),
            Groove("yamaha/western:WesternMainA", figures=WESTERN_FIGURES),
        ),
        basses=(ACOUSTIC_BASS, FINGERED_BASS),
    ),
    "blues": Genre(
        lively=(
            Groove("stdlib/fastblues:FastBlues", TRIPLET),
            Groove("casio/blues:Blues", TRIPLET),
            Groove("stdlib/shuffleboggie:ShuffleBoggie", TRIPLET, figures=("Bass-Piano",)),
        ),
        calm=(
            Groove("stdlib/fastblues:FastBlues", TRIPLET),
            Groove("casio/blues:Blues", TRIPLET),
            Groove("stdlib/slowblues:SlowBlues", TRIPLET),
        ),
        basses=(FINGERED_BASS,),
    ),
    "funk": Genre(
        lively=(
            Groove("casio/funk1:Funk1"),
            Groove("casio/funk2:Funk2", figures=("Bass-8",)),
            Groove("kara/Kfunk1:Kfunk1C", figures=FUNK_FIGURES),
        ),
        calm=(
            Groove("casio/funk1:Funk1"),
            Groove("stdlib/bvfunk:BVFunk"),
            Groove("kara/Kfunk1:Kfunk1A", figures=FUNK_FIGURES),
        ),
        basses=(SLAP_BASS, FINGERED_BASS),
    ),
}
