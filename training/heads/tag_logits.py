"""Every word's logit, from who tells it (`words`) and what was fitted (`fitting`). `encoder` takes the layer.

Where a tagger and the labelled music both know a word, the tagger's logit and the cosine with the value's centre are
brought to one scale, deviation 1 over real music, and mixed. `proxies` does likewise where words are searched for.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from index.subspaces import Vectors
from training.backbones.hearing import Hearing
from training.heads.fitting import FittedHeads
from training.heads.words import Words


class TagLogits(nn.Module):
    """Every word's logit from an excerpt's features and embedding, as one linear layer.

    Of a tagger's word: the tagger's own. Of a value: the scaled cosine that `ValueLoss` trains. Of a word of both:
    their mixture. All before any calibration.
    """

    def __init__(self, words: Words, hearing: Hearing, fitted: FittedHeads, music: Vectors, *, share: float) -> None:
        """Put the layer together.

        Args:
            words: Who tells what.
            hearing: Whose features are taken.
            fitted: In evaluation mode.
            music: Features of real music, `(excerpts, width)`, by which scales are made one.
            share: Of the labelled music in a word of both, 0 to 1.
        """
        super().__init__()
        self.hidden = [hearing.columns(f"{name} hidden") for name in words.taggers]
        self.slices = [subspace.slice for subspace in fitted.subspaces]
        names = (*words.taggers, *fitted.subspaces.names)
        widths = [part.stop - part.start for part in (*self.hidden, *self.slices)]
        starts = dict(zip(names, np.cumsum([0, *widths]).tolist(), strict=False))
        self.linear = nn.Linear(sum(widths), len(words.each))
        with torch.no_grad():
            self.linear.weight.zero_()
            self.linear.bias.zero_()
            features = torch.from_numpy(music)
            inputs = self.inputs(features, fitted.network(features))
            for row, word in enumerate(words.each):
                parts = []
                if word.tagger is not None:
                    told = words.taggers[word.tagger].network.tags
                    parts.append((starts[word.tagger], told.weight[word.column], told.bias[word.column]))
                if word.value is not None:
                    centre = fitted.values.scale * functional.normalize(fitted.values.centres[word.value], dim=0)
                    parts.append((starts[word.tag.dimension], centre, torch.tensor(0.0)))
                for (start, weight, bias), part in zip(parts, word.parts(share), strict=True):
                    columns = slice(start, start + len(weight))
                    scale, shift = 1.0, 0.0
                    if len(parts) > 1:
                        logits = inputs[:, columns] @ weight + bias
                        scale, shift = part / float(logits.std()), -part * float(logits.mean() / logits.std())
                    self.linear.weight[row, columns] += scale * weight
                    self.linear.bias[row] += scale * bias + shift

    def inputs(self, features: Tensor, embedding: Tensor) -> Tensor:
        """The taggers' last hidden layers and the unit slices, side by side."""
        units = [functional.normalize(embedding[:, part], dim=1) for part in self.slices]
        return torch.cat([*(features[:, part] for part in self.hidden), *units], dim=1)

    @torch.no_grad()
    def calibrate(self, scale: NDArray[np.floating], offset: NDArray[np.floating]) -> None:
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
        logits: Tensor = self.linear(self.inputs(features, embedding))
        return logits
