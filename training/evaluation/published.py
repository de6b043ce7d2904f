"""What the paper and its poster print, from `published.toml`, in the shape of our own evaluations.

`comparison` shows it beside those.
"""

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from training.evaluation.evaluation import OWN_SUBSPACES, Evaluation, Figure, Similarity, Task

PUBLISHED = Path(__file__).parent / "published.toml"

# Figure.n of what the paper measured.
TEST_TRACKS = 28_435
TAGS = 50
TRIPLETS = 40_000
CLEAN_TRIPLETS = 879


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PublishedChance(_Part):
    """What embeddings without meaning would get on the paper's data; `recall` in per cent."""

    recall: tuple[float, ...]
    auc: float
    triplets: float


class PublishedModel(_Part):
    """A row of the paper's tables, as printed.

    Attributes:
        recipe: Of ours that trains it.
        family: The paper's name of it; with the next two it tells all eight apart.
        normalised: Whether embeddings have length one.
        disentangled: Whether it has sub-spaces.
        training_time_ratio: Epochs x time of an epoch, over that of the fastest model.
        recall: R@K in per cent, for each K of `Published.recall_at`.
        auc: ROC-AUC of auto-tagging.
        complete_space: Share of tag triplets predicted right in the complete space, by dimension.
        complete_space_overall: Over all dimensions.
        sub_space: In the dimension's own sub-space; empty where there are none.
        sub_space_overall: Over all dimensions.
        track: Share of track triplets predicted right.
        human: Share of Dim-Sim's clean triplets predicted right.
    """

    recipe: str
    family: str
    normalised: bool
    disentangled: bool
    training_time_ratio: float
    recall: tuple[float, ...]
    auc: float
    complete_space: dict[str, float]
    complete_space_overall: float
    sub_space: dict[str, float] = {}
    sub_space_overall: float | None = None
    track: float
    human: float


class Published(_Part):
    """All of it.

    Attributes:
        source: Where it is printed.
        data: What it was measured on.
        recall_at: The paper's Ks.
        chance: Beside all models.
        models: In the paper's order.
    """

    source: str
    data: str
    recall_at: tuple[int, ...]
    chance: PublishedChance
    models: tuple[PublishedModel, ...]

    def evaluation(self, model: PublishedModel) -> Evaluation:
        """A row of the paper's tables as an evaluation, shares of one throughout.

        There are no intervals: the paper gives none.
        """
        chance, triplets = self.chance, (Task.TAG_TRIPLETS, "accuracy")
        expected = chance.triplets
        figures = [
            Figure(task=Task.TRAINING, metric="time_ratio", value=model.training_time_ratio, n=1),
            *(
                _figure(Task.RETRIEVAL, f"R@{k}", value / 100, random / 100, TEST_TRACKS)
                for k, value, random in zip(self.recall_at, model.recall, chance.recall, strict=True)
            ),
            _figure(Task.TAGGING, "roc_auc", model.auc, chance.auc, TAGS, variant="model"),
            _figure(*triplets, model.complete_space_overall, expected, TRIPLETS * len(model.complete_space)),
            *(
                _figure(*triplets, value, expected, TRIPLETS, notion=notion)
                for notion, value in model.complete_space.items()
            ),
            *(
                _figure(*triplets, value, expected, TRIPLETS, notion=notion, subspace=notion)
                for notion, value in model.sub_space.items()
            ),
            _figure(Task.TRACK_TRIPLETS, "accuracy", model.track, expected, TRIPLETS),
            _figure(Task.DIM_SIM, "accuracy", model.human, expected, CLEAN_TRIPLETS, variant="clean"),
        ]
        if model.sub_space_overall is not None:
            n = TRIPLETS * len(model.sub_space)
            figures.append(_figure(*triplets, model.sub_space_overall, expected, n, variant=OWN_SUBSPACES))
        return Evaluation(
            bundle=model.recipe,
            encoder_id="none: the authors' own",
            dimensions=tuple(model.sub_space),
            recipe={"source": self.source},
            data={"name": self.data},
            settings={},
            figures=tuple(figures),
        )


def _figure(
    task: Task,
    metric: str,
    value: float,
    chance: float,
    n: int,
    *,
    notion: str | None = None,
    subspace: str | None = None,
    variant: str | None = None,
) -> Figure:
    return Figure(
        task=task,
        metric=metric,
        value=value,
        chance=chance,
        n=n,
        notion=notion,
        subspace=subspace,
        variant=variant,
        similarity=Similarity.COSINE,
    )


def read_published(path: Path = PUBLISHED) -> Published:
    """The published figures.

    Raises:
        ValidationError: If the file is not of this shape.
    """
    return Published.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
