"""What a bundle is measured on: one side of a manifest, labelled in the words of a vocabulary. `suite` takes it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from index.model import ModelBundle
from training.datasets.labels import Labels, TagCase, labels_of
from training.datasets.manifest import NO_SPLIT, SPLITS, Manifest, Split
from training.datasets.manifest_files import read_manifest
from training.evaluation.evaluation import EvaluationError
from training.vocabulary import Vocabulary, VocabularyError, VocabularyTag

ALL_SIDES = "all"
SIDES = (*(side.value for side in Split), ALL_SIDES)


@dataclass(frozen=True, eq=False, kw_only=True)
class MeasuredData:
    """A data set, and which part of it is asked about.

    Attributes:
        name: Of the manifest's file and its folder.
        sha256: Of the manifest's file: the audio is as the manifest says, or it is not.
        side: One of `SIDES`.
        manifest: All rows.
        asked: The rows of the side.
        labels: Of those.
        taught: The training rows, which prototypes are made of; None where `asked` is among them, or there are none.
        taught_labels: Of those.
    """

    name: str
    sha256: str
    side: str
    manifest: Manifest
    asked: Manifest
    labels: Labels
    taught: Manifest | None
    taught_labels: Labels | None

    @property
    def vocabulary(self) -> Vocabulary:
        """Whose tags the labels are."""
        return self.labels.vocabulary

    def described(self) -> Mapping[str, JsonValue]:
        """For `Evaluation.data`. What is text tells one data set from another."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "side": self.side,
            "vocabulary": self.vocabulary.name,
            "rows": len(self.asked),
            "training_rows": 0 if self.taught is None else len(self.taught),
            "tags_not_in_vocabulary": len(self.labels.dropped),
        }


def read_data(
    path: Path, vocabulary: Vocabulary, *, side: str | None = None, case: TagCase = TagCase.EXACT
) -> MeasuredData:
    """Read a manifest, and choose what is asked about.

    Args:
        path: CSV or Parquet.
        vocabulary: For its tags.
        side: One of `SIDES`; None: the test side, or everything where no row is on a side.
        case: Whether capitals tell tags apart.

    Raises:
        ManifestError: If it is no manifest.
        EvaluationError: If there is no row on the side.
    """
    manifest = read_manifest(path)
    is_dealt_out = bool((manifest.split != NO_SPLIT).any())
    side = side or (Split.TEST.value if is_dealt_out else ALL_SIDES)
    rows = np.arange(len(manifest)) if side == ALL_SIDES else manifest.on(Split(side))
    if len(rows) == 0:
        counts = ", ".join(f"{each} {len(manifest.on(each))}" for each in SPLITS)
        raise EvaluationError(
            f"{path} has no row on side {side!r} ({counts}, all {len(manifest)}); name another with --side"
        )
    asked = manifest.take(rows)
    taught_rows = manifest.on(Split.TRAIN) if side in (Split.TEST, Split.VALID) else rows[:0]
    taught = manifest.take(taught_rows) if len(taught_rows) else None
    return MeasuredData(
        name=f"{path.resolve().parent.name}/{path.name}",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        side=side,
        manifest=manifest,
        asked=asked,
        labels=labels_of(asked, vocabulary, case=case),
        taught=taught,
        taught_labels=None if taught is None else labels_of(taught, vocabulary, case=case),
    )


def vocabulary_of(bundle: ModelBundle) -> Vocabulary:
    """The bundle's own tags and dimensions, those without a tag left out.

    Raises:
        EvaluationError: If it has no tag, or two that only capitals tell apart.
    """
    dimensions = [name for name in bundle.subspaces.names if any(tag.dimension == name for tag in bundle.tags)]
    try:
        if not dimensions:
            raise VocabularyError("it has no tags")
        return Vocabulary(
            name=bundle.name,
            source=f"the bundle {bundle.name}",
            dimensions=tuple(dimensions),
            tags=tuple(VocabularyTag(tag.name, tag.dimension) for tag in bundle.tags),
        )
    except VocabularyError as error:
        raise EvaluationError(
            f"the tags of bundle {bundle.name} cannot serve as a vocabulary: {error}; name one with --vocabulary"
        ) from error
