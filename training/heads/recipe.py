"""How heads are fitted: a TOML file beside this one, read and refused in words. `fitting` takes it."""

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

DEFAULT_RECIPE = Path(__file__).with_name("default.toml")


class HeadRecipeError(ValueError):
    """A recipe of heads is missing, is not TOML, or has a setting that is unknown, missing or out of range.

    Also if it keeps a block of the features that there is not, or every block, from a head.
    """


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class NetworkPart(_Part):
    """Of `network.FactorHeads`; `unseen` names blocks of the features that are kept from a dimension's head."""

    slice_width: int = Field(gt=0)
    hidden: int = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    bound: float = Field(gt=0)
    unseen: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    def check_unseen(self, dimensions: Sequence[str], blocks: Sequence[str]) -> None:
        """Hold the names in `unseen` against those there are.

        Raises:
            HeadRecipeError: If one is unknown, or a head would see nothing.
        """
        for dimension, unseen in self.unseen.items():
            for name, known in ((dimension, dimensions), *((block, blocks) for block in unseen)):
                if name not in known:
                    near = difflib.get_close_matches(name, known, n=1)
                    hint = f"; did you mean {near[0]!r}?" if near else ""
                    raise HeadRecipeError(f"network.unseen: {name!r} is none of {', '.join(known)}{hint}")
            if set(unseen) == set(blocks):
                raise HeadRecipeError(f"network.unseen: the head of {dimension!r} would see nothing; leave it a block")


class ValuePart(_Part):
    """Of `objective.ValueLoss`."""

    scale: float = Field(gt=0)
    smoothing: float = Field(ge=0, lt=1)
    contrast_weight: float = Field(ge=0)
    temperature: float = Field(gt=0)


class TrackPart(_Part):
    """Of `objective.TrackLoss`; its weight beside the loss of values. 0 leaves it out.

    Attributes:
        of_few_albums: Share of a step's tracks that are drawn album by album.
    """

    weight: float = Field(ge=0)
    temperature: float = Field(gt=0)
    of_few_albums: float = Field(ge=0, le=1)


class TeacherPart(_Part):
    """Of `objective.TeacherLoss`; its weight beside the loss of values. 0 leaves it out."""

    weight: float = Field(ge=0)


class TrainingPart(_Part):
    """The loop's. The learning rate rises over a tenth of the steps: of ten that would be none."""

    seed: int = Field(ge=0)
    steps: int = Field(gt=10)
    labelled_excerpts: int = Field(gt=1)
    real_tracks: int = Field(gt=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)


class WordsPart(_Part):
    """Which words there are, and what their probabilities are calibrated on.

    Attributes:
        vocabulary: The bundle's: the name of one that ships.
        values: The labelled music's.
        share_of_values: Of the labelled music's say in a word that a tagger knows, too.
        ridge: Of the least squares by which proxies are found; see `proxies.least_squares`.
        calibrated_on: What its validation side is, as the bundle tells it.
    """

    vocabulary: str
    values: str
    share_of_values: float = Field(ge=0, le=1)
    ridge: float = Field(gt=0)
    calibrated_on: str


class RealPart(_Part):
    """Of the music without labels."""

    excerpts_per_track: int = Field(gt=1)


class Origin(_Part):
    """What some of the music is; see `index.bundle_manifest.ProvenanceEntry`."""

    what: str
    source: str
    licence: str


class HeadRecipe(_Part):
    """All that decides what heads become, but the music."""

    name: str
    network: NetworkPart
    value: ValuePart
    track: TrackPart
    teacher: TeacherPart
    training: TrainingPart
    words: WordsPart
    real: RealPart
    origins: tuple[Origin, ...]


def read_head_recipe(path: Path = DEFAULT_RECIPE) -> HeadRecipe:
    """Read a recipe.

    Raises:
        HeadRecipeError: As its class says.
    """
    try:
        return HeadRecipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise HeadRecipeError(f"{path} cannot be read: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HeadRecipeError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise HeadRecipeError(f"{path}: {place}: {first['msg']}") from error
