"""A manifest's tags as a matrix in the order of a vocabulary: what losses, sampling and evaluation ask for.

Sources spell tags in their own way: `read_renaming` gives a table from theirs to the vocabulary's. What a vocabulary
does not know is dropped, and counted.
"""

import difflib
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from training.datasets.manifest import Manifest
from training.datasets.tag_column import TagColumn
from training.vocabulary import Vocabulary


class RenamingError(ValueError):
    """A table of renamed tags is missing, is not TOML, or names a tag that the vocabulary lacks."""


class TagCase(StrEnum):
    """Whether capitals tell tags apart when a source's tag is looked up in a vocabulary."""

    EXACT = "exact"
    IGNORE = "ignore"

    def plain(self, tag: str) -> str:
        """A tag as it is compared."""
        return tag if self is TagCase.EXACT else tag.casefold()


@dataclass(frozen=True, eq=False)
class Labels:
    """Which row has which tag of a vocabulary.

    Attributes:
        matrix: `(rows, tags)` bool, columns in the vocabulary's order.
        vocabulary: Whose tags they are.
        dropped: Tags of the manifest that led to none of the vocabulary, and in how many rows each stood; most frequent
            first.
    """

    matrix: NDArray[np.bool_]
    vocabulary: Vocabulary
    dropped: Mapping[str, int]

    def of_dimension(self, dimension: str) -> NDArray[np.bool_]:
        """`(rows, tags of the dimension)`, a copy."""
        return self.matrix[:, self.vocabulary.positions(dimension)]

    def as_tags(self) -> TagColumn:
        """The tags in the vocabulary's spelling and order, to write into a manifest."""
        return TagColumn.of_matrix(self.matrix, self.vocabulary.tag_names)


def labels_of(
    manifest: Manifest,
    vocabulary: Vocabulary,
    *,
    case: TagCase = TagCase.EXACT,
    renamed: Mapping[str, Sequence[str]] | None = None,
) -> Labels:
    """Look up every tag of every row.

    Args:
        manifest: n rows.
        vocabulary: In whose order the columns stand.
        case: Whether capitals tell tags apart, in the vocabulary and in `renamed`.
        renamed: Tags of the source, and the vocabulary's tags each stands for; none drops it. A tag that is not here
            stands for itself.

    Returns:
        Its matrix takes n bytes for each tag of the vocabulary.

    Raises:
        RenamingError: If a tag is renamed to one that the vocabulary lacks.
    """
    columns = {case.plain(tag): column for column, tag in enumerate(vocabulary.tag_names)}
    targets: dict[str, list[int]] = {tag: [column] for tag, column in columns.items()}
    for source, tags in (renamed or {}).items():
        try:
            targets[case.plain(source)] = [columns[case.plain(tag)] for tag in tags]
        except KeyError as error:
            raise _unknown(str(error.args[0]), vocabulary) from error
    of_name = [targets.get(case.plain(name), []) for name in manifest.tags.names]
    matrix = np.zeros((len(manifest), len(vocabulary.tags)), dtype=np.bool_)
    rows, codes = manifest.tags.rows, manifest.tags.codes
    # Nearly always one round: a tag that stands for several takes one for each.
    for turn in range(max(map(len, of_name), default=0)):
        column = np.array([of[turn] if turn < len(of) else -1 for of in of_name], dtype=np.int64)[codes]
        matrix[rows[column >= 0], column[column >= 0]] = True
    dropped = Counter(
        {
            name: count
            for name, count, of in zip(manifest.tags.names, manifest.tags.counts.tolist(), of_name, strict=True)
            if count and not of
        }
    )
    return Labels(matrix, vocabulary, dict(dropped.most_common()))


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tags: dict[str, str | list[str]]


def read_renaming(path: Path, vocabulary: Vocabulary) -> dict[str, tuple[str, ...]]:
    """Read a table from a source's tags to a vocabulary's.

    Args:
        path: TOML with a table `tags`: `"Hip Hop" = "Hip-Hop"`, `"Folk Metal" = ["folk", "metal"]`, `"Podcast" = []`.
        vocabulary: That the right-hand sides are checked against, in its own spelling.

    Raises:
        RenamingError: If the file is missing, is not of this form, or the vocabulary lacks a tag.
    """
    try:
        content = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise RenamingError(f"{path} does not exist") from error
    except tomllib.TOMLDecodeError as error:
        raise RenamingError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise RenamingError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    renamed = {source: (to,) if isinstance(to, str) else tuple(to) for source, to in content.tags.items()}
    for tags in renamed.values():
        for tag in tags:
            if tag not in vocabulary.tag_names:
                raise RenamingError(f"{path}: {_unknown(tag, vocabulary)}")
    return renamed


def _unknown(tag: str, vocabulary: Vocabulary) -> RenamingError:
    near = difflib.get_close_matches(tag, vocabulary.tag_names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return RenamingError(f"vocabulary {vocabulary.name!r} has no tag {tag!r}{hint}")
