"""Who tells each word of a bundle: a tagger that knows it, labelled music that has it as a value, or both.

What a tagger learnt of a million songs is kept; but of rendered pieces, whose values are known, it sorts few right.
So a word that both know is told by both (`tag_logits`), and one that a single one knows by that one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from index.subspaces import Vectors
from training.backbones.hearing import Hearing
from training.backbones.musicnn import PretrainedMusicnn
from training.vocabulary import Vocabulary, VocabularyTag


class WordsError(ValueError):
    """A vocabulary has a word that nothing can tell, or other dimensions than the labelled music."""


@dataclass(frozen=True)
class Word:
    """A tag, and where it is known.

    Attributes:
        tag: Of the bundle's vocabulary.
        tagger: The name of the first tagger that knows it.
        column: Where the tagger has it.
        value: Its position in the labelled music's vocabulary, if it has it in the same dimension.
    """

    tag: VocabularyTag
    tagger: str | None
    column: int | None
    value: int | None

    def parts(self, share: float) -> tuple[float, ...]:
        """How much of the word is the tagger's, and how much the labelled music's, if they know it; in this order.

        Args:
            share: Of the labelled music in a word of both, 0 to 1.
        """
        return (1.0 - share, share) if self.tagger is not None and self.value is not None else (1.0,)


@dataclass(frozen=True)
class Words:
    """A bundle's vocabulary and who tells each word.

    Attributes:
        vocabulary: The bundle's.
        each: Its words, in order.
        taggers: By name, in the order in which they are asked.
        values: The labelled music's vocabulary.
    """

    vocabulary: Vocabulary
    each: tuple[Word, ...]
    taggers: Mapping[str, PretrainedMusicnn]
    values: Vocabulary

    @property
    def taught(self) -> Vocabulary:
        """The words that a tagger tells, in order."""
        return Vocabulary(
            f"{self.vocabulary.name}, by taggers",
            self.vocabulary.source,
            self.vocabulary.dimensions,
            tuple(word.tag for word in self.each if word.tagger is not None),
        )

    def taught_by(self, hearing: Hearing, features: Vectors) -> Vectors:
        """The logits that taggers give the `taught` words: `(n, words)`, from features `(n, width)`."""
        with torch.no_grad():
            logits = {
                name: tagger.network.tags(torch.from_numpy(features[:, hearing.columns(f"{name} hidden")])).numpy()
                for name, tagger in self.taggers.items()
            }
        columns = [logits[word.tagger][:, word.column] for word in self.each if word.tagger is not None]
        return np.stack(columns, axis=1).astype(np.float32)


def find_words(vocabulary: Vocabulary, taggers: Mapping[str, PretrainedMusicnn], values: Vocabulary) -> Words:
    """Ask the taggers in turn, and the labelled music, for each word.

    A tagger is asked for a word as it spells it. Among labelled music's words capitals and hyphens tell none apart.

    Raises:
        WordsError: If nobody knows a word, the dimensions of both vocabularies are not the same, or no tagger knows a
            word of a dimension.
    """
    known = {(_plain(tag.name), tag.dimension): position for position, tag in enumerate(values.tags)}
    words = []
    for tag in vocabulary.tags:
        tagger = next((name for name, tagger in taggers.items() if tag.name in tagger.tags), None)
        column = None if tagger is None else taggers[tagger].tags.index(tag.name)
        value = known.get((_plain(tag.name), tag.dimension))
        if tagger is None and value is None:
            raise WordsError(
                f"no tagger knows {tag.name!r}, and {values.name!r} has no such tag of {tag.dimension!r}: "
                f"take it out of {vocabulary.name!r}"
            )
        words.append(Word(tag, tagger, column, value))
    if set(vocabulary.dimensions) != set(values.dimensions):
        raise WordsError(
            f"the dimensions of {vocabulary.name!r} are {', '.join(vocabulary.dimensions)}, "
            f"those of {values.name!r} {', '.join(values.dimensions)}; they must be the same"
        )
    for dimension in vocabulary.dimensions:
        if not any(word.tagger is not None and word.tag.dimension == dimension for word in words):
            raise WordsError(f"no tagger knows a word of {dimension!r}; give {vocabulary.name!r} one that does")
    return Words(vocabulary, tuple(words), taggers, values)


def _plain(name: str) -> str:
    return name.casefold().replace("-", " ")
