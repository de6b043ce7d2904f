"""The paper's figures: complete, consistent with each other, and the same as in the recipes."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from training.evaluation.evaluation import OWN_SUBSPACES, Task
from training.evaluation.published import PublishedModel, read_published

PUBLISHED = read_published()
# Read as plain TOML: the lines were typed in by hand, apart from `published.toml`.
TOLD = {
    path.stem: tomllib.loads(path.read_text(encoding="utf-8"))["about"]["published"]
    for path in (Path(__file__).parents[3] / "training" / "recipes").glob("*.toml")
}


def test_the_eight_models_of_the_poster_are_there_each_once() -> None:
    told_apart = {(model.family, model.normalised, model.disentangled) for model in PUBLISHED.models}
    assert len(told_apart) == len(PUBLISHED.models) == 8


def test_every_recipe_of_the_poster_has_published_figures_and_no_other_has() -> None:
    with_figures = {name for name, told in TOLD.items() if not told.startswith("nothing")}
    assert {model.recipe for model in PUBLISHED.models} == with_figures


@pytest.mark.parametrize("model", PUBLISHED.models, ids=lambda model: model.recipe)
def test_the_recipe_tells_the_same_figures(model: PublishedModel) -> None:
    told = TOLD[model.recipe]
    in_sub_space = "" if model.sub_space_overall is None else f", sub-space {model.sub_space_overall:.3f}"
    assert f"training time {model.training_time_ratio:.2f} x the fastest" in told
    assert f"R@1/2/4/8 {' / '.join(f'{recall:.1f}' for recall in model.recall)};" in told
    assert f"AUC {model.auc:.3f}; triplets, complete space {model.complete_space_overall:.3f}{in_sub_space};" in told
    assert f"track triplets {model.track:.3f}; Dim-Sim clean {model.human:.3f} (" in told
    assert re.findall(r"\d[\d,.]*\d", told)  # The line holds figures at all.


@pytest.mark.parametrize("model", PUBLISHED.models, ids=lambda model: model.recipe)
def test_overall_is_the_mean_of_the_dimensions_as_far_as_rounding_lets_one_see(model: PublishedModel) -> None:
    assert np.mean(list(model.complete_space.values())) == pytest.approx(model.complete_space_overall, abs=0.0011)
    assert bool(model.sub_space) == model.disentangled
    if model.sub_space_overall is not None:
        assert np.mean(list(model.sub_space.values())) == pytest.approx(model.sub_space_overall, abs=0.0011)


@pytest.mark.parametrize("model", PUBLISHED.models, ids=lambda model: model.recipe)
def test_as_an_evaluation_all_figures_are_shares_found_by_their_names(model: PublishedModel) -> None:
    evaluation = PUBLISHED.evaluation(model)
    recall = evaluation.find(Task.RETRIEVAL, "R@4")
    assert recall is not None
    assert (recall.value, recall.chance) == (pytest.approx(model.recall[2] / 100), pytest.approx(0.207))
    era = evaluation.find(Task.TAG_TRIPLETS, "accuracy", notion="era")
    assert era is not None
    assert era.value == model.complete_space["era"]
    own = evaluation.find(Task.TAG_TRIPLETS, "accuracy", variant=OWN_SUBSPACES)
    assert (None if own is None else own.value) == model.sub_space_overall
    assert all(0 < figure.value < 1 for figure in evaluation.figures if figure.task is not Task.TRAINING)
