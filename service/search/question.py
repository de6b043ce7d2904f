"""A question, as `POST /query` takes it and every other call that searches makes one. `searcher` answers it.

A question names things: tracks, clips by their handles, tags, dimensions. `terms` finds the vectors behind the names,
`filtering` what may be found at all. The question as it was understood is a question again, and gets the same answer.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.http.paging import LONGEST_TEXT

# Of examples, tags and names in a list: more than anybody types, and quickly looked up.
LONGEST_LIST = 100
# A negative example counts half unless told otherwise: at full strength it leads so far away that what the positive
# ones have in common with it is lost. (Rocchio's rule, as in Manning, Raghavan and Schuetze, "Introduction to
# Information Retrieval", section 9.1, weighs negatives less for the same reason.)
NEGATIVE_WEIGHT = 0.5

Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Cosine = Annotated[float, Field(ge=-1, le=1)]


class Part(BaseModel):
    """What is common to every part of a question: it does not change, and has no fields but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Example(Part):
    """A track, a part of a track, or an uploaded clip."""

    track: Text | None = Field(default=None, description="A track's id.")
    start_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        default=None, description="Of a part of the track; left out, from its beginning."
    )
    end_seconds: Positive | None = Field(default=None, description="Of a part of the track; left out, to its end.")
    clip: Text | None = Field(default=None, description="A clip's id, which POST /clips gave.")
    weight: Positive | None = Field(
        default=None,
        description="How strongly it counts beside the others: 1 for a positive example, "
        f"{NEGATIVE_WEIGHT:g} for a negative one, if left out.",
    )

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.track is None) == (self.clip is None):
            raise ValueError("give either a track or a clip")
        if self.clip is not None and self.has_span:
            raise ValueError("only a track has parts; a clip counts as a whole")
        if self.start_seconds is not None and self.end_seconds is not None and self.start_seconds >= self.end_seconds:
            raise ValueError("start_seconds must be less than end_seconds")
        return self

    @property
    def has_span(self) -> bool:
        """Whether only a part of the track counts."""
        return self.start_seconds is not None or self.end_seconds is not None


class Range(Part):
    """From one number to another, both included; one of them may be left out."""

    at_least: Finite | None = None
    at_most: Finite | None = None

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least must not be more than at_most")
        return self


class LabelFilter(Part):
    """Which labels of a person's own a track must have, in any case."""

    all_of: Annotated[list[Text], Field(max_length=LONGEST_LIST)] = Field(default=[], description="Every one of these.")
    any_of: Annotated[list[Text], Field(max_length=LONGEST_LIST)] | None = Field(
        default=None, description="At least one of these."
    )
    none_of: Annotated[list[Text], Field(max_length=LONGEST_LIST)] = Field(default=[], description="None of these.")


class Filters(Part):
    """What a track must be. What its file does not say, it is not."""

    artists: Annotated[list[Text], Field(max_length=LONGEST_LIST)] | None = Field(
        default=None, description="By one of these, in any case."
    )
    albums: Annotated[list[Text], Field(max_length=LONGEST_LIST)] | None = Field(
        default=None, description="From one of these, in any case."
    )
    labels: LabelFilter | None = Field(
        default=None,
        description="Which of your own labels it has.",
        examples=[{"all_of": ["party"], "none_of": ["heard too often"]}],
    )
    year: Range | None = None
    duration_seconds: Range | None = None
    tags: Annotated[dict[Text, Range], Field(max_length=LONGEST_LIST)] | None = Field(
        default=None, description="How surely the model hears a tag in it, from 0 to 1."
    )
    path_prefix: Annotated[Text, Field(min_length=1)] | None = Field(
        default=None, description="Its file is this one, or lies in this folder or below: an absolute path."
    )

    @model_validator(mode="after")
    def _has_an_absolute_path(self) -> Self:
        if self.path_prefix is not None and not Path(self.path_prefix).is_absolute():
            raise ValueError("path_prefix must be an absolute path, such as /music/jazz")
        return self


class GroupBy(StrEnum):
    """What an item of the answer is."""

    TRACK = "track"
    EXCERPT = "excerpt"


class Question(Part):
    """Towards some music and away from other, dimension by dimension, of what the filters let through."""

    positive: Annotated[list[Example], Field(max_length=LONGEST_LIST)] = Field(default=[], description="Like these.")
    negative: Annotated[list[Example], Field(max_length=LONGEST_LIST)] = Field(default=[], description="Unlike these.")
    tags: Annotated[dict[Text, Finite], Field(max_length=LONGEST_LIST)] = Field(
        default={},
        description="Weight by tag, beside those of the examples; below zero leads away from it.",
        examples=[{"electronic": 1, "sad": -0.5}],
    )
    weights: dict[Text, Annotated[float, Field(ge=0, allow_inf_nan=False)]] | None = Field(
        default=None,
        description="How much each dimension counts; one that is left out counts nothing. Without this, all count "
        "alike; where only tags are asked for, those that have one of the tags.",
        examples=[{"mood": 1, "genre": 0.5}],
    )
    ceilings: dict[Text, Cosine] = Field(
        default={},
        description="How alike a track may be at most in a dimension, whether that counts or not: the same mood but "
        "another genre is `weights` mood 1, `ceilings` genre 0.5.",
        examples=[{"genre": 0.5}],
    )
    filters: Filters = Filters()
    exclude_same_artist: bool = Field(default=False, description="Nothing by an artist of a positive example.")
    exclude_same_album: bool = Field(
        default=False, description="Nothing from an album of the same name as that of a positive example."
    )
    duplicates_from: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="Fold near-duplicates: a track at least this alike, in every dimension, to one that comes before "
        "it in the answer is passed over. docs/searching.md says which value folds what.",
    )
    most_per_artist: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="No more tracks of one artist in the whole answer; tracks without one all stay."
    )
    diversity: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0,
        description="0: most similar first. Above: likeness to what came before counts against a track, at 1 nothing "
        "else does (maximal marginal relevance). Excludes `group_by` excerpt.",
    )
    group_by: GroupBy = Field(
        default=GroupBy.TRACK, description="Whether an item is a track with its best excerpt, or an excerpt."
    )

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not (self.positive or self.negative or self.tags):
            raise ValueError("give at least one positive or negative example, or a tag")
        if self.diversity and self.group_by is GroupBy.EXCERPT:
            raise ValueError("diversity and group_by excerpt exclude each other")
        return self

    @property
    def examples(self) -> list[tuple[Example, float]]:
        """All examples with their weights, those of the negative ones below zero."""
        return [
            *((each, 1.0 if each.weight is None else each.weight) for each in self.positive),
            *((each, -(NEGATIVE_WEIGHT if each.weight is None else each.weight)) for each in self.negative),
        ]
