"""A tune in a mood and a genre: key, tempo, form, chords and melody. Input from `tune`, output to `arrangement`.

The mood decides mode, pace, register and how the melody is articulated; the genre decides how the chords are dressed
and which notes come early. Instrument and era decide nothing here: the notes stay the same.
"""

from dataclasses import dataclass, replace

from training.datasets.rendered.genres import Genre
from training.datasets.rendered.harmony import LETTERS, OCTAVE, SCALES, SEVENTH_CHORD, Chord, chord_from
from training.datasets.rendered.moods import Mood
from training.datasets.rendered.tune import PLANS, Tune

BEATS = 4  # to a bar
LEAD_IN = 1.0  # beats before the first bar: room for a pickup and the drums' call
SLOWEST = 84.0  # below this, four bars and a cadence no longer fit into LONGEST
TARGET_SECONDS = 13.0
LONGEST = 15.4
FEWEST_BARS, MOST_BARS = 5, 9
LAST_BAR_SECONDS = 2.6  # the last chord rings at most this long, fade included
LARGEST_CHORD = 5
# The melody keeps to these scale steps about its tonic, and to these pitches, which every lead reaches.
LOWEST_STEP, HIGHEST_STEP = -3, 9
LOWEST_PITCH, HIGHEST_PITCH = 52, 88

# What a melody note avoids, in scale steps of the contour it would rather leave.
REPEAT_COST = 1.3  # standing still where the contour moves
LEAP_COST = 0.6  # each step beyond a fourth from the note before
SMALL_LEAP = 3


@dataclass(frozen=True)
class Bar:
    """One bar: its first beat, its place in the form, and its chords with the beat of the bar on which each begins."""

    beat: float
    section: str
    chords: tuple[tuple[float, Chord], ...]


@dataclass(frozen=True)
class MelodyNote:
    """One note of the tune: when, how long, where, and how strong (0 to 1). Beats are notated, not yet swung."""

    beat: float
    beats: float
    pitch: int
    strength: float


@dataclass(frozen=True)
class Composition:
    """What every arrangement of this tune in this mood and genre has in common.

    Attributes:
        tempo: Quarter notes per minute.
        tonic: MIDI pitch of the tonic on which the melody stands.
        scale: Name of the mode, a key of `SCALES`.
        lead_in: Beats before the first bar.
        bars: Section "intro", "tune", "tag", and one "last".
        melody: In time order, never two at once.
        last_beats: How long the last chord lasts.
    """

    tempo: float
    tonic: int
    scale: str
    lead_in: float
    bars: tuple[Bar, ...]
    melody: tuple[MelodyNote, ...]
    last_beats: float

    def chord_at(self, beat: float) -> Chord:
        """The chord that sounds on this beat; before the first bar, the first chord."""
        chord = self.bars[0].chords[0][1]
        for bar in self.bars:
            for offset, candidate in bar.chords:
                if bar.beat + offset <= beat + 1e-6:
                    chord = candidate
        return chord

    @property
    def last_beat(self) -> float:
        """The beat on which the last chord is struck."""
        return self.bars[-1].beat

    @property
    def seconds(self) -> float:
        """Length at a steady tempo, up to the end of the last chord."""
        return (self.lead_in + self.last_beat + self.last_beats) * 60.0 / self.tempo


def compose(tune: Tune, *, mood: Mood, genre: Genre) -> Composition:
    """Writes the tune down. Nothing is drawn here: the same three arguments give the same notes."""
    tempo = max(SLOWEST, mood.tempo * genre.pace * tune.pace)
    sections, last_beats = _form(tempo)
    scale = SCALES[mood.scale]
    size = min(LARGEST_CHORD, genre.chord_size + mood.added_tones)

    def chord(symbol: str) -> Chord:
        return chord_from(symbol, scale, size=size, bluesy=genre.is_bluesy)

    plan = genre.dress(PLANS[tune.plan][mood.scale], mood.scale)
    symbols = _symbols(sections, plan)
    bars = tuple(
        Bar(
            beat=float(BEATS * number),
            section=section,
            chords=tuple((BEATS / len(bar) * place, chord(symbol)) for place, symbol in enumerate(bar)),
        )
        for number, (section, bar) in enumerate(zip(sections, symbols, strict=True))
    )
    tonic = _tonic(tune) + mood.transposed
    bare = Composition(tempo, tonic, mood.scale, LEAD_IN, bars, (), last_beats)
    return replace(bare, melody=_melody(tune, bare, mood, genre))


def _form(tempo: float) -> tuple[list[str], float]:
    """Sections bar by bar, and the length of the last chord in beats: as near to the target length as whole bars go."""
    beat = 60.0 / tempo
    last_beats = min(float(BEATS), LAST_BAR_SECONDS / beat)

    def seconds(bars: int) -> float:
        return (LEAD_IN + BEATS * (bars - 1) + last_beats) * beat

    fitting = [bars for bars in range(FEWEST_BARS, MOST_BARS + 1) if seconds(bars) <= LONGEST] or [FEWEST_BARS]
    bars = min(fitting, key=lambda count: abs(seconds(count) - TARGET_SECONDS))
    # The four bars of the tune and the last chord always stand; what is left is shared by intro and tag.
    intro = {5: 0, 6: 1, 7: 1, 8: 1, 9: 2}[bars]
    tag = bars - 5 - intro
    return ["intro"] * intro + ["tune"] * 4 + ["tag"] * tag + ["last"], last_beats


def _symbols(sections: list[str], plan: list[list[str]]) -> list[list[str]]:
    """Chord symbols for each bar. Intros wait at home, tags repeat the end of the plan, the last bar is home."""
    tags = sections.count("tag")
    intros = sections.count("intro")
    home = [["1"], [*plan[3]]][-intros:] if intros > 1 else [["1"]] * intros
    return [*home, *plan, *(plan[4 - tags :] if tags else []), ["1"]]


def _tonic(tune: Tune) -> int:
    """The tonic below the melody whose middle is the tune's."""
    steps = [anchor + step for anchor, shape in zip(tune.arch, tune.shapes, strict=True) for step in shape]
    return tune.middle - round(OCTAVE / LETTERS * sum(steps) / len(steps))


def _melody(tune: Tune, bare: Composition, mood: Mood, genre: Genre) -> tuple[MelodyNote, ...]:
    """The tune's rhythm and contour along the bars: pickup, phrase, what the tag repeats of it, last note."""
    notes: list[tuple[float, float, int, float]] = []  # beat, beats, scale step wished, strength
    first = next(number for number, bar in enumerate(bare.bars) if bar.section == "tune")
    tags = sum(bar.section == "tag" for bar in bare.bars)
    beat = bare.bars[first].beat - 0.5 * len(tune.pickup)
    for step in tune.pickup:
        notes.append((beat, 0.5, tune.arch[0] + tune.shapes[0][0] + step, 0.35))
        beat += 0.5
    for number, source in enumerate([0, 1, 2, 3, *range(4 - tags, 4)]):
        bar = bare.bars[first + number]
        # A cadence takes up the line where it is, a tag begins higher; after a few notes both are on their contour.
        came_from = notes[-1][2] + (1 if number >= 4 else 0)
        gap = came_from - tune.arch[source] - tune.shapes[source][0] if source == 3 or number >= 4 else 0
        for place, (onset, eighths) in enumerate(_strikes(tune.rhythms[source])):
            height = tune.arch[source] + tune.shapes[source][place] + round(gap * 0.6 ** (place + 1))
            # The phrase grows to its third bar; beats one and three weigh more than the rest.
            strength = (0.5, 0.55, 0.75, 0.6)[source] + (0.2 if onset % 4 == 0 else 0.0)
            early = onset > 0 and eighths >= 2 and onset % 4 == 0 and tune.pushes[source][place] < genre.push
            start = bar.beat + onset / 2 - (0.5 if early else 0.0)
            notes.append((start, eighths / 2 + (0.5 if early else 0.0), height, strength))
    notes.append((bare.last_beat, bare.last_beats, 0 if notes[-1][2] < LETTERS - 2 else LETTERS, 0.8))
    following = [*(note[0] for note in notes[1:]), float("inf")]
    cut = [
        (start, min(beats, end - start), height, strength)
        for (start, beats, height, strength), end in zip(notes, following, strict=True)
    ]
    return _pitched([note for note in cut if note[1] > 0], bare, is_rich=genre.chord_size + mood.added_tones > 3)


def _strikes(rhythm: str) -> list[tuple[int, int]]:
    """Onset and length in eighths of each struck note of a bar."""
    strikes = []
    for onset, sign in enumerate(rhythm):
        if sign == "x":
            held = len(rhythm[onset + 1 :]) - len(rhythm[onset + 1 :].lstrip("-"))
            strikes.append((onset, 1 + held))
    return strikes


def _pitched(
    notes: list[tuple[float, float, int, float]], bare: Composition, *, is_rich: bool
) -> tuple[MelodyNote, ...]:
    """Scale steps to pitches: chord tones where the ear rests, the contour's own steps in between."""
    pitched: list[MelodyNote] = []
    before = wished_before = notes[0][2]
    for beat, beats, wished, strength in notes:
        # An anticipated note belongs to the chord it anticipates.
        chord = bare.chord_at(beat + (0.5 if beats >= 1 and beat % 1 else 0.0))
        letters = {chord.letters[0]} if beat == bare.last_beat else set(range(LETTERS))
        if beat != bare.last_beat and (beat % 2 == 0 or beats >= 1.5):
            letters = set(chord.letters[: SEVENTH_CHORD if is_rich else 3])
        costs = {
            place: abs(place - wished)
            + (REPEAT_COST if place == before and wished != wished_before else 0.0)
            + LEAP_COST * max(abs(place - before) - SMALL_LEAP, 0)
            for place in range(LOWEST_STEP, HIGHEST_STEP + 1)
            if place % LETTERS in letters
        }
        step = min(costs, key=costs.__getitem__)
        tone = chord.scale_over(SCALES[bare.scale])[step % LETTERS]
        pitch = bare.tonic + OCTAVE * (step // LETTERS) + tone
        while pitch > HIGHEST_PITCH:
            pitch -= OCTAVE
        while pitch < LOWEST_PITCH:
            pitch += OCTAVE
        pitched.append(MelodyNote(beat, beats, pitch, strength))
        before, wished_before = step, wished
    return tuple(pitched)
