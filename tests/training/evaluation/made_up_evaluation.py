"""An evaluation and tracks of another making than the paper's: any dimensions, every task, numbers all different."""

from collections.abc import Sequence

import numpy as np

from index.subspaces import Subspace, Subspaces
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import (
    AS_RECORDED,
    OWN_SUBSPACES,
    Evaluation,
    Figure,
    ReliabilityBin,
    Similarity,
    Task,
)

DIMENSIONS = ("klang|farbe", "$tempo$", "_room")
MP3 = "mp3 at 64 kbit/s"


def recipe(name: str, *, normalisation: str | None = "slices", seed: int = 0) -> dict[str, object]:
    """As a bundle that `facet train` made has it."""
    loss = {"kind": "contrast"} if normalisation is None else {"kind": "tags", "normalisation": normalisation}
    return {
        "command": "facet train",
        "recipe": {
            "name": name,
            "about": {"measured": f"with seed {seed}"},
            "loss": loss,
            "training": {"seed": seed, "batch_rows": 8},
        },
    }


def made_up_evaluation(
    *,
    name: str = "made-up",
    made_by: dict[str, object] | None = None,
    dimensions: Sequence[str] = DIMENSIONS,
    notions: Sequence[str] | None = None,
    conditions: Sequence[str] = (AS_RECORDED, MP3),
    seconds: float | None = None,
    shift: float = 0.0,
) -> Evaluation:
    """Every figure that a suite may find, each with another value; `shift` is added to all values."""
    notions = dimensions if notions is None else notions
    spaces = [None, *(dimensions if len(dimensions) > 1 else ())]
    rng = np.random.default_rng(0)
    figures: list[Figure] = []

    def add(task: Task, metric: str, value: float, chance: float | None = 0.5, **where: object) -> None:
        value = value + shift + 0.01 * float(rng.random())
        figures.append(
            Figure.model_validate(
                {
                    "task": task,
                    "metric": metric,
                    "value": value,
                    "low": value - 0.03,
                    "high": value + 0.02,
                    "chance": chance,
                    "n": 1234,
                    "similarity": Similarity.COSINE,
                    **where,
                }
            )
        )

    for place, condition in enumerate(conditions):
        worse = 0.02 * place
        for space in spaces:
            for k in (1, 2, 4, 8):
                value = 0.25 + 0.2 * np.log2(k) - worse - (0.05 if space else 0)
                add(Task.RETRIEVAL, f"R@{k}", value, 0.1 * k, subspace=space, condition=condition)
            for notion in notions:
                is_own = space == notion
                value = (0.8 if is_own else 0.72 if space is None else 0.52) - worse
                add(Task.TAG_TRIPLETS, "accuracy", value, subspace=space, notion=notion, condition=condition)
                if space is None or is_own:
                    where = {"subspace": space, "notion": notion, "condition": condition, "variant": "prototypes"}
                    add(Task.TAGGING, "roc_auc", 0.75 - worse, **where)
            add(Task.TRACK_TRIPLETS, "accuracy", 0.93 - worse, subspace=space, condition=condition)
            add(Task.HUBNESS, "skewness", 1.5, 0.4, subspace=space, condition=condition)
        for notion in notions:
            where = {"similarity": None, "variant": "model", "notion": notion, "condition": condition}
            add(Task.TAGGING, "roc_auc", 0.85 - worse, **where)
            add(Task.TAGGING, "roc_auc", 0.87 - worse, tag=f"tag of {notion}", **where)
            for tag in (None, f"tag of {notion}", f"unheard of {notion}"):
                where = {"similarity": None, "notion": notion, "condition": condition, "tag": tag}
                # Of one tag, the errors are more than those of chance; the other is not heard at all.
                held, heard = tag != f"tag of {notion}", tag != f"unheard of {notion}"
                add(Task.CALIBRATION, "calibration_error", 0.06 + worse, 0.05 if held else 0.01, **where)
                add(Task.CALIBRATION, "brier_score", 0.15 + worse, 0.25 if heard else 0.16, **where)
        where = {"condition": condition}
        add(Task.TAG_TRIPLETS, "accuracy", 0.71 - worse, **where)
        if len(spaces) > 1:
            add(Task.TAG_TRIPLETS, "accuracy", 0.79 - worse, variant=OWN_SUBSPACES, **where)
            add(Task.TAGGING, "roc_auc", 0.78 - worse, variant=f"prototypes, {OWN_SUBSPACES}", **where)
        add(Task.TAGGING, "roc_auc", 0.86 - worse, similarity=None, variant="model", **where)
        add(Task.TAGGING, "roc_auc", 0.76 - worse, variant="prototypes", **where)
        add(Task.CALIBRATION, "calibration_error", 0.06 + worse, 0.05, similarity=None, **where)
        add(Task.CALIBRATION, "brier_score", 0.15 + worse, 0.25, similarity=None, **where)
        # Chance lies within: the card must say so.
        add(Task.DIM_SIM, "accuracy", 0.51 - shift, variant="clean", **where)
    if seconds is not None:
        plain = {"low": None, "high": None, "similarity": None}
        add(Task.TRAINING, "seconds", seconds, None, **plain)
        add(Task.TRAINING, "processor seconds", 1.5 * seconds, None, **plain)
    return Evaluation.model_validate(
        {
            "bundle": name,
            "encoder_id": "0123456789abcdef",
            "dimensions": tuple(dimensions),
            "recipe": recipe(name) if made_by is None else made_by,
            "data": {"name": "made up", "side": "test", "tracks": 96, "left_out": {"audio_empty": 1}},
            "settings": {"seed": 7, "resamples": 1000},
            "figures": tuple(figures),
            "reliability": {
                f"{kind} of {notion}": tuple(
                    ReliabilityBin(low=p - 0.05, high=p + 0.05, n=96 // bins, mean_probability=p, share=p * p)
                    for p in np.linspace(0.1, 0.9, bins).tolist()
                )
                for kind, bins in (("tag", 8), ("unheard", 6))
                for notion in notions
            },
        }
    )


def made_up_tracks(n: int = 60, *, dimensions: Sequence[str] = DIMENSIONS, seed: int = 0) -> EmbeddedTracks:
    """Tracks of two excerpts, with one of three tags in each dimension, whose slices lie round that tag's direction."""
    rng = np.random.default_rng(seed)
    width, n_tags = 8, 3
    columns = len(dimensions) * n_tags
    directions = rng.normal(size=(len(dimensions), n_tags, width))
    values = rng.integers(n_tags, size=(n, len(dimensions)))
    track = np.repeat(np.arange(n), 2)
    slices = [directions[place, values[track, place]] for place in range(len(dimensions))]
    excerpts = np.concatenate(slices, axis=1) + 0.4 * rng.normal(size=(2 * n, width * len(dimensions)))
    labels = np.zeros((n, columns), dtype=bool)
    for place in range(len(dimensions)):
        labels[np.arange(n), place * n_tags + values[:, place]] = True
    return EmbeddedTracks(
        subspaces=Subspaces(
            tuple(Subspace(name, place * width, (place + 1) * width) for place, name in enumerate(dimensions))
        ),
        track_ids=tuple(f"track {position}" for position in range(n)),
        artists=("",) * n,
        albums=("",) * n,
        tags=tuple(f"{name} {value}" for name in dimensions for value in range(n_tags)),
        notions=tuple(name for name in dimensions for _ in range(n_tags)),
        labels=labels,
        excerpts=excerpts.astype(np.float32),
        track=track.astype(np.int64),
        starts_seconds=np.tile([0.0, 3.0], n),
        tag_scores=np.full((n, columns), np.nan, dtype=np.float32),
        excerpt_tag_scores=np.full((2 * n, columns), np.nan, dtype=np.float32),
    )
