"""How the suite measures: what a person may choose, and where its randomness comes from.

Whatever is drawn at random comes from one seed and the name of what it is for: a measure more or less changes no other.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue

from training.evaluation.bootstrap import Bootstrap
from training.evaluation.conditions import Condition
from training.evaluation.evaluation import Similarity
from training.evaluation.points import Complete


@dataclass(frozen=True, kw_only=True)
class SuiteSettings:
    """How to measure.

    Attributes:
        similarities: By which vectors are compared; everything is asked by each.
        complete: What the complete space is under the cosine.
        triplets: Drawn for each notion, and of tracks; the paper's number.
        resamples: Of the bootstrap.
        seed: Of all that is drawn.
        agreement: Of the votes on a Dim-Sim triplet, the least share that the winner must have.
        weights: Of dimensions, to ask Dim-Sim by as well; None: no such figures.
        excerpts_per_track: Embedded, evenly spread; None for every one, side by side.
        conditions: What is done to the audio to measure everything once more.
    """

    similarities: tuple[Similarity, ...] = (Similarity.COSINE,)
    complete: Complete = Complete.SLICES
    triplets: int = 40_000
    resamples: int = 1_000
    seed: int = 0
    agreement: float = 0.0
    weights: Mapping[str, float] | None = None
    excerpts_per_track: int | None = None
    conditions: tuple[Condition, ...] = ()

    @property
    def bootstrap(self) -> Bootstrap:
        """For the measures."""
        return Bootstrap(resamples=self.resamples, seed=self.seed)

    def rng(self, purpose: str) -> np.random.Generator:
        """Randomness for one purpose, the same whatever else is measured."""
        return np.random.default_rng([self.seed, *purpose.encode()])

    def described(self) -> Mapping[str, JsonValue]:
        """For `Evaluation.settings`."""
        return {
            "similarities": [similarity.value for similarity in self.similarities],
            "complete_space": self.complete.value,
            "triplets": self.triplets,
            "resamples": self.resamples,
            "seed": self.seed,
            "excerpts_per_track": "all" if self.excerpts_per_track is None else self.excerpts_per_track,
            "conditions": [condition.name for condition in self.conditions],
        }
