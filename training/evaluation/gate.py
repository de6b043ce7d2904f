"""What an evaluation must reach, from a TOML file: the last step of `facet evaluate`, for CI and for releases.

    [[at_least]]
    task = "retrieval"
    metric = "R@1"
    subspace = "mood"    # and notion, tag, condition, variant, similarity: only where the figure has one
    value = 0.62

    [[at_most]]          # where less is better
    task = "calibration"
    metric = "calibration_error"
    value = 0.05

Each threshold must name exactly one figure: one that names none would hold for ever, whatever became of the model.
"""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from training.evaluation.evaluation import AS_RECORDED, Evaluation, EvaluationError, Figure, Similarity, Task

_NAMING = ("task", "metric", "subspace", "notion", "tag", "condition", "variant", "similarity")


class Threshold(BaseModel):
    """What one figure must reach. What is not given is what the plainest figure has, as `Evaluation.find` says.

    Attributes:
        task: As the figure has it; so are all but `value`.
        metric: Such as `R@1`.
        subspace: None for the complete space.
        notion: None for all.
        tag: None for all.
        condition: What was done to the audio.
        variant: Such as `prototypes`.
        similarity: None for cosine, or for a figure that compares no vectors.
        value: The least, or the most of a `Ceiling`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task
    metric: str
    subspace: str | None = None
    notion: str | None = None
    tag: str | None = None
    condition: str = AS_RECORDED
    variant: str | None = None
    similarity: Similarity | None = None
    value: FiniteFloat

    def names(self, figure: Figure) -> bool:
        """Whether a figure is the one that is meant."""
        similarities = (None, Similarity.COSINE) if self.similarity is None else (self.similarity,)
        return figure.similarity in similarities and all(
            getattr(self, name) == getattr(figure, name) for name in _NAMING if name != "similarity"
        )

    @property
    def named(self) -> str:
        """What it names, as its file says it."""
        return _said(self.model_dump(exclude={"value"}))

    def is_reached(self, value: float) -> bool:
        """Whether a value is enough; one that is not a number has reached nothing."""
        return value >= self.value

    def missed(self, value: float) -> str:
        """In words, by how much a value falls short."""
        return f"{self.value - value:.4f} short of the {self.value:g} it must reach"


class Ceiling(Threshold):
    """The most that one figure may be."""

    def is_reached(self, value: float) -> bool:
        """As of a threshold."""
        return value <= self.value

    def missed(self, value: float) -> str:
        """In words, by how much a value is too large."""
        return f"{value - self.value:.4f} above the {self.value:g} it may be"


@dataclass(frozen=True)
class Shortfall:
    """A figure that is not what it must be."""

    figure: Figure
    threshold: Threshold

    def __str__(self) -> str:
        return f"{self.figure.name} is {self.figure.value:.4f}, {self.threshold.missed(self.figure.value)}"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    at_least: list[Threshold] = Field(default_factory=list)
    at_most: list[Ceiling] = Field(default_factory=list)


def read_thresholds(path: Path) -> tuple[Threshold, ...]:
    """Read a file of thresholds.

    Raises:
        EvaluationError: If it is missing, is not TOML, holds no threshold, or one is not of the form above.
    """
    try:
        content = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise EvaluationError(f"{path} does not exist; it is to hold the thresholds") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"])
        raise EvaluationError(f"{path}: {place}: {first['msg']}") from error
    if not (content.at_least or content.at_most):
        raise EvaluationError(f"{path} holds no threshold; each stands under [[at_least]] or [[at_most]]")
    return (*content.at_least, *content.at_most)


def shortfalls(evaluation: Evaluation, thresholds: Sequence[Threshold]) -> tuple[Shortfall, ...]:
    """The thresholds that an evaluation does not reach, in their order.

    Raises:
        EvaluationError: If a threshold names no figure of the evaluation, or several.
    """
    found = []
    for threshold in thresholds:
        figures = [figure for figure in evaluation.figures if threshold.names(figure)]
        if len(figures) != 1:
            raise EvaluationError(_unmatched(threshold, figures, evaluation))
        if not threshold.is_reached(figures[0].value):
            found.append(Shortfall(figures[0], threshold))
    return tuple(found)


def _unmatched(threshold: Threshold, figures: Sequence[Figure], evaluation: Evaluation) -> str:
    if figures:
        names = "; ".join(figure.name for figure in figures)
        return f"the threshold of {threshold.named} names {len(figures)} figures ({names}); name one of them"
    same_task = [figure for figure in evaluation.figures if figure.task is threshold.task]
    if not same_task:
        tasks = ", ".join(dict.fromkeys(figure.task.value for figure in evaluation.figures))
        return f"the threshold of {threshold.named} names no figure: this evaluation has figures of {tasks} only"
    known = dict.fromkeys(_said(figure.model_dump(include=set(_NAMING))) for figure in same_task)
    near = difflib.get_close_matches(threshold.named, known, n=1, cutoff=0.0)
    return f"the threshold of {threshold.named} names no figure of this evaluation; the nearest is {near[0]}"


def _said(attributes: Mapping[str, str | None]) -> str:
    """Of what a threshold may say, what it needs to."""
    plain = {"condition": AS_RECORDED, "similarity": Similarity.COSINE}
    return ", ".join(
        f"{name} {attributes[name]}" for name in _NAMING if attributes[name] not in (None, plain.get(name))
    )
