"""What to train and how. `recipe_files` reads it from a file, `train` follows it, checkpoints carry it.

What the paper leaves open is a setting here; the recipes say what they choose, and why. Nothing that lies on one
machine only (folders, audio) is in a recipe: those are options of the commands.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.embedding import SLICE_WIDTH, Activation, Normalisation
from training.losses.triplet import MARGIN
from training.sampling.triplets import Share

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


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
