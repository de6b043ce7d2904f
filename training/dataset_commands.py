"""`facet dataset`: a verb for each reader, and one for the cards. `facet.py` hands the group over.

What becomes of the tracks that a verb gathers is in `dataset_options`; the verbs that make music, and do not read it,
are in `making_commands`. What a verb needs beyond that it imports when it is called.
"""

from pathlib import Path

import click

from training.dataset_options import FILE, manifest_verb
from training.datasets.card import all_cards
from training.datasets.fma import FmaGenres, FmaSubset
from training.datasets.gathering import Gathered
from training.datasets.million_song import MSD_PATTERN, AudioPaths, MillionSongLayout
from training.datasets.mtg_jamendo import JamendoSubset
from training.datasets.summary import card_lines
from training.making_commands import accompanied, rendered, varied

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def dataset() -> None:
    """Read labelled music and write it as a manifest, which `facet train` reads."""


@dataset.command()
@click.argument("reader", required=False)
def cards(reader: str | None) -> None:
    """List the data sets that can be read, or show the card of one in full."""
    known = all_cards()
    if reader is None:
        for card in known:
            click.echo(f"{card.reader:<14}  {card.title}")
        return
    found = next((card for card in known if card.reader == reader), None)
    if found is None:
        raise click.ClickException(f"there is no card {reader!r}; there are {', '.join(card.reader for card in known)}")
    for line in card_lines(found):
        click.echo(line)


check_audio = click.option(
    "--check-audio/--no-check-audio",
    default=True,
    show_default=True,
    help="Look if each audio file is there; what is missing is left out and counted.",
)


@manifest_verb("million-song")
@click.argument("labels", type=FOLDER)
@click.argument("audio", type=FOLDER)
@click.option(
    "--layout",
    type=click.Choice([layout.value for layout in MillionSongLayout]),
    help="Whose split and label files LABELS holds. By default lee's if his lists are there, else choi's.",
)
@click.option(
    "--paths",
    type=click.Choice([paths.value for paths in AudioPaths]),
    help="How a track's file is found. By default the first whose files are there.",
)
@click.option("--pattern", default=MSD_PATTERN, show_default=True, help="Of paths, where no file tells them.")
@click.option("--metadata", type=FILE, help="track_metadata.db or unique_tracks.txt: artists, albums, years.")
@check_audio
def million_song(
    labels: Path,
    audio: Path,
    *,
    layout: str | None,
    paths: str | None,
    pattern: str,
    metadata: Path | None,
    check_audio: bool,
) -> Gathered:
    """Million Song Dataset, with labels of Last.fm from folder LABELS and audio from folder AUDIO."""
    from training.datasets.million_song import read_million_song
    from training.datasets.million_song_metadata import open_song_metadata

    return read_million_song(
        labels,
        audio,
        layout=MillionSongLayout(layout) if layout else None,
        audio_paths=AudioPaths(paths) if paths else None,
        pattern=pattern,
        metadata=open_song_metadata(metadata) if metadata else None,
        check_audio=check_audio,
    )


@manifest_verb("magnatagatune")
@click.argument("metadata", type=FOLDER)
@click.argument("audio", type=FOLDER, required=False)
@check_audio
def magnatagatune(metadata: Path, audio: Path | None, check_audio: bool) -> Gathered:
    """MagnaTagATune, with its CSV files in folder METADATA and its folders 0 to f in AUDIO (or METADATA too)."""
    from training.datasets.magnatagatune import read_magnatagatune

    return read_magnatagatune(metadata, audio or metadata, check_audio=check_audio)


@manifest_verb("mtg-jamendo")
@click.argument("metadata", type=FOLDER)
@click.argument("audio", type=FOLDER)
@click.option(
    "--subset",
    type=click.Choice([subset.value for subset in JamendoSubset]),
    default=JamendoSubset.ALL.value,
    show_default=True,
    help="Which tags and tracks.",
)
@click.option(
    "--published-split",
    type=click.Choice(["0", "1", "2", "3", "4", "none"]),
    default="0",
    show_default=True,
    help="Which of the five; none takes all tracks.",
)
@check_audio
def mtg_jamendo(metadata: Path, audio: Path, subset: str, published_split: str, check_audio: bool) -> Gathered:
    """MTG-Jamendo, with its repository in folder METADATA and its audio in folder AUDIO."""
    from training.datasets.mtg_jamendo import read_mtg_jamendo

    split = None if published_split == "none" else int(published_split)
    return read_mtg_jamendo(metadata, audio, subset=JamendoSubset(subset), split=split, check_audio=check_audio)


@manifest_verb("fma")
@click.argument("metadata", type=FOLDER)
@click.argument("audio", type=FOLDER)
@click.option(
    "--subset",
    type=click.Choice([subset.value for subset in FmaSubset]),
    default=FmaSubset.LARGE.value,
    show_default=True,
    help="Which tracks; for fma_full: large.",
)
@click.option(
    "--genres",
    type=click.Choice([genres.value for genres in FmaGenres]),
    default=FmaGenres.ALL.value,
    show_default=True,
    help="The root genre, those the artist gave, or those and all above them.",
)
@check_audio
def fma(metadata: Path, audio: Path, subset: str, genres: str, check_audio: bool) -> Gathered:
    """FMA, with fma_metadata in folder METADATA and fma_small, _medium, _large or _full in folder AUDIO."""
    from training.datasets.fma import read_fma

    return read_fma(metadata, audio, subset=FmaSubset(subset), genres=FmaGenres(genres), check_audio=check_audio)


@manifest_verb("folder")
@click.argument("folder", type=FOLDER)
@click.option("--field", multiple=True, help="Whose values become tags. Can be given again. [default: genre, mood, …]")
@click.option("--separators", default=";,/|", show_default=True, help="Signs between several tags in one value.")
@click.option("--decades", is_flag=True, help="The file's year makes a tag such as 80s.")
def tagged_folder(folder: Path, field: tuple[str, ...], separators: str, decades: bool) -> Gathered:
    """A FOLDER of your own music, labelled by the tags its files bear."""
    from training.datasets.tagged_folder import LABEL_FIELDS, read_tagged_folder

    return read_tagged_folder(folder, fields=field or LABEL_FIELDS, separators=separators, with_decade=decades)


@manifest_verb("debian")
@click.argument("folder", type=FOLDER)
@click.option("--debs", type=FOLDER, help="Where the packages' files are, if not in FOLDER. It is not written to.")
def debian(folder: Path, *, debs: Path | None) -> Gathered:
    """Freely licensed music out of Debian's packages, unpacked in FOLDER: real recordings without labels."""
    from training.datasets.debian import read_debian

    return read_debian(folder, debs=debs)


@manifest_verb("manifest")
@click.argument("file", type=FILE)
def manifest(file: Path) -> Gathered:
    """A manifest FILE that is there already: check it, look at it, convert it, deal it out anew."""
    from training.datasets.manifest_files import read_manifest

    return Gathered(read_manifest(file), {}, ())


VERBS = (million_song, magnatagatune, mtg_jamendo, fma, tagged_folder, debian, rendered, accompanied, varied, manifest)

for verb in VERBS:
    dataset.add_command(verb)
