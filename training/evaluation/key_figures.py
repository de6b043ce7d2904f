"""The few figures that stand for an evaluation, found among all of them: columns of the tables, marks of the plots."""

from collections.abc import Callable

from training.evaluation.evaluation import OWN_SUBSPACES, Evaluation, Figure, Task

# A title, and the figure of an evaluation that stands under it.
Column = tuple[str, Callable[[Evaluation], Figure | None]]


def figure_column(name: str, task: Task, metric: str, **where: str | None) -> Column:
    """The column of `Evaluation.find(task, metric, **where)`."""
    return name, lambda evaluation: evaluation.find(task, metric, **where)


def tagging_overall(evaluation: Evaluation) -> Figure | None:
    """ROC-AUC over all tags: of the bundle's own scores, or of prototypes where it has none for these tags."""
    scores = evaluation.find(Task.TAGGING, "roc_auc", variant="model")
    return scores or evaluation.find(Task.TAGGING, "roc_auc", variant="prototypes")


def own_subspaces(evaluation: Evaluation) -> Figure | None:
    """Tag triplets over all dimensions, each asked in its own sub-space."""
    return evaluation.find(Task.TAG_TRIPLETS, "accuracy", variant=OWN_SUBSPACES)


# Not among those below: of them, more is better.
CALIBRATION: Column = figure_column("Calibration error", Task.CALIBRATION, "calibration_error")

KEY_FIGURES: tuple[Column, ...] = (
    figure_column("R@1", Task.RETRIEVAL, "R@1"),
    figure_column("R@8", Task.RETRIEVAL, "R@8"),
    ("AUC", tagging_overall),
    figure_column("Triplets, complete space", Task.TAG_TRIPLETS, "accuracy"),
    ("Triplets, own sub-spaces", own_subspaces),
    figure_column("Track triplets", Task.TRACK_TRIPLETS, "accuracy"),
    figure_column("Same artist, R@1", Task.ARTISTS, "R@1"),
    figure_column("Dim-Sim clean", Task.DIM_SIM, "accuracy", variant="clean"),
)
