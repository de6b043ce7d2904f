"""All measures on fixed tracks, against the scores they gave when they had been checked: nothing may move unnoticed.

When a change is meant to move them: `python -m tests.training.evaluation.test_golden_scores` writes them anew.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.evaluation.made_up_tracks import NOTIONS, part, somewhat_good
from training.evaluation.bootstrap import Bootstrap
from training.evaluation.disentanglement import (
    HARD,
    RANDOM,
    factor_pair_figures,
    factor_pairs,
    factor_triplet_figures,
    factor_triplets,
    leakage_figures,
)
from training.evaluation.evaluation import Figure, Similarity
from training.evaluation.hubness import hubness_figures
from training.evaluation.reliability import as_probabilities
from training.evaluation.retrieval import retrieval_figures
from training.evaluation.tag_calibration import own_calibration
from training.evaluation.tagging import own_tagging, prototype_tagging
from training.evaluation.triplets import tag_triplets, track_triplets, triplet_figures

GOLDEN = Path(__file__).parents[2] / "golden" / "evaluation-scores.json"


def _figures() -> list[Figure]:
    both = somewhat_good(160, seed=1)
    tracks, training = part(both, np.arange(80)), part(both, np.arange(80, 160))
    settings, rng = Bootstrap(resamples=100, seed=2), np.random.default_rng(3)
    figures = hubness_figures(tracks, settings=settings)
    for similarity in Similarity:
        figures += retrieval_figures(tracks, similarity=similarity, settings=settings)
    figures += own_tagging(tracks, settings=settings).figures
    probable = replace(tracks, tag_scores=as_probabilities(tracks.tag_scores).astype(np.float32))
    figures += own_calibration(probable, settings=settings).figures
    figures += prototype_tagging(tracks, training, settings=settings).figures
    triplets = [tag_triplets(tracks, notion, 300, rng) for notion in NOTIONS]
    figures += triplet_figures(tracks, [*triplets, track_triplets(tracks, 300, rng)], settings=settings)
    figures += leakage_figures(tracks, triplets, settings=settings)
    for variant in (RANDOM, HARD):
        of_factors = [factor_triplets(tracks, notion, 300, rng, variant=variant) for notion in NOTIONS]
        figures += factor_triplet_figures(tracks, of_factors, variant=variant, settings=settings)
    pairs = [factor_pairs(tracks, notion, 300, rng) for notion in NOTIONS]
    return figures + factor_pair_figures(tracks, pairs, settings=settings)


def _scores() -> dict[str, list[float | None]]:
    figures = _figures()
    scores = {figure.name: [figure.value, figure.low, figure.high, figure.chance] for figure in figures}
    assert len(scores) == len(figures), "two figures have one name"
    return scores


def test_scores_are_those_that_are_stored() -> None:
    stored, found = json.loads(GOLDEN.read_text(encoding="utf-8")), _scores()
    assert list(found) == list(stored)
    for name, expected in stored.items():
        # One of 300 triplets, or one neighbour of 80 tracks, may turn on the last digit of another machine's cosines.
        assert found[name] == pytest.approx(expected, abs=0.004), name


if __name__ == "__main__":
    rounded = {
        name: [None if each is None else round(each, 6) for each in scores] for name, scores in _scores().items()
    }
    GOLDEN.write_text(json.dumps(rounded, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
