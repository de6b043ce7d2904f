"""What to train and how: a TOML file for each model, with `--set` on top. `train` follows it, checkpoints carry it.

The recipes that ship lie in `recipes/`. What the paper leaves open is a setting here; the recipes say what they choose,
and why. Nothing that lies on one machine only (folders, audio) is in a recipe: those are options of the commands.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from training.embedding import SLICE_WIDTH, Activation, Normalisation
from training.losses.triplet import MARGIN
from training.sampling.triplets import Share

RECIPES = Path(__file__).parent / "recipes"


# What a run may be resumed with another value of: none decides what a step does.
_MAY_CHANGE = ("machine.", "about.", "training.most_epochs", "training.checkpoint_steps")


class RecipeError(ValueError):
    """A recipe is missing, is not TOML, or asks for what is not there. The message names the setting."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class About(_Part):
    """What a person should know before starting; nothing depends on it.

    Attributes:
        model: What it is: the row of the poster's table, or what it adds.
        published: What was published for it, and where; or that nothing was.
        measured: What we measured, on what; or that we have not.
        cost: What that took, on what machine; or that it was not measured.
    """

    model: str
    published: str
    measured: str
    cost: str


class Data(_Part):
    """What of the audio and the tags is used.

    Attributes:
        excerpts_per_track: At most, side by side from the beginning of each row's audio. The authors' code takes 10.
        unusable_audio: Whether a file that gives too few excerpts ends the run before its first step, or is left out.
        stored_as: Type of the cached frames. Half precision is off by 0.05 % at most and takes half the disk.
    """

    excerpts_per_track: int = Field(default=10, ge=1)
    unusable_audio: Literal["stop", "drop"] = "stop"
    stored_as: Literal["float16", "float32"] = "float16"


class InceptionBackbone(_Part):
    """The paper's network; see `backbones.inception`."""

    kind: Literal["inception"]
    width: float = Field(default=1.0, gt=0)
    batch_norm: bool = True


class MusicnnBackbone(_Part):
    """The network pretrained on the Million Song Dataset; see `backbones.musicnn`."""

    kind: Literal["musicnn"]
    is_frozen: bool = True


class Embedding(_Part):
    """What is made of a backbone's features; see `embedding`.

    Attributes:
        heads: One dense layer for the whole embedding, or one for each dimension.
        slice_width: Columns of each dimension, or of each by name.
        activation: Of the dense layer.
    """

    heads: Literal["shared", "per_dimension"]
    slice_width: Annotated[int, Field(ge=1)] | dict[str, Annotated[int, Field(ge=1)]] = SLICE_WIDTH
    activation: Activation = "relu"


class Triplets(_Part):
    """`losses.triplet.TripletLoss`, and how its triplets are drawn."""

    kind: Literal["triplets"]
    normalisation: Literal[Normalisation.WHOLE, Normalisation.SLICES]
    margin: float = Field(default=MARGIN, ge=0)
    track_weight: float = Field(default=0.0, ge=0)
    over_dimensions: Share = "uniform"
    over_tags: Share = "uniform"


class Tags(_Part):
    """`losses.tagging.TaggingLoss`."""

    kind: Literal["tags"]
    normalisation: Normalisation
    bias: bool = False
    skips_untagged_dimensions: bool = False
    track_weight: float = Field(default=0.0, ge=0)
    margin: float = Field(default=MARGIN, ge=0)


class Contrast(_Part):
    """`losses.contrastive.SupervisedContrastiveLoss`."""

    kind: Literal["contrast"]
    temperature: float = Field(default=0.1, gt=0)
    skips_untagged_dimensions: bool = True


class Training(_Part):
    """Steps, rates, and when to stop.

    A row is what a sampler draws at once: a track for losses of tags and contrasts, two tracks with two excerpts each
    where those come with track triplets, a triplet for losses of triplets.

    Attributes:
        seed: Of first weights and of all draws.
        batch_rows: Rows of a step, over all processes together.
        epoch_rows: Rows of an epoch; 0 is as many as there are training tracks (pairs of tracks, where a row is two).
        validation_rows: Rows the validation loss is computed from, the same in every epoch; 0 as above.
        learning_rate: Adam's, at first.
        patience_epochs: Epochs without a lower validation loss before the rate falls.
        rate_divisor: What it is divided by.
        rate_drops: How often; after as many epochs without gain once more, training ends.
        most_epochs: Training ends after so many in any case; 0 sets no limit.
        checkpoint_steps: A checkpoint after so many steps, besides the one after each epoch; 0 for none.
    """

    seed: int = Field(default=0, ge=0)
    batch_rows: int = Field(default=64, ge=1)
    epoch_rows: int = Field(default=0, ge=0)
    validation_rows: int = Field(default=0, ge=0)
    learning_rate: float = Field(default=0.005, gt=0)
    patience_epochs: int = Field(default=10, ge=1)
    rate_divisor: float = Field(default=5.0, gt=1)
    rate_drops: int = Field(default=5, ge=0)
    most_epochs: int = Field(default=0, ge=0)
    checkpoint_steps: int = Field(default=1000, ge=0)


class Machine(_Part):
    """How the machine is used. A run may be resumed with other settings of these; `device` says what `auto` means."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(default=0, ge=0)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    channels_last: Literal["auto", "yes", "no"] = "auto"


class Recipe(_Part):
    """A model, and how it is trained.

    Raises:
        ValidationError: If a setting is unknown, missing or out of range.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")
    about: About
    data: Data = Data()
    backbone: InceptionBackbone | MusicnnBackbone = Field(discriminator="kind")
    embedding: Embedding
    loss: Triplets | Tags | Contrast = Field(discriminator="kind")
    training: Training = Training()
    machine: Machine = Machine()

    @model_validator(mode="after")
    def _heads_belong_to_slices(self) -> "Recipe":
        if self.embedding.heads == "per_dimension" and self.normalisation is not Normalisation.SLICES:
            raise ValueError(
                "embedding.heads is 'per_dimension', but the loss does not tell dimensions apart; "
                "set loss.normalisation to 'slices', or embedding.heads to 'shared'"
            )
        return self

    @property
    def normalisation(self) -> Normalisation:
        """What gets length one before embeddings are compared."""
        return Normalisation.SLICES if isinstance(self.loss, Contrast) else Normalisation(self.loss.normalisation)

    @property
    def excerpts_needed(self) -> int:
        """Excerpts that a track must have: a track triplet takes two of one."""
        has_track_triplets = not isinstance(self.loss, Contrast) and self.loss.track_weight > 0
        return 2 if has_track_triplets else 1

    def difference(self, other: "Recipe") -> tuple[str, ...]:
        """Settings, dotted, in which two recipes teach something else; see `_MAY_CHANGE` for those that do not."""
        mine, theirs = _flat(self.model_dump(mode="json")), _flat(other.model_dump(mode="json"))
        return tuple(
            name
            for name in sorted(mine.keys() | theirs.keys())
            if not name.startswith(_MAY_CHANGE) and mine.get(name) != theirs.get(name)
        )


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


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
