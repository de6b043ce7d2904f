"""One piece: factors and seeds in, sound out. The front door of this package; `varied_set` plans the pieces."""

from dataclasses import dataclass, replace

import numpy as np

from training.datasets.rendered.arrangement import arrange
from training.datasets.rendered.composition import Composition, compose
from training.datasets.rendered.effects import Sound as Waveform
from training.datasets.rendered.genres import GENRES, Genre
from training.datasets.rendered.moods import Mood
from training.datasets.rendered.performance import DRUM_BANK, FADE, Sound, play, seconds_at
from training.datasets.rendered.score import ROLES, Part
from training.datasets.rendered.tune import draw_tune
from training.datasets.varied.backing import back
from training.datasets.varied.families import FAMILIES
from training.datasets.varied.grooves import GROOVES, LIKE, STRAIGHT, SWINGING, TRIPLET
from training.datasets.varied.moods import vary_mood
from training.datasets.varied.players import Studios, sound_parts
from training.datasets.varied.studio import SAMPLE_RATE, produce
from training.datasets.varied.studios import BRUSH, DECADES, draw_studio

FADE_SECONDS = 0.8
MACHINE_GENRES = frozenset({"electronic", "hip hop"})
BASSES = {"electric": (33, 34, 35), "upright": (32,), "synth": (38, 39), "slapped": (36, 37, 33)}
COLOURS = (16, 4, 89, 92, 95)

# What comes along with a genre, beside its groove. The fields of a line go together.
BORROWED = (
    ("chord_size", "voicing", "is_bluesy", "dressing"),
    ("pace",),
    ("bass_sound",),
    ("pump",),
)
# How often a borrowing piece has each of these, and its kind of drum kit, drawn anew; how often that is a machine.
BORROWS, BORROWED_MACHINE = 0.6, 0.35

# How often a part that could be heard is.
OWN_GROOVE, HAS_COLOUR, HAS_SEQUENCE = 0.3, 0.12, 0.5
LEFT_OUT = {"lead": 0.06, "chords": 0.06, "bass": 0.06, "percussion": 0.3, "crash": 0.3}


@dataclass(frozen=True)
class VariedFactors:
    """What a piece is to be; genre and instrument may be ones that `rendered` does not have.

    Attributes:
        is_borrowing: Whether what only comes along with the genre (harmony, pace, bass, drum kit) may be drawn anew.
    """

    genre: str
    mood: str
    instrument: str
    era: str
    is_borrowing: bool = False

    @property
    def tags(self) -> tuple[str, ...]:
        """The four values, in the order genre, mood, instrument, era."""
        return self.genre, self.mood, self.instrument, self.era


def make_piece(
    factors: VariedFactors, studios: Studios, *, writing: np.random.Generator, playing: np.random.Generator
) -> Waveform:
    """Write, play and produce a piece.

    Args:
        factors: What it is to be.
        studios: What plays it.
        writing: Draws the tune.
        playing: Draws everything else.

    Returns:
        Mono sound, `(1, samples)` at `studio.SAMPLE_RATE`, 11 to 17 seconds, no sample above 1.

    Raises:
        PlayingError: If MMA fails.
    """
    like = LIKE.get(factors.genre, factors.genre)
    is_own = factors.genre in GENRES and playing.random() < OWN_GROOVE
    mood = vary_mood(factors.mood, rng=playing)
    genre = _vary_genre(GENRES[like], factors.genre, is_own=is_own, rng=playing)
    if factors.is_borrowing:
        genre = _borrow(genre, rng=playing)
    if not is_own:
        mood = replace(mood, slowing=0.0)  # MMA keeps its tempo
    composition = compose(draw_tune(writing), mood=mood, genre=genre)
    seconds = seconds_at(composition.last_beat, composition, mood) + composition.last_beats * 60 / composition.tempo
    parts = _parts(composition, factors, genre, mood, studios, is_own=is_own, rng=playing)
    stems = sound_parts(parts, factors.instrument, studios, seconds=seconds + FADE, rng=playing)
    sound = produce(stems, parts, draw_studio(factors.era, rng=playing), pump=genre.pump, rng=playing)
    fade = round(FADE_SECONDS * SAMPLE_RATE)
    sound[:, -fade:] *= np.linspace(1.0, 0.0, fade)
    return sound


def _vary_genre(genre: Genre, name: str, *, is_own: bool, rng: np.random.Generator) -> Genre:
    swing = genre.swing
    if not is_own:
        swing = TRIPLET if name in SWINGING else STRAIGHT
    return replace(
        genre,
        pace=genre.pace * float(rng.uniform(0.95, 1.05)),
        swing=min(max(swing + float(rng.normal(0, 0.012)), 0.5), 0.68) if swing > STRAIGHT else swing,
        looseness=genre.looseness * float(rng.uniform(0.3, 1.5)),
        push=genre.push * float(rng.uniform(0, 1.4)),
        pump=genre.pump * float(rng.uniform(0, 1.2)),
    )


def _borrow(genre: Genre, *, rng: np.random.Generator) -> Genre:
    """The same groove in what may be other genres' harmony, pace, bass and ducking."""
    for fields in BORROWED:
        if rng.random() < BORROWS:
            lender = GENRES[str(rng.choice(list(GENRES)))]
            genre = replace(genre, **{field: getattr(lender, field) for field in fields})
    return genre


def _parts(
    composition: Composition,
    factors: VariedFactors,
    genre: Genre,
    mood: Mood,
    studios: Studios,
    *,
    is_own: bool,
    rng: np.random.Generator,
) -> dict[str, Part]:
    """Who plays what: role to part."""
    sounds = _sounds(factors, genre, mood, rng)
    strokes = arrange(composition, genre=genre, mood=mood, rng=rng)
    if rng.random() >= HAS_COLOUR:
        strokes.pop("colour")
    if rng.random() >= HAS_SEQUENCE:
        strokes.pop("sequence", None)
    own = {part.role: part for part in play(strokes, composition, genre=genre, mood=mood, sounds=sounds, rng=rng)}
    parts = dict(own)
    if not is_own:
        grooves = GROOVES[factors.genre]
        groove = grooves[int(rng.integers(len(grooves)))]
        backing = back(composition, groove, mma=studios.mma, seed=int(rng.integers(1, 2**31)))
        parts = {role: own[role] for role in ("lead", "colour", "percussion") if role in own}
        # A groove that has no harmony or bass of its own gets ours.
        parts |= {role: own[role] for role in ("chords", "bass") if role in own and role not in backing}
        parts |= {
            role: Part(role, sounds[role].program, notes, sounds[role].bank) for role, notes in backing.items() if notes
        }
    absent = [role for role, share in LEFT_OUT.items() if rng.random() < share]
    # Somebody must play the instrument that the piece is of.
    if {"lead", "chords"} <= set(absent) or not {"lead", "chords"} & (parts.keys() - set(absent)):
        absent = []
    return {role: part for role, part in parts.items() if role not in absent}


def _sounds(factors: VariedFactors, genre: Genre, mood: Mood, rng: np.random.Generator) -> dict[str, Sound]:
    family, decade = FAMILIES[factors.instrument], DECADES[factors.era]
    is_machine = factors.genre in MACHINE_GENRES or rng.random() < 0.04
    if factors.is_borrowing and rng.random() < BORROWS:
        is_machine = rng.random() < BORROWED_MACHINE
    kit = int(rng.choice(decade.machines if is_machine else decade.kits))
    if not is_machine and not mood.is_lively and factors.genre in {"jazz", "country", "latin"} and rng.random() < 0.5:
        kit = BRUSH
    bass = genre.bass_sound
    if factors.genre in {"funk", "soul"} and not factors.is_borrowing:
        bass = "slapped"
    if rng.random() < 0.2:
        bass = "electric"
    sounds = dict.fromkeys(ROLES, Sound(kit, DRUM_BANK))
    sounds["lead"] = Sound(int(rng.choice(family.leads)))
    strum = float(rng.uniform(0, 0.012)) if family.is_strummed else 0.0
    sounds["chords"] = Sound(int(rng.choice(family.chords)), strum=strum)
    sounds["bass"] = Sound(int(rng.choice(BASSES[bass])))
    sounds["colour"] = Sound(int(rng.choice(COLOURS)))
    sounds["sequence"] = Sound(int(rng.choice((80, 81, 62, 87))))
    return sounds
