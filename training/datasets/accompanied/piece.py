"""One piece from its factors to its sound. `accompanied_set` says which pieces there are, and writes them to files."""

import numpy as np
from numpy.typing import NDArray

from training.datasets.accompanied.band import SAMPLE_RATE, Tools, accompany, sound
from training.datasets.accompanied.grooves import GENRES
from training.datasets.accompanied.moods import MOODS
from training.datasets.accompanied.players import FAMILIES
from training.datasets.accompanied.score import Band, mma_source
from training.datasets.accompanied.sheet import write_sheet
from training.datasets.accompanied.solo import write_solo
from training.datasets.accompanied.studio import produce
from training.datasets.accompanied.studios import ERAS
from training.datasets.rendered.factors import Factors

BEATS = 4
MUSIC_SECONDS = 16.0  # as many bars as fit into this, but
FEWEST_BARS, MOST_BARS = 4, 8
TAIL_SECONDS, FADE_SECONDS = 1.0, 0.6


def make_piece(
    factors: Factors, tools: Tools, *, writing: np.random.Generator, playing: np.random.Generator
) -> NDArray[np.float64]:
    """Write, play and produce a piece.

    Args:
        factors: What it is to be.
        tools: What plays it.
        writing: Draws key, chords and melody; the same state gives the same sheet, in other clothes.
        playing: Draws everything else: who plays in which groove, how fast, and the studio's chances.

    Returns:
        Stereo sound at `SAMPLE_RATE`, shape (2, samples), 13 to 17 seconds, no sample above 1.

    Raises:
        PlayingError: If the tools fail.
    """
    source, seconds = compose(factors, writing=writing, playing=playing)
    dry = sound(accompany(source, tools.mma), tools)
    samples = round(seconds * SAMPLE_RATE)
    dry = np.pad(dry, ((0, 0), (0, max(samples - dry.shape[1], 0))))[:, :samples]
    produced = produce(dry, ERAS[factors.era], rng=playing)
    fade = round(FADE_SECONDS * SAMPLE_RATE)
    produced[:, -fade:] *= np.linspace(1.0, 0.0, fade)
    return produced


def compose(factors: Factors, *, writing: np.random.Generator, playing: np.random.Generator) -> tuple[str, float]:
    """A piece as MMA's text, and how many seconds it lasts, its dying away included."""
    genre, mood = GENRES[factors.genre], MOODS[factors.mood]
    family, era = FAMILIES[factors.instrument], ERAS[factors.era]
    tempo = float(playing.uniform(*mood.tempo))
    bars = int(np.clip(MUSIC_SECONDS * tempo // (60 * BEATS), FEWEST_BARS, MOST_BARS))
    grooves = genre.lively if mood.is_lively else genre.calm
    side = int(playing.choice((-1, 1)))
    band = Band(
        groove=grooves[int(playing.integers(len(grooves)))],
        solo=family.solos[int(playing.integers(len(family.solos)))],
        chords=family.chords[int(playing.integers(len(family.chords)))],
        bass=int(playing.choice(genre.basses)),
        kit=era.machine if genre.has_machine else era.kit,
        pans=(64 + side * int(playing.integers(5, 20)), 64 - side * int(playing.integers(20, 45))),
    )
    sheet = write_sheet(factors.genre, mood.mode, bars=bars, enrichment=mood.enrichment, rng=writing)
    solo = write_solo(
        sheet, genre=factors.genre, mood=mood, swing=band.groove.swing, shift=band.solo.shift, rng=writing
    )
    seed = int(playing.integers(1, 2**31))
    source = mma_source(sheet, solo, band=band, mood=mood, tempo=tempo, seed=seed)
    return source, bars * BEATS * 60 / tempo + TAIL_SECONDS
