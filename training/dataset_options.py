"""What all verbs of `facet dataset` have in common: from a reader's tracks to a manifest that is written and reported.

`dataset_commands` has the verbs, each of which gathers one source; here its tags are brought to a vocabulary, its
tracks dealt out, the manifest written.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any

import click
import numpy as np

from training.datasets.card import DatasetCard, all_cards
from training.datasets.gathering import DatasetLayoutError, Gathered
from training.datasets.labels import Labels, RenamingError, TagCase, labels_of, read_renaming
from training.datasets.manifest import Manifest, ManifestError, Split
from training.datasets.manifest_files import write_manifest
from training.datasets.splitting import Dealing, GroupBy, SplittingError, deal_out
from training.datasets.summary import summary_lines
from training.vocabulary import VocabularyError, find_vocabulary

FILE = click.Path(dir_okay=False, path_type=Path)

# Why a source, or what was asked of it, is wrong: told to the person, without a trace.
_FAULTS = (
    DatasetLayoutError,
    ManifestError,
    RenamingError,
    SplittingError,
    VocabularyError,
    UnicodeDecodeError,
    OSError,
    csv.Error,
)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What every verb lets a person choose; the names are those of the options."""

    output: Path | None
    vocabulary: str | None
    tag_case: str
    rename: Path | None
    split_by: tuple[str, ...]
    shares: tuple[float, float, float]
    seed: int
    drop_untagged: bool
    left_out: Path | None


def manifest_verb(name: str, *, split_by: tuple[str, ...] = ()) -> Callable[[Callable[..., Gathered]], click.Command]:
    """Make a verb of a function that gathers a source: adds the options of `Wish`, and does what they ask.

    Args:
        name: Of the verb, and of its card if it has one.
        split_by: What is kept together by default; nothing leaves the source's own split.
    """
    card = next((card for card in all_cards() if card.reader == name), None)

    def decorate(gather: Callable[..., Gathered]) -> click.Command:
        @wraps(gather)
        def run(**options: Any) -> None:
            wish = Wish(**{field.name: options.pop(field.name) for field in fields(Wish)})
            try:
                _carry_out(wish, lambda: gather(**options), card)
            except _FAULTS as error:
                raise click.ClickException(str(error)) from error

        command: Callable[..., Any] = run
        for option in reversed(_options(card.vocabulary if card else "", split_by)):
            command = option(command)
        return click.command(name)(command)

    return decorate


def _options(vocabulary: str, split_by: tuple[str, ...]) -> list[Callable[..., Any]]:
    return [
        click.option(
            "-o", "--output", type=FILE, help="Manifest to write, .csv or .parquet. Without it: only the report."
        ),
        click.option(
            "--vocabulary",
            default=vocabulary or None,
            show_default=True if vocabulary else "every tag is kept",
            help="Name of one that ships, or a TOML file; 'none' keeps every tag as the source spells it.",
        ),
        click.option(
            "--tag-case",
            type=click.Choice([case.value for case in TagCase]),
            default=TagCase.EXACT.value,
            show_default=True,
            help="Whether capitals tell tags apart when they are looked up in the vocabulary.",
        ),
        click.option("--rename", type=FILE, help="TOML table from the source's tags to the vocabulary's."),
        click.option(
            "--split-by",
            multiple=True,
            type=click.Choice([group.value for group in GroupBy]),
            default=split_by or None,
            show_default=True if split_by else "the source's own split",
            help="Deal the tracks out anew, each artist (album, track) whole to one side. Can be given twice.",
        ),
        click.option(
            "--shares",
            nargs=3,
            type=click.FloatRange(0, 1),
            default=(0.8, 0.1, 0.1),
            show_default=True,
            metavar="TRAIN VALID TEST",
            help="Of the tracks, with --split-by.",
        ),
        click.option(
            "--seed", type=click.IntRange(0), default=0, show_default=True, help="Decides what chance decides."
        ),
        click.option("--drop-untagged", is_flag=True, help="Leave out tracks with no tag of the vocabulary."),
        click.option("--left-out", type=FILE, help="Write what was left out, and why, to this CSV file."),
    ]


def _carry_out(wish: Wish, gather: Callable[[], Gathered], card: DatasetCard | None) -> None:
    # What a person may have mistyped is looked at before the work begins.
    vocabulary = None if wish.vocabulary in (None, "none") else find_vocabulary(wish.vocabulary)
    if vocabulary is None and (wish.rename or wish.drop_untagged):
        raise click.ClickException("--rename and --drop-untagged need a --vocabulary")
    renamed = read_renaming(wish.rename, vocabulary) if wish.rename and vocabulary else {}
    if wish.output is not None and wish.output.suffix.casefold() not in (".csv", ".parquet"):
        raise click.ClickException(f"{wish.output}: a manifest's name ends in .csv or .parquet")
    gathered = gather()
    manifest, labels = gathered.manifest, None
    if vocabulary is not None:
        labels = labels_of(manifest, vocabulary, case=TagCase(wish.tag_case), renamed=renamed)
        manifest = manifest.with_tags(labels.as_tags())
        if wish.drop_untagged:
            manifest, labels, gathered = _without_untagged(manifest, labels, gathered)
    dealing = None
    if wish.split_by:
        manifest, dealing = _dealt(manifest, labels, wish)
    if wish.output is not None:
        write_manifest(manifest, wish.output)
    if wish.left_out is not None:
        _write_left_out(gathered, wish.left_out)
    for line in summary_lines(gathered, manifest, labels=labels, dealing=dealing, card=card):
        click.echo(line)
    if wish.output is not None:
        click.echo(f"{'written':<22}  {wish.output}")


def _without_untagged(manifest: Manifest, labels: Labels, gathered: Gathered) -> tuple[Manifest, Labels, Gathered]:
    is_tagged = labels.matrix.any(axis=1)
    if not is_tagged.any():
        raise DatasetLayoutError(f"not one track has a tag of vocabulary {labels.vocabulary.name!r}")
    left_out = dict(gathered.left_out)
    if not is_tagged.all():
        untagged = manifest.track_id.take(np.flatnonzero(~is_tagged))
        left_out[f"no tag of {labels.vocabulary.name}"] = tuple(untagged)
    return (
        manifest.take(np.flatnonzero(is_tagged)),
        Labels(labels.matrix[is_tagged], labels.vocabulary, labels.dropped),
        Gathered(gathered.manifest, left_out, gathered.remarks),
    )


def _dealt(manifest: Manifest, labels: Labels | None, wish: Wish) -> tuple[Manifest, Dealing]:
    return deal_out(
        manifest,
        np.zeros((len(manifest), 0), dtype=np.bool_) if labels is None else labels.matrix,
        by={GroupBy(column) for column in wish.split_by},
        shares=dict(zip(Split, wish.shares, strict=True)),
        rng=np.random.default_rng(wish.seed),
    )


def _write_left_out(gathered: Gathered, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["track_id", "reason"])
        writer.writerows((track, reason) for reason, tracks in gathered.left_out.items() for track in tracks)
