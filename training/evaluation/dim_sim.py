"""Dim-Sim: which of two songs listeners find more like a third. Its published files, and how a bundle answers them.

The audio is not part of it: `dim_sim_clips` says which 3 s of which track of the Million Song Dataset are needed, and
`dim_sim_figures` takes their embeddings, of as many clips as there are.

Source: Lee et al., ICASSP 2020, and https://zenodo.org/records/3889149 (CC BY-NC 4.0).
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from index.subspaces import Subspaces, Vectors
from training.evaluation.bootstrap import Bootstrap
from training.evaluation.evaluation import EvaluationError, Figure, Similarity, Task
from training.evaluation.points import Complete, points_of, spaces_of


@dataclass(frozen=True, order=True)
class Clip:
    """A piece of a track: `seconds` from `start_seconds` on."""

    track_id: str
    start_seconds: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class RatedTriplet:
    """What listeners were asked, and how many found which song more like the anchor."""

    triplet_id: str
    anchor: Clip
    song1: Clip
    song2: Clip
    song1_vote: int
    song2_vote: int

    @property
    def agreement(self) -> float:
        """Share of the votes that the song with more of them has; 1 throughout the clean files."""
        return max(self.song1_vote, self.song2_vote) / (self.song1_vote + self.song2_vote)


class _Row(BaseModel):
    """The columns that are read; start and length also stand in samples, of which the seconds are a quotient."""

    triplet_id: str | int
    anchor_id: str = Field(min_length=1)
    anchor_start_seconds: float = Field(ge=0, allow_inf_nan=False)
    song1_id: str = Field(min_length=1)
    song1_start_seconds: float = Field(ge=0, allow_inf_nan=False)
    song2_id: str = Field(min_length=1)
    song2_start_seconds: float = Field(ge=0, allow_inf_nan=False)
    clip_lengths_seconds: float = Field(gt=0, allow_inf_nan=False)
    song1_vote: int = Field(ge=0)
    song2_vote: int = Field(ge=0)

    def triplet(self) -> RatedTriplet:
        seconds = self.clip_lengths_seconds
        return RatedTriplet(
            triplet_id=str(self.triplet_id),
            anchor=Clip(self.anchor_id, self.anchor_start_seconds, seconds),
            song1=Clip(self.song1_id, self.song1_start_seconds, seconds),
            song2=Clip(self.song2_id, self.song2_start_seconds, seconds),
            song1_vote=self.song1_vote,
            song2_vote=self.song2_vote,
        )


def read_dim_sim(path: Path, *, agreement: float = 0.0) -> tuple[RatedTriplet, ...]:
    """Read a raw or a clean file.

    Args:
        path: Ends in `.csv` or `.json`. JSON may be a list of rows, rows by number, or columns of such.
        agreement: The least that is kept; 0.9 makes the clean triplets of the raw ones. Triplets whose votes are even
            say nothing and never count.

    Raises:
        EvaluationError: If the file is missing, is in neither format, a column is missing or wrong, or nothing is left.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = (
            _rows_of_json(json.loads(text))
            if path.suffix == ".json"
            else list(csv.DictReader(io.StringIO(text, newline="")))
        )
    except FileNotFoundError as error:
        raise EvaluationError(
            f"{path} does not exist; it is `clean-dim-sim.csv` or its like, of Zenodo 3889149"
        ) from error
    except (ValueError, csv.Error) as error:
        raise EvaluationError(f"{path} is not what its ending says: {error}") from error
    triplets = []
    for number, row in enumerate(rows, 1):
        try:
            triplets.append(_Row.model_validate(row).triplet())
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            column = ".".join(map(str, first["loc"]))
            raise EvaluationError(f"{path}, row {number}, column {column!r}: {first['msg']}") from error
    decided = [each for each in triplets if each.song1_vote != each.song2_vote]
    kept = tuple(each for each in decided if each.agreement >= agreement)
    if not kept:
        raise EvaluationError(f"{path}: of {len(triplets)} triplets, none has an agreement of {agreement} or more")
    return kept


def dim_sim_clips(triplets: Iterable[RatedTriplet]) -> tuple[Clip, ...]:
    """What must be embedded: every clip once, in order of track and start."""
    return tuple(sorted({clip for each in triplets for clip in (each.anchor, each.song1, each.song2)}))


def dim_sim_figures(
    triplets: Sequence[RatedTriplet],
    embeddings: Mapping[Clip, Vectors],
    subspaces: Subspaces,
    *,
    variant: str,
    weights: Mapping[str, float] | None = None,
    similarity: Similarity = Similarity.COSINE,
    complete: Complete = Complete.SLICES,
    settings: Bootstrap,
) -> list[Figure]:
    """Share of triplets in which the bundle prefers the song that most listeners prefer.

    In the complete space, every sub-space and, if weights are given, by the weighted sum of the sub-spaces'
    similarities. Intervals are over the anchors' tracks. A preference is strict: two songs that are equally similar
    are taken for a vote for song 2, as in the published readers.

    Args:
        triplets: From `read_dim_sim`.
        embeddings: `(width,)` of each clip, as the encoder gives it. Triplets of which a clip is missing are left out:
            `n` says how many were not.
        subspaces: The bundle's.
        variant: `clean` or `raw`, or whatever else names the triplets.
        weights: Of dimensions; those not named weigh nothing. Only their proportions matter.
        similarity: Of the points.
        complete: What the complete space is.
        settings: Of the bootstrap.

    Raises:
        EvaluationError: If no triplet has all its clips.
        UnknownDimensionError: If a weight is of no dimension.
    """
    asked = [each for each in triplets if {each.anchor, each.song1, each.song2} <= embeddings.keys()]
    if not asked:
        raise EvaluationError(
            f"none of {len(triplets)} triplets has the audio of all its clips; `dim_sim_clips` lists them"
        )
    clips = dim_sim_clips(asked)
    position_of = {clip: position for position, clip in enumerate(clips)}
    vectors = np.stack([embeddings[clip] for clip in clips])
    anchor, song1, song2 = (
        np.array([position_of[getattr(each, role)] for each in asked]) for role in ("anchor", "song1", "song2")
    )
    prefers_song1 = np.array([each.song1_vote > each.song2_vote for each in asked])
    groups = np.array([each.anchor.track_id for each in asked])

    def margin(subspace: str | None) -> Vectors:
        """How much more similar song 1 is."""
        points = points_of(vectors, subspaces, subspace=subspace, similarity=similarity, complete=complete)
        return points.pairs(anchor, song1) - points.pairs(anchor, song2)

    answers: list[tuple[str | None, str, Any]] = [(space, variant, margin(space)) for space in spaces_of(subspaces)]
    if weights:
        name = ", ".join(f"{subspaces[dimension].name} {weight:g}" for dimension, weight in weights.items())
        weighted = sum(weight * margin(dimension) for dimension, weight in weights.items())
        answers.append((None, f"{variant}, weights {name}", weighted))
    figures = []
    for subspace, name, margins in answers:
        interval = settings.mean((margins > 0) == prefers_song1, groups)
        figures.append(
            Figure(
                task=Task.DIM_SIM,
                metric="accuracy",
                subspace=subspace,
                variant=name,
                similarity=similarity,
                value=interval.value,
                low=interval.low,
                high=interval.high,
                chance=0.5,
                n=len(asked),
            )
        )
    return figures


def _rows_of_json(content: Any) -> list[Any]:
    """Rows of a list, of rows by number, or of columns that are lists or values by number."""
    if isinstance(content, list):
        return content
    if not isinstance(content, dict):
        raise ValueError("expected a list or an object")
    if "anchor_id" not in content:
        return list(content.values())
    columns = {name: list(column.values()) if isinstance(column, dict) else column for name, column in content.items()}
    if not all(isinstance(column, list) for column in columns.values()):
        raise ValueError("expected rows, or columns of equal length")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
