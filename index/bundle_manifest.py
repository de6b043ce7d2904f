"""What `bundle.json` says, read and checked. `training.export` writes it, `model` opens a bundle by it.

The manifest is the contract of format version 1; a change that an older reader would misread takes a new version.
"""

import json
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

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


class TagEntry(_Entry):
    """A tag: its logit is its proxy times the encoder's embedding, plus `bias`."""

    name: Name
    dimension: Name
    bias: float


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
