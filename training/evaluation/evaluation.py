"""What an evaluation found, as rows of one table: `evaluation.json`. `suite` fills it; reports and gates read it.

Every measure gives `Figure`s, each saying in full what was measured: nothing downstream knows a measure by its place.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

FORMAT_VERSION = 1
AS_RECORDED = "as recorded"
# Variant of a mean over all notions, each asked in its own sub-space.
OWN_SUBSPACES = "own sub-spaces"


class Task(StrEnum):
    """What was asked of the embedding."""

    RETRIEVAL = "retrieval"
    TAGGING = "tagging"
    CALIBRATION = "calibration"
    TAG_TRIPLETS = "tag triplets"
    TRACK_TRIPLETS = "track triplets"
    FACTOR_TRIPLETS = "factor triplets"
    FACTOR_PAIRS = "factor pairs"
    DIM_SIM = "Dim-Sim"
    HUBNESS = "hubness"
    ARTISTS = "same artist"
    AGREEMENT = "agreement"
    TRAINING = "training"


class Similarity(StrEnum):
    """How two vectors are compared; larger is closer."""

    COSINE = "cosine"
    DOT = "dot"
    EUCLIDEAN = "euclidean"


class Figure(BaseModel):
    """One number, with what it is of and how sure it is.

    Attributes:
        task: What was asked.
        metric: Such as `R@1`, `roc_auc`, `accuracy`, `skewness`.
        subspace: The dimension in whose slice alone it was asked; None: in the complete space.
        notion: The dimension whose tags it is about; None: all of them.
        tag: The one tag it is about, if it is.
        condition: What was done to the audio.
        similarity: How vectors were compared; None where they were not (a model's own tag scores).
        variant: What else tells it from its like, such as `clean` or `prototypes`.
        value: The number.
        low: Lower end of the 95 % bootstrap interval, None where there is none.
        high: Upper end.
        chance: What embeddings without meaning would get; of a calibration error, what probabilities that are exactly
            right would.
        n: How many queries, tags or triplets it is a mean over.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task
    metric: str
    subspace: str | None = None
    notion: str | None = None
    tag: str | None = None
    condition: str = AS_RECORDED
    similarity: Similarity | None = None
    variant: str | None = None
    value: float
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    n: int

    @property
    def name(self) -> str:
        """In words, for a person: unlike those of any other figure of an evaluation."""
        words = [self.task.value, self.metric]
        if self.variant is not None:
            words.append(f"({self.variant})")
        if self.tag is not None:
            words.append(f"of {self.tag!r}")
        elif self.notion is not None:
            words.append(f"of {self.notion}")
        if self.subspace is not None:
            words.append(f"in the sub-space {self.subspace}")
        elif OWN_SUBSPACES not in (self.variant or "") and self.task is not Task.CALIBRATION:
            words.append("in the complete space")
        if self.similarity not in (None, Similarity.COSINE):
            words.append(f"by {self.similarity}")
        if self.condition != AS_RECORDED:
            words.append(f"after {self.condition}")
        return " ".join(words)


class ReliabilityBin(BaseModel):
    """Tracks of about the same probability of a tag.

    Attributes:
        low: Smallest probability among them.
        high: Largest.
        n: How many they are.
        mean_probability: What the model says of them.
        share: How many of them have the tag indeed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    high: float
    n: int
    mean_probability: float
    share: float


class EvaluationError(ValueError):
    """An evaluation cannot be made, or a file of one cannot be read. The message says what to do."""


class Evaluation(BaseModel):
    """A bundle's evaluation on one data set.

    Attributes:
        format: Version of this schema.
        bundle: The bundle's name.
        encoder_id: The embedding space that was measured.
        dimensions: The bundle's.
        recipe: What made the bundle, as its manifest says.
        data: What it was measured on: name, sha256 of the manifest, side, numbers of tracks and excerpts, what was left
            out and why, vocabulary.
        settings: Of the suite: seeds, numbers of triplets and resamples, definition of the complete space.
        figures: All of them.
        reliability: By tag, what the bundle's probabilities said of the audio as recorded and what was so, from the
            least probable tracks to the most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = Field(default=FORMAT_VERSION, ge=FORMAT_VERSION, le=FORMAT_VERSION)
    bundle: str
    encoder_id: str
    dimensions: tuple[str, ...]
    recipe: Mapping[str, JsonValue]
    data: Mapping[str, JsonValue]
    settings: Mapping[str, JsonValue]
    figures: tuple[Figure, ...]
    reliability: Mapping[str, tuple[ReliabilityBin, ...]] = Field(default_factory=dict)

    def find(self, task: Task, metric: str, **expected: str | None) -> Figure | None:
        """The one figure of a task and metric in which the named attributes have the expected values, or None.

        Attributes that are not named are those of the plainest figure: the complete space, all notions, no tag, as
        recorded, no variant; the similarity may be any, with cosine before others.
        """
        wanted = {"subspace": None, "notion": None, "tag": None, "condition": AS_RECORDED, "variant": None} | expected
        found = [
            figure
            for figure in self.figures
            if (figure.task, figure.metric) == (task, metric)
            and all(getattr(figure, name) == value for name, value in wanted.items())
        ]
        return min(found, key=lambda figure: figure.similarity not in (None, Similarity.COSINE), default=None)


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write it whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(evaluation.model_dump_json(indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def read_evaluation(path: Path) -> Evaluation:
    """Read an evaluation.

    Raises:
        EvaluationError: If there is none, or it is not of this format.
    """
    try:
        return Evaluation.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise EvaluationError(f"{path} does not exist; `facet evaluate` writes it") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise EvaluationError(
            f"{path} is not an evaluation of format {FORMAT_VERSION}: {place}: {first['msg']}; measure again"
        ) from error
