"""What a reading gave, in lines for a person: counts, what was left out, tags by dimension, sides, licence.

`dataset_commands` prints it.
"""

from collections.abc import Iterator, Mapping
from itertools import islice

from training.datasets.card import DatasetCard
from training.datasets.gathering import Gathered
from training.datasets.labels import Labels
from training.datasets.manifest import NO_SPLIT, Manifest, Split
from training.datasets.splitting import Dealing

_LABEL_WIDTH = 22
_LISTED_TAGS = 8


def summary_lines(
    gathered: Gathered, manifest: Manifest, *, labels: Labels | None, dealing: Dealing | None, card: DatasetCard | None
) -> Iterator[str]:
    """The lines.

    Args:
        gathered: What the reader found, for what it left out and remarked.
        manifest: What of it is in the manifest.
        labels: Its tags in a vocabulary; None where all tags of the source were kept.
        dealing: How the rows were dealt out; None where the source's split stands.
        card: Of the data set; None for a manifest of any origin.
    """
    if card is not None:
        yield card.title
    yield _line("tracks", f"{len(manifest):,}")
    for column in ("artist", "album"):
        texts = getattr(manifest, column)
        unknown = int(texts.is_empty.sum())
        kinds = len(set(texts.numbered()[1]) - {""})
        yield _line(f"{column}s", f"{kinds:,}" + (f", unknown of {unknown:,} tracks" if unknown else ""))
    for reason, tracks in gathered.left_out.items():
        yield _line(f"left out: {reason}", f"{len(tracks):,} (such as {', '.join(tracks[:3])})")
    sides = {side.value: len(manifest.on(side)) for side in Split} | {"none": int((manifest.split == NO_SPLIT).sum())}
    yield _line("sides", "   ".join(f"{side} {count:,}" for side, count in sides.items() if count or side != "none"))
    if dealing is not None:
        yield from _dealing(dealing, labels)
    yield from _all_tags(manifest) if labels is None else _by_dimension(labels)
    for sentence in gathered.remarks:
        yield _line("remark", sentence)
    if card is not None:
        yield _line("licence", " ".join(card.licence.split()))
        if card.citation:
            yield _line("cite", " ".join(card.citation.split()))


def card_lines(card: DatasetCard) -> Iterator[str]:
    """A card in full."""
    yield f"{card.title}  (facet dataset {card.reader})"
    yield ""
    yield card.summary.strip()
    for label, text in (
        ("home", card.homepage),
        ("licence", card.licence),
        ("cite", card.citation),
        ("how to get it", card.how_to_get),
        ("layout", card.layout),
        ("vocabulary", card.vocabulary or "none of its own"),
        ("checksums", card.checksums_note),
        *(("", f"{checksum.algorithm} {checksum.value}  {checksum.file}") for checksum in card.checksums),
        *(("beware", caveat) for caveat in card.caveats),
    ):
        if text:
            yield _line(label, " ".join(text.split()) if label else text)


def _line(label: str, text: str) -> str:
    return f"{label:<{_LABEL_WIDTH}}  {text}"


def _dealing(dealing: Dealing, labels: Labels | None) -> Iterator[str]:
    shares = "   ".join(f"{side} {share:.3f}" for side, share in dealing.shares.items() if share)
    yield _line("shares reached", f"{shares}, of {dealing.groups:,} groups, the largest of {dealing.largest_group:,}")
    if dealing.worst_tag is not None and labels is not None:
        tag = labels.vocabulary.tag_names[dealing.worst_tag]
        yield _line("tag farthest off", f"{tag}, by {dealing.worst_tag_difference:.3f}")


def _by_dimension(labels: Labels) -> Iterator[str]:
    rows = len(labels.matrix)
    yield _line("vocabulary", f"{labels.vocabulary.name}: {len(labels.vocabulary.tags)} tags")
    yield _line("dimension", f"{'tags':>6} {'used':>6} {'tracks':>10} {'share':>8} {'tags a track':>14}")
    for dimension in labels.vocabulary.dimensions:
        matrix = labels.of_dimension(dimension)
        tagged = int(matrix.any(axis=1).sum())
        used = int(matrix.any(axis=0).sum())
        share, mean = (tagged / rows, matrix.sum() / rows) if rows else (0.0, 0.0)
        yield _line(f"  {dimension}", f"{matrix.shape[1]:>6} {used:>6} {tagged:>10,} {share:>8.1%} {mean:>14.2f}")
    untagged = int((~labels.matrix.any(axis=1)).sum())
    if untagged:
        yield _line("without any tag", f"{untagged:,} tracks")
    if labels.dropped:
        yield _line("not in the vocabulary", f"{len(labels.dropped):,} tags, dropped: {_most_used(labels.dropped)}")


def _all_tags(manifest: Manifest) -> Iterator[str]:
    counts = dict(zip(manifest.tags.names, manifest.tags.counts.tolist(), strict=True))
    used = {tag: count for tag, count in sorted(counts.items(), key=lambda item: -item[1]) if count}
    yield _line("tags", f"{len(used):,}, in no vocabulary: {_most_used(used) or 'none'}")


def _most_used(counts: Mapping[str, int]) -> str:
    listed = ", ".join(f"{tag} ({count:,})" for tag, count in islice(counts.items(), _LISTED_TAGS))
    more = len(counts) - _LISTED_TAGS
    return listed + (f" and {more:,} more" if more > 0 else "")
