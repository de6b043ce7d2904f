"""What `bundle.json` says, read and checked. `training.export` writes it, `model` opens a bundle by it.

The manifest is the contract of format version 1; a change that an older reader would misread takes a new version.

What a tag's two numbers mean is settled here. Its proxy is a direction: search looks along it. Its logit is the
encoder's own, and a probability of it is to be trusted as far as its `calibration` says, which is not at all if there
is none. Whether the one follows from the other is the bundle's affair: only a tag with a `bias` says so.
"""

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from index.subspaces import Subspace, Subspaces

FORMAT_VERSION = 1
MANIFEST_FILE = "bundle.json"
ENCODER_FILE = "encoder.onnx"
PROXIES_FILE = "proxies.npy"
CARD_FILE = "CARD.md"


class BundleError(Exception):
    """A model bundle cannot be used. `code` is stable and says why, for programs."""

    code: ClassVar[str]


class BundleMissingError(BundleError):
    """The folder, or a file the bundle needs, is not there."""

    code = "bundle_missing"


class BundleFormatError(BundleError):
    """The bundle is of a format version that this reader does not know."""

    code = "bundle_format_unknown"


class BundleManifestError(BundleError):
    """`bundle.json` is not JSON, lacks or misspells a field, or contradicts itself."""

    code = "bundle_manifest_invalid"


class BundleCorruptedError(BundleError):
    """A file is not the one that the manifest was written for."""

    code = "bundle_corrupted"


class BundleMismatchError(BundleError):
    """The encoder or the proxies are intact, but not of the shape or content that the manifest tells."""

    code = "bundle_mismatch"


Name = Annotated[str, Field(min_length=1, pattern=r"^\S(.*\S)?$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DimensionEntry(_Entry):
    """Columns `start:stop` of the embedding stand for the dimension `name`."""

    name: Name
    start: int
    stop: int


class CalibrationEntry(_Entry):
    """What a tag's probability was held against, and how well it held.

    The probability is the mean over a track's excerpts, which is what the service gives. The music must have had no
    part in the tagger; the error is of tracks that had no part in the scale and offset of its logits either.

    Attributes:
        on: What music, such as `rendered pieces of other tunes, players and soundfont`: elsewhere nothing is known.
        tracks: How many.
        positives: How many of them have the tag. Where tracks with it are rarer or more frequent, it is less likely or
            likelier than its probability says.
        expected_calibration_error: Mean distance of the probability from the share of tracks that have the tag, in
            bins of equal mass.
        roc_auc: How often a track with the tag has the larger probability of two: 0.5 is chance. Scale and offset are
            those of the bundle, fitted to all of these tracks: one excerpt a track is ranked the same by any.
    """

    on: Name
    tracks: int = Field(ge=2)
    positives: int = Field(ge=1)
    expected_calibration_error: float = Field(ge=0.0, le=1.0)
    roc_auc: float = Field(ge=0.0, le=1.0)

    @model_validator(mode="after")
    def _some_have_it_and_some_have_not(self) -> Self:
        if self.positives >= self.tracks:
            raise ValueError(
                f"positives is {self.positives} of {self.tracks} tracks; a calibration takes tracks with and without "
                "the tag"
            )
        return self


class TagEntry(_Entry):
    """A tag of the vocabulary; a field that is None is not in the file.

    Attributes:
        name: Such as `piano`.
        dimension: The one in whose slice its proxy lies.
        bias: Given where the logit is the proxy times the encoder's embedding, plus this. Without it, logits come from
            a layer of the tagger's own. No reader computes by it; it tells what the bundle is made of.
        calibration: None if nobody has held the probability against labelled music.
    """

    name: Name
    dimension: Name
    bias: float | None = None
    calibration: CalibrationEntry | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_not_said(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in dump(self).items() if value is not None}


class ProvenanceEntry(_Entry):
    """Something the bundle was made from, where it came from, and on what terms."""

    what: Name
    source: Name
    licence: Name


class BundleManifest(_Entry):
    """`bundle.json`, format version 1.

    Attributes:
        format: 1.
        name: The bundle's, such as `musicnn-msd`.
        sample_rate: Hz, of the waveform the encoder takes.
        excerpt_samples: Samples in one excerpt.
        dimensions: They tile the embedding without gap or overlap.
        tags: In the order of the encoder's logits and of the proxies' rows.
        recipe: What made it: loss, recipe, command, data.
        provenance: Of every pretrained part and every data set in it.
        files: sha256 of each file that must not change, `encoder.onnx` and `proxies.npy` at least.
    """

    format: int = Field(default=FORMAT_VERSION, ge=FORMAT_VERSION, le=FORMAT_VERSION)
    name: FileName
    sample_rate: int = Field(gt=0)
    excerpt_samples: int = Field(gt=0)
    dimensions: tuple[DimensionEntry, ...]
    tags: tuple[TagEntry, ...]
    recipe: dict[str, JsonValue]
    provenance: tuple[ProvenanceEntry, ...]
    files: dict[FileName, Sha256]

    @property
    def subspaces(self) -> Subspaces:
        """The dimensions' slices.

        Raises:
            ValueError: If they do not tile the embedding; `read` has made sure that they do.
        """
        return Subspaces(tuple(Subspace(entry.name, entry.start, entry.stop) for entry in self.dimensions))

    def to_json(self) -> str:
        """The file's text: the same manifest gives the same bytes."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> "BundleManifest":
        """Read `bundle.json`.

        Raises:
            BundleMissingError: If there is no such file.
            BundleFormatError: If its format version is not 1.
            BundleManifestError: If it is not JSON, breaks the schema, or contradicts itself.
        """
        try:
            content = json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise BundleMissingError(f"{path} does not exist; a bundle is a folder with {MANIFEST_FILE}") from error
        except ValueError as error:
            raise BundleManifestError(f"{path} is not JSON: {error}") from error
        found = content.get("format") if isinstance(content, dict) else None
        if isinstance(found, int) and found != FORMAT_VERSION:
            raise BundleFormatError(
                f"{path} has format version {found}; this release reads version {FORMAT_VERSION}. "
                "Export the model again, or use a release that reads it"
            )
        if found is None:
            raise BundleManifestError(f'{path} does not give its format version; expected "format": {FORMAT_VERSION}')
        try:
            manifest = cls.model_validate_json(json.dumps(content))
        except ValidationError as error:
            raise BundleManifestError(f"{path}: {_in_words(error)}") from error
        _check_consistent(manifest, path)
        return manifest


def _in_words(error: ValidationError) -> str:
    """Every complaint as `place: what is wrong`, the place written as one would say it in JSON."""
    complaints = []
    for detail in error.errors(include_url=False, include_context=False):
        place = ".".join(str(part) for part in detail["loc"]) or "the manifest"
        complaints.append(f"{place}: {detail['msg'][:1].lower()}{detail['msg'][1:]}")
    return "; ".join(complaints)


def _check_consistent(manifest: BundleManifest, path: Path) -> None:
    """Refuse what no schema can see: slices with gaps, tags that come twice or belong nowhere, unhashed files."""
    try:
        dimensions = manifest.subspaces.names
    except ValueError as error:
        raise BundleManifestError(f"{path}: {error}") from error
    seen: set[str] = set()
    for tag in manifest.tags:
        if tag.dimension not in dimensions:
            raise BundleManifestError(
                f"{path}: tag {tag.name!r} belongs to dimension {tag.dimension!r}; "
                f"the bundle has {', '.join(dimensions)}"
            )
        if tag.name in seen:
            raise BundleManifestError(f"{path}: tag {tag.name!r} comes twice")
        seen.add(tag.name)
    for name in (ENCODER_FILE, PROXIES_FILE):
        if name not in manifest.files:
            raise BundleManifestError(f"{path}: files lacks the sha256 of {name}")
