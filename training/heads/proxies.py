"""Every word's proxy, along which `GET /search?tag=` looks for it. `bundle` writes them.

Heads learn to tell what the taggers say (`objective.TeacherLoss`) under dropout and while all moves. Once they stand,
the best direction for a word is a matter of least squares.
"""

import numpy as np
import torch
from torch.nn import functional

from index.subspaces import Vectors
from training.heads.fitting import FittedHeads, RealExcerpts, standardised_logits
from training.heads.words import Words


def proxies_of(words: Words, fitted: FittedHeads, music: RealExcerpts, *, share: float, ridge: float) -> Vectors:
    """Each word's proxy in its dimension's slice, of length one: `(tags, width)`.

    A tagger's word has the direction that tells best, from the slice, what the tagger says of real music; a value has
    its centre; a word of both a mixture, in which each moves by as much over real music as its part is.

    Args:
        words: Who tells what.
        fitted: In evaluation mode.
        music: Real music, with what the taggers say of it.
        share: Of the labelled music in a word of both, 0 to 1.
        ridge: Of the least squares, see `least_squares`.
    """
    with torch.no_grad():
        embedding = fitted.network(torch.from_numpy(music.features)).numpy()
        centres = functional.normalize(fitted.values.centres, dim=1).numpy()
    units = fitted.subspaces.unit(embedding)
    logits = standardised_logits(music.teacher)
    taught = {tag.name: column for column, tag in enumerate(words.taught.tags)}
    proxies = np.zeros((len(words.each), fitted.subspaces.width), dtype=np.float32)
    for row, word in enumerate(words.each):
        part = fitted.subspaces[word.tag.dimension].slice
        directions = []
        if word.tagger is not None:
            directions.append(least_squares(units[:, part], logits[:, taught[word.tag.name]], ridge=ridge))
        if word.value is not None:
            directions.append(centres[word.value])
        for direction, weight in zip(directions, word.parts(share), strict=True):
            proxies[row, part] += weight * direction / (units[:, part] @ direction).std()
    return fitted.subspaces.unit(proxies)


def least_squares(points: Vectors, told: Vectors, *, ridge: float) -> Vectors:
    """The direction p `(width,)` that minimises mean (u . p + b - t)^2 + ridge |p|^2 over points u and numbers t.

    Args:
        points: `(n, width)`.
        told: `(n,)`.
        ridge: Positive, so that what points hardly move along is left alone.
    """
    moved = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    spread = moved.T @ moved / len(moved) + ridge * np.eye(points.shape[1])
    direction: Vectors = np.linalg.solve(spread, moved.T @ (told - told.mean(dtype=np.float64)) / len(moved))
    return direction.astype(np.float32)
