"""Where each word of a bundle has its logit from: a tagger that knows it, or the centre of a value of labelled music.

A tagger's logit stays the tagger's own, so that what it learnt of a million songs is neither lost nor bent. The words
that no tagger knows are those that only labelled music teaches.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from index.subspaces import Subspaces, Vectors
from training.backbones.hearing import Hearing
from training.backbones.musicnn import PretrainedMusicnn
from training.heads.objective import TeacherLoss, ValueLoss
from training.vocabulary import Vocabulary

# The source of a word that no tagger knows.
VALUES = "values"


class WordsError(ValueError):
    """A vocabulary has a word that nothing can tell."""


@dataclass(frozen=True)
class Words:
    """A bundle's vocabulary and who tells each word.

    Attributes:
        vocabulary: The bundle's.
        sources: Of each tag: a tagger's name, or `VALUES`.
        taggers: By name, in the order in which they are asked.
        values: The labelled music's vocabulary.
    """

    vocabulary: Vocabulary
    sources: tuple[str, ...]
    taggers: Mapping[str, PretrainedMusicnn]
    values: Vocabulary

    @property
    def taught(self) -> Vocabulary:
        """The words that a tagger tells, in order."""
        return Vocabulary(
            f"{self.vocabulary.name}, by taggers",
            self.vocabulary.source,
            self.vocabulary.dimensions,
            tuple(tag for tag, source in zip(self.vocabulary.tags, self.sources, strict=True) if source != VALUES),
        )

    def taught_by(self, hearing: Hearing, features: Vectors) -> Vectors:
        """The logits that taggers give the `taught` words: `(n, words)`, from features `(n, width)`."""
        columns = []
        with torch.no_grad():
            logits = {
                name: tagger.network.tags(torch.from_numpy(features[:, hearing.columns(f"{name} hidden")])).numpy()
                for name, tagger in self.taggers.items()
            }
        for tag, source in zip(self.vocabulary.tags, self.sources, strict=True):
            if source != VALUES:
                columns.append(logits[source][:, self.taggers[source].tags.index(tag.name)])
        return np.stack(columns, axis=1).astype(np.float32)


def find_words(vocabulary: Vocabulary, taggers: Mapping[str, PretrainedMusicnn], values: Vocabulary) -> Words:
    """Ask the taggers in turn, then the labelled music, for each word.

    Raises:
        WordsError: If neither knows a word, or the labelled music has it in another dimension.
    """
    sources = []
    known = {tag.name: tag.dimension for tag in values.tags}
    for tag in vocabulary.tags:
        source = next((name for name, tagger in taggers.items() if tag.name in tagger.tags), VALUES)
        if source == VALUES and known.get(tag.name) != tag.dimension:
            raise WordsError(
                f"no tagger knows {tag.name!r}, and {values.name!r} has no such tag of {tag.dimension!r}: "
                f"take it out of {vocabulary.name!r}"
            )
        sources.append(source)
    return Words(vocabulary, tuple(sources), taggers, values)


class TagLogits(nn.Module):
    """Every word's logit from an excerpt's features and embedding.

    Of a tagger's word: the tagger's. Of a value: the scaled cosine that `ValueLoss` trains, before any calibration.
    """

    def __init__(self, words: Words, hearing: Hearing, subspaces: Subspaces, values: ValueLoss) -> None:
        super().__init__()
        self.hidden = [hearing.columns(f"{name} hidden") for name in words.taggers]
        self.slices = [subspace.slice for subspace in subspaces]
        widths = [part.stop - part.start for part in (*self.hidden, *self.slices)]
        self.linear = nn.Linear(sum(widths), len(words.vocabulary.tags))
        starts = dict(zip((*words.taggers, *(each.name for each in subspaces)), np.cumsum([0, *widths]), strict=False))
        with torch.no_grad():
            self.linear.weight.zero_()
            self.linear.bias.zero_()
            for row, (tag, source) in enumerate(zip(words.vocabulary.tags, words.sources, strict=True)):
                if source == VALUES:
                    place = words.values.tag_names.index(tag.name)
                    told = values.scale * functional.normalize(values.centres[place], dim=0)
                    start = starts[tag.dimension]
                else:
                    tagger = words.taggers[source]
                    place = tagger.tags.index(tag.name)
                    told = tagger.network.tags.weight[place]
                    self.linear.bias[row] = tagger.network.tags.bias[place]
                    start = starts[source]
                self.linear.weight[row, start : start + len(told)] = told

    @torch.no_grad()
    def calibrate(self, scale: np.ndarray, offset: np.ndarray) -> None:
        """Fold Platt's scale and offset into the layer; NaN leaves a word as it is.

        Args:
            scale: `(tags,)`.
            offset: `(tags,)`.
        """
        a = torch.from_numpy(np.nan_to_num(scale, nan=1.0).astype(np.float32))
        b = torch.from_numpy(np.nan_to_num(offset, nan=0.0).astype(np.float32))
        self.linear.weight.mul_(a[:, None])
        self.linear.bias.mul_(a).add_(b)

    def forward(self, features: Tensor, embedding: Tensor) -> Tensor:
        """Turn `(batch, features)` and the raw embedding `(batch, width)` into `(batch, tags)`."""
        units = [functional.normalize(embedding[:, part], dim=1) for part in self.slices]
        return torch.as_tensor(self.linear(torch.cat([*(features[:, part] for part in self.hidden), *units], dim=1)))


def proxies_of(words: Words, subspaces: Subspaces, values: ValueLoss, teacher: TeacherLoss) -> Vectors:
    """Each word's proxy in its dimension's slice: `(tags, width)`.

    A tagger's word has the proxy that learnt to tell, from the slice, what the tagger says of real music; a value has
    its centre.
    """
    proxies = np.zeros((len(words.vocabulary.tags), subspaces.width), dtype=np.float32)
    taught = {tag.name: row for row, tag in enumerate(words.taught.tags)}
    for row, (tag, source) in enumerate(zip(words.vocabulary.tags, words.sources, strict=True)):
        if source == VALUES:
            proxy = values.centres[words.values.tag_names.index(tag.name)]
        else:
            proxy = teacher.proxies[taught[tag.name]]
        proxies[row, subspaces[tag.dimension].slice] = functional.normalize(proxy.detach(), dim=0).numpy()
    return proxies
