"""Tags and the dimension each belongs to, read from a TOML file. `datasets` maps labels to it, `export` writes it out.

A vocabulary of your own is a file like those in `vocabularies/`: any number of dimensions, any number of tags.
"""

import difflib
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

SHIPPED = Path(__file__).parent / "vocabularies"


class VocabularyError(ValueError):
    """A vocabulary file is missing, is not TOML, or contradicts itself."""


@dataclass(frozen=True)
class VocabularyTag:
    """A tag and the dimension of the sound it speaks of."""

    name: str
    dimension: str


@dataclass(frozen=True)
class Vocabulary:
    """Tags in the order of a model's outputs.

    Attributes:
        name: Such as `lastfm50`.
        source: Where the tags, and their dimensions, come from.
        dimensions: In the order of the embedding's columns; each has a tag.
        tags: In the order of the labels' columns.

    Raises:
        VocabularyError: If a name comes twice (capitals do not tell names apart), a tag's dimension is not among the
            dimensions, or a dimension has no tag.
    """

    name: str
    source: str
    dimensions: tuple[str, ...]
    tags: tuple[VocabularyTag, ...]

    def __post_init__(self) -> None:
        _refuse_twins("dimension", self.dimensions)
        _refuse_twins("tag", self.tag_names)
        for tag in self.tags:
            if tag.dimension not in self.dimensions:
                raise VocabularyError(
                    f"tag {tag.name!r} belongs to {tag.dimension!r}; the dimensions are {', '.join(self.dimensions)}"
                )
        for dimension in self.dimensions:
            if not self.positions(dimension):
                raise VocabularyError(f"dimension {dimension!r} has no tag; give it one, or leave it out")

    @property
    def tag_names(self) -> tuple[str, ...]:
        """In order."""
        return tuple(tag.name for tag in self.tags)

    def positions(self, dimension: str) -> tuple[int, ...]:
        """Where the tags of a dimension stand in `tags`; none for a dimension that is not here."""
        return tuple(position for position, tag in enumerate(self.tags) if tag.dimension == dimension)


def _refuse_twins(kind: str, names: tuple[str, ...]) -> None:
    twins = [name for name, count in Counter(name.casefold() for name in names).items() if count > 1]
    if twins:
        raise VocabularyError(f"{kind} {twins[0]!r} comes twice (capitals do not tell names apart)")


Name = Annotated[str, Field(min_length=1, pattern=r"^\S(.*\S)?$")]


class _File(BaseModel):
    """A vocabulary as it stands in TOML: the tags of each dimension in a list of their own would lose their order."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    source: Name
    dimensions: list[Name]
    tags: list[tuple[Name, Name]]


def read_vocabulary(path: Path) -> Vocabulary:
    """Read a vocabulary file.

    Args:
        path: TOML with `name`, `source`, `dimensions` (a list) and `tags`, a list of `[tag, dimension]`.

    Raises:
        VocabularyError: If the file is missing, is not TOML, lacks a field, has one too many, or contradicts itself.
    """
    try:
        content = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        tags = tuple(VocabularyTag(name, dimension) for name, dimension in content.tags)
        return Vocabulary(content.name, content.source, tuple(content.dimensions), tags)
    except FileNotFoundError as error:
        raise VocabularyError(f"{path} does not exist") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise VocabularyError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise VocabularyError(f"{path}: {place}: {first['msg']}") from error
    except VocabularyError as error:
        raise VocabularyError(f"{path}: {error}") from error


def find_vocabulary(name: str) -> Vocabulary:
    """Read a vocabulary by the name of one that ships, or by the path of a file, which ends in .toml.

    Raises:
        VocabularyError: If there is none of that name; as `read_vocabulary` else.
    """
    if name.endswith(".toml"):
        return read_vocabulary(Path(name))
    shipped = sorted(path.stem for path in SHIPPED.glob("*.toml"))
    if name not in shipped:
        near = difflib.get_close_matches(name, shipped, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise VocabularyError(
            f"there is no vocabulary {name!r} among {', '.join(shipped)}.{hint} A file's name ends in .toml"
        )
    return read_vocabulary(SHIPPED / f"{name}.toml")
