"""A catalogue's own labels: how they are compared, which there are, and which tracks have them. `Catalogue` asks."""

import json
from collections import Counter
from collections.abc import Collection
from itertools import islice

from sqlalchemy import Text, select, type_coerce
from sqlalchemy.orm import Session

from service.catalogue.database import Database
from service.catalogue.tables import LabelsRow
from service.catalogue.writing import folded_name

# Fewer bytes than as many rows of `facts`.
TRACKS_AT_ONCE = 5000

_NO_LABELS: frozenset[str] = frozenset()


def folded_label(label: str) -> str:
    """A label as labels are compared: as names are, and however much space is between its words."""
    return folded_name(" ".join(label.split())) or ""


def folded_labels(labels: str | None) -> frozenset[str]:
    """Of JSON, as `tables.Strings` keeps it."""
    return _NO_LABELS if labels is None else frozenset(folded_label(label) for label in json.loads(labels))


def counted_labels(session: Session) -> dict[str, int]:
    """Every label that a track has, as it is mostly written, and how many tracks have it; in any case it counts."""
    counts: Counter[str] = Counter()
    spellings: dict[str, Counter[str]] = {}
    for labels in session.scalars(select(LabelsRow.labels)):
        for label in labels:
            folded = folded_label(label)
            counts[folded] += 1
            spellings.setdefault(folded, Counter())[label] += 1
    return {spellings[folded].most_common(1)[0][0]: counts[folded] for folded in sorted(counts)}


def labelled_ids(database: Database, labels: Collection[str], *, after: str, limit: int) -> list[str]:
    """The first tracks after one that have all of these labels, in the order of ids.

    Labels are folded by Python, as names are, so the database cannot look for them: it reads the labelled tracks
    behind `after` until `limit` are found.

    Args:
        database: Of the catalogue.
        labels: In any case.
        after: An id, which need not be there; "" for the beginning.
        limit: The most to return.
    """
    wanted = {folded_label(label) for label in labels}
    question = (
        select(type_coerce(LabelsRow.track_id, Text), type_coerce(LabelsRow.labels, Text))
        .where(LabelsRow.track_id > after)
        .order_by(LabelsRow.track_id)
    )
    with database.reading() as session:
        rows = session.execute(question, execution_options={"yield_per": TRACKS_AT_ONCE})
        found = list(islice((track_id for track_id, has in rows if wanted <= folded_labels(has)), limit))
        rows.close()
    return found
