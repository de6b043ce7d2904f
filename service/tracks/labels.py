"""A person's own labels for a track: short texts, each once. `changing` reads them, the filters ask for them."""

import unicodedata
from collections.abc import Iterable, Sequence

from service.catalogue.labels import folded_label
from service.http.refusals import InvalidParameterError

LONGEST_LABEL = 100
MOST_LABELS = 100


def read_labels(texts: Iterable[str]) -> tuple[str, ...]:
    """Labels as they are kept: space around and between words made one, composed letters, no two alike.

    Raises:
        InvalidParameterError: If one is empty, too long, or holds characters that cannot be shown.
    """
    labels = []
    for text in texts:
        label = unicodedata.normalize("NFC", " ".join(text.split()))
        if not label or len(label) > LONGEST_LABEL or not label.isprintable():
            raise InvalidParameterError(
                f"{text[: LONGEST_LABEL + 1]!r} is no label: a label has 1 to {LONGEST_LABEL} printable characters"
            )
        labels.append(label)
    return refuse_too_many(with_labels((), add=labels))


def refuse_too_many(labels: tuple[str, ...]) -> tuple[str, ...]:
    """The same labels.

    Raises:
        InvalidParameterError: If they are more than a track can have.
    """
    if len(labels) > MOST_LABELS:
        raise InvalidParameterError(f"the track would have {len(labels)} labels, it can have {MOST_LABELS}")
    return labels


def with_labels(labels: Sequence[str], *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> tuple[str, ...]:
    """Labels after some were taken away, then others added, in whatever case; what was there keeps its place."""
    by_name = {folded_label(label): label for label in labels}
    for label in remove:
        by_name.pop(folded_label(label), None)
    for label in add:
        by_name.setdefault(folded_label(label), label)
    return tuple(by_name.values())
