"""What can be filtered by, of many tracks at once. `Catalogue.facts_since` hands it to the searcher, which keeps it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import LargeBinary, Select, Text, select, type_coerce

from index.subspaces import Vectors
from service.catalogue.database import Database
from service.catalogue.labels import folded_labels
from service.catalogue.tables import EmbeddingRow, LabelsRow, TrackRow
from service.catalogue.writing import folded_name

# A row is some 150 bytes, with the probabilities of fifty tags 400.
TRACKS_AT_ONCE = 5000


@dataclass(frozen=True, eq=False)
class FactsBatch:
    """Some tracks; every list has an entry for each.

    Attributes:
        artists: Folded, None where the file does not say.
        albums: Likewise.
        labels: Folded.
        tag_probabilities: `(n, tags)`; None if they were not asked for.
    """

    track_ids: list[str]
    artists: list[str | None]
    albums: list[str | None]
    years: list[int | None]
    durations: list[float]
    labels: list[frozenset[str]]
    tag_probabilities: Vectors | None


def facts_since(database: Database, encoder_id: str, revision: int, *, with_tags: bool) -> Iterator[FactsBatch]:
    """What can be filtered by, of tracks put after a revision; `Catalogue.facts_since` says how to use it."""
    # As the driver gives them: of many thousand rows, any handling in between takes longer than the database.
    wanted: Select[*tuple[Any, ...]] = select(
        type_coerce(TrackRow.id, Text),
        type_coerce(TrackRow.artist_folded, Text),
        type_coerce(TrackRow.album, Text),
        TrackRow.year,
        TrackRow.duration_seconds,
        type_coerce(LabelsRow.labels, Text),
    )
    if with_tags:
        wanted = wanted.add_columns(type_coerce(EmbeddingRow.tag_probabilities, LargeBinary))
    wanted = (
        wanted.join(EmbeddingRow, EmbeddingRow.track_id == TrackRow.id)
        .outerjoin(LabelsRow, LabelsRow.track_id == TrackRow.id)
        .where(EmbeddingRow.encoder_id == encoder_id)
    )
    # What was put since, and what was labelled since: each by its own index.
    since = [EmbeddingRow.revision > revision, LabelsRow.revision > revision]
    questions = [wanted] if revision == 0 else [wanted.where(each) for each in since]
    with database.reading() as session:
        for question in questions:
            rows = session.execute(question, execution_options={"yield_per": TRACKS_AT_ONCE})
            for some in rows.partitions():
                columns = list(zip(*some, strict=True))
                yield FactsBatch(
                    track_ids=list(columns[0]),
                    artists=list(columns[1]),
                    albums=[folded_name(album) for album in columns[2]],
                    years=list(columns[3]),
                    durations=list(columns[4]),
                    labels=[folded_labels(labels) for labels in columns[5]],
                    tag_probabilities=_numbers(columns[6]) if with_tags else None,
                )


def _numbers(blobs: Sequence[bytes]) -> Vectors:
    """`(n, tags)` float32, as `tables.Numbers` keeps them."""
    return np.frombuffer(b"".join(blobs), "<f4").reshape(len(blobs), -1).astype(np.float32)
