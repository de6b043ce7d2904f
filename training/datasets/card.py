"""What a person must know before using a data set: a card for each reader, in `cards/`.

`facet dataset cards` shows them, and every reader prints licence and citation of its own.
"""

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict

CARDS = Path(__file__).parent / "cards"


class Checksum(BaseModel):
    """A published checksum of one file of the source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    algorithm: str
    value: str


class DatasetCard(BaseModel):
    """One data set.

    Attributes:
        reader: The verb of `facet dataset` that reads it.
        title: Its name.
        summary: What it is, in a few sentences.
        homepage: Where it is published; empty for what has no place.
        licence: Of labels and audio, in words.
        citation: The paper to cite, as plain text; empty where there is none.
        how_to_get: Step by step.
        layout: The files that the reader expects.
        vocabulary: The vocabulary that sorts its tags into dimensions; empty where there is none of its own.
        checksums: As published.
        checksums_note: What is known of checksums where they are not listed here.
        caveats: What the labels or the split do not do, a sentence each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    reader: str
    title: str
    summary: str
    homepage: str
    licence: str
    citation: str
    how_to_get: str
    layout: str
    vocabulary: str
    checksums: tuple[Checksum, ...] = ()
    checksums_note: str
    caveats: tuple[str, ...] = ()


def read_card(reader: str) -> DatasetCard:
    """The card of a reader.

    Raises:
        KeyError: If no reader has that name.
    """
    path = {path.stem: path for path in CARDS.glob("*.toml")}[reader]
    return DatasetCard.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


def all_cards() -> list[DatasetCard]:
    """Every card there is, by the reader's name."""
    return [read_card(path.stem) for path in sorted(CARDS.glob("*.toml"))]
