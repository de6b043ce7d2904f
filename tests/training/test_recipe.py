"""Recipes: those that ship are right, and what is wrong is refused by name."""

from pathlib import Path

import pytest

from training.embedding import Normalisation
from training.losses.tagging import TaggingLoss
from training.losses.triplet import TripletLoss
from training.model import build_model
from training.recipe import Recipe, RecipeError
from training.recipe_files import read_recipe, shipped_recipes
from training.vocabulary import SHIPPED, read_vocabulary

# The poster's first table: normalised, disentangled, track triplets.
POSTER = {
    "triplet": (True, False, False),
    "disentangled_triplet": (True, True, False),
    "disentangled_triplet_track": (True, True, True),
    "proxy": (True, False, False),
    "disentangled_proxy": (True, True, False),
    "classification": (False, False, False),
    "normalised_classification": (True, False, False),
    "disentangled_classification": (True, True, False),
}
BEYOND = {"classification_track_hybrid", "contrastive", "masked_disentangled_classification"}


def test_each_model_of_the_poster_and_each_extension_has_a_recipe() -> None:
    assert set(shipped_recipes()) == set(POSTER) | BEYOND


@pytest.mark.parametrize("name", sorted(POSTER))
def test_a_recipe_is_what_the_poster_says_of_its_model(name: str) -> None:
    recipe = read_recipe(name)
    is_normalised, is_disentangled, has_track_triplets = POSTER[name]
    assert (recipe.normalisation is not Normalisation.NONE) == is_normalised
    assert (recipe.normalisation is Normalisation.SLICES) == is_disentangled
    assert (recipe.excerpts_needed == 2) == has_track_triplets
    # Of the paper: Adam's rate, the schedule, the margin.
    assert recipe.training.learning_rate == 0.005
    assert (recipe.training.rate_divisor, recipe.training.patience_epochs, recipe.training.rate_drops) == (5, 10, 5)
    assert recipe.loss.kind != "triplets" or recipe.loss.margin == 0.1
    assert "ISMIR 2020" in recipe.about.published


@pytest.mark.parametrize("name", sorted(set(POSTER) | BEYOND))
def test_a_recipe_bears_its_file_name_and_builds(name: str) -> None:
    recipe = read_recipe(name, overrides=["backbone.width=0.125"])
    model = build_model(recipe, read_vocabulary(SHIPPED / "lastfm50.toml"))
    assert recipe.name == name
    assert model.loss.normalisation is recipe.normalisation
    assert model.subspaces.width == 256
    assert isinstance(model.objective, TripletLoss) == (recipe.loss.kind == "triplets")
    assert isinstance(model.objective, TaggingLoss) == (recipe.loss.kind == "tags")


def test_the_same_seed_gives_the_same_first_weights_and_another_gives_others() -> None:
    vocabulary = read_vocabulary(SHIPPED / "lastfm50.toml")
    first, again, other = (
        build_model(read_recipe("proxy", overrides=["backbone.width=0.125", f"training.seed={seed}"]), vocabulary)
        for seed in (3, 3, 4)
    )
    weights = [model.network.head.dense.weight for model in (first, again, other)]
    assert weights[0].equal(weights[1])
    assert not weights[0].equal(weights[2])


def test_settings_are_overridden_one_by_one_and_the_last_wins() -> None:
    recipe = read_recipe(
        "triplet", overrides=["training.batch_rows=7", "loss.over_tags=frequency", "training.batch_rows=9"]
    )
    assert recipe.training.batch_rows == 9
    assert recipe.loss.kind == "triplets"
    assert recipe.loss.over_tags == "frequency"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("training.bach_rows=7", "there is no setting training.bach_rows; did you mean training.batch_rows?"),
        ("loss.temperture=1", "there is no setting loss.temperture; expected one of loss."),
        ("batch_rows=7", "there is no setting batch_rows; did you mean training.batch_rows?"),
        ("training.margin=0.2", "there is no setting training.margin; did you mean loss.margin?"),
        ("training.batch_rows=0", "training.batch_rows: Input should be greater than or equal to 1, found 0"),
        ("loss.margin=-1", "loss.margin: Input should be greater than or equal to 0, found -1"),
        ("loss.kind=tripplets", "loss: "),
        ("training.batch_rows", "expected key=value"),
        ("embedding.heads=per_dimension", "set loss.normalisation to 'slices'"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_right_name(override: str, said: str) -> None:
    with pytest.raises(RecipeError) as refusal:
        read_recipe("triplet", overrides=[override])
    assert said.replace("expected one of loss.", "") in str(refusal.value)


def test_a_recipe_that_is_not_there_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(RecipeError, match="did you mean disentangled_proxy"):
        read_recipe("disentangled_poxy")


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("name = ")
    with pytest.raises(RecipeError, match="is not TOML"):
        read_recipe(tmp_path / "mine.toml")


def test_a_missing_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\n')
    with pytest.raises(RecipeError, match="about is missing"):
        read_recipe(tmp_path / "mine.toml")


def test_recipes_differ_in_what_they_teach_and_not_in_the_machine() -> None:
    recipe = read_recipe("triplet")
    assert recipe.difference(read_recipe("triplet", overrides=["machine.threads=3", "training.most_epochs=5"])) == ()
    assert recipe.difference(read_recipe("triplet", overrides=["loss.margin=0.2"])) == ("loss.margin",)


def test_a_recipe_survives_json() -> None:
    for name in shipped_recipes():
        recipe = read_recipe(name)
        assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe
