"""Recipes are read from TOML files, with `--set` on top, and refused in words. `recipe` says what may stand in one.

The commands of `training_commands` read here. The recipes that ship lie in `recipes/`.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from training.recipe import Recipe, RecipeError

RECIPES = Path(__file__).parent / "recipes"


def shipped_recipes() -> tuple[str, ...]:
    """Names of the recipes that ship."""
    return tuple(sorted(path.stem for path in RECIPES.glob("*.toml")))


def read_recipe(recipe: str | Path, *, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        recipe: A TOML file, or the name of one that ships.
        overrides: `key=value` each, the key dotted (`training.batch_rows=32`), the value as in TOML; text needs no
            quotes. Later ones win.

    Raises:
        RecipeError: If the file is missing or is not TOML, or a setting is unknown, missing or out of range.
    """
    path = _recipe_file(recipe)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not TOML: {error}") from error
    for override in overrides:
        _override(content, override)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise RecipeError(f"{path}: {_in_words(error, content)}") from error


def _recipe_file(recipe: str | Path) -> Path:
    path = Path(recipe)
    if path.is_file():
        return path
    shipped = RECIPES / f"{recipe}.toml"
    if path.suffix == "" and len(path.parts) == 1 and shipped.is_file():
        return shipped
    near = difflib.get_close_matches(path.stem, shipped_recipes(), n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise RecipeError(f"{recipe} is no file and no recipe that ships; {hint}these ship: {', '.join(shipped_recipes())}")


def _override(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set {override}: expected key=value, such as training.batch_rows=32")
    *tables, last = key.strip().split(".")
    place = content
    for table in tables:
        place = place.setdefault(table, {})
        if not isinstance(place, dict):
            raise RecipeError(f"--set {override}: {table} is no table")
    try:
        place[last] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        place[last] = text


def _in_words(error: ValidationError, content: Mapping[str, Any]) -> str:
    """The first complaint, with the nearest right name for a setting that is unknown."""
    first = error.errors(include_url=False)[0]
    # The kind of a backbone or loss, which pydantic writes into the place, is none of its keys.
    kinds = {content[part].get("kind") for part in ("backbone", "loss") if isinstance(content.get(part), dict)}
    names = [str(part) for number, part in enumerate(first["loc"]) if not (number == 1 and part in kinds)]
    place = ".".join(names)
    if first["type"] == "extra_forbidden":
        known = _known_settings(content)
        near = difflib.get_close_matches(place, known, n=1, cutoff=0.5)
        # A name that is right, but stands in the wrong table.
        elsewhere = [name for name in known if name.rpartition(".")[2] == names[-1]]
        hint = (elsewhere or near)[:1]
        table = ".".join(names[:-1])
        siblings = [name.rpartition(".")[2] for name in known if name.rpartition(".")[0] == table]
        return f"there is no setting {place}; " + (
            f"did you mean {hint[0]}?" if hint else f"expected one of {', '.join(siblings)}"
        )
    if first["type"] == "missing":
        return f"{place} is missing"
    found = f", found {first['input']!r}" if not isinstance(first["input"], dict) and place else ""
    return (f"{place}: " if place else "") + first["msg"].removeprefix("Value error, ") + found


def _known_settings(content: Mapping[str, Any]) -> list[str]:
    """All settings that a recipe of these kinds of backbone and loss can have, dotted."""
    known: list[str] = []
    for part, field in Recipe.model_fields.items():
        given = content.get(part)
        kind = given.get("kind") if isinstance(given, dict) else None
        choices = get_args(field.annotation) if get_origin(field.annotation) in (Union, UnionType) else ()
        models = [field.annotation] if not choices else [choice for choice in choices if _kind(choice) == kind]
        tables = [model for model in models if isinstance(model, type) and issubclass(model, BaseModel)]
        known += [f"{part}.{name}" for table in tables for name in table.model_fields] if tables else [part]
    return known


def _kind(table: type[BaseModel]) -> str:
    kind: str = get_args(table.model_fields["kind"].annotation)[0]
    return kind
