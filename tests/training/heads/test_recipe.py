"""Recipes of heads: what is refused, and how it is told."""

from pathlib import Path

import pytest

from training.heads.recipe import DEFAULT_RECIPE, HeadRecipeError, NetworkPart, read_head_recipe

DIMENSIONS, BLOCKS = ("genre", "era"), ("spectrum", "rhythm")


def unseen(**names: tuple[str, ...]) -> NetworkPart:
    return NetworkPart(slice_width=4, hidden=4, dropout=0, bound=5, unseen=names)


def test_blocks_that_there_are_may_be_kept_from_a_head() -> None:
    unseen(genre=("rhythm",), era=()).check_unseen(DIMENSIONS, BLOCKS)


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (unseen(genre=("rythm",)), "'rythm' is none of spectrum, rhythm; did you mean 'rhythm'"),
        (unseen(gender=("rhythm",)), "'gender' is none of genre, era"),
        (unseen(era=("rhythm", "spectrum")), "the head of 'era' would see nothing"),
    ],
)
def test_names_that_there_are_not_and_blind_heads_are_refused(part: NetworkPart, told: str) -> None:
    with pytest.raises(HeadRecipeError, match=told):
        part.check_unseen(DIMENSIONS, BLOCKS)


@pytest.mark.parametrize(
    ("usual", "wrong", "told"),
    [
        ("steps = 3000", "steps = 10", "training.steps: "),
        ("hidden = 256", "hiden = 256", "network.hid"),
        ("[network]", "[network", "is not TOML"),
    ],
)
def test_a_recipe_that_is_wrong_is_refused_by_place(tmp_path: Path, usual: str, wrong: str, told: str) -> None:
    recipe = DEFAULT_RECIPE.read_text(encoding="utf-8")
    assert usual in recipe
    path = tmp_path / "mine.toml"
    path.write_text(recipe.replace(usual, wrong), encoding="utf-8")
    with pytest.raises(HeadRecipeError, match=told):
        read_head_recipe(path)


def test_a_recipe_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(HeadRecipeError, match="cannot be read"):
        read_head_recipe(tmp_path / "none.toml")
