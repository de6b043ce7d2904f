"""How much alike two tracks are in the dimension in which they differ most: near-duplicates are alike in all of them.

The service folds near-duplicates into the one that comes first in an answer. That is a way of showing, never of
deciding what is the same recording: a track is what its id says.
"""

import numpy as np

from index.subspaces import Subspaces, Vectors


def least_cosines(subspaces: Subspaces, vectors: Vectors, others: Vectors) -> Vectors:
    """The smallest cosine over all dimensions, of every vector with every other.

    Args:
        subspaces: Of both.
        vectors: `(n, width)` with unit or zero slices.
        others: `(m, width)` likewise.

    Returns:
        `(n, m)` in [-1, 1]. A dimension in which both have no direction says nothing, and is passed over.
    """
    least = np.ones((len(vectors), len(others)), np.float32)
    for subspace in subspaces:
        here, there = vectors[:, subspace.slice], others[:, subspace.slice]
        cosines = np.clip(here @ there.T, -1.0, 1.0)
        cosines[np.ix_(~here.any(axis=1), ~there.any(axis=1))] = 1.0
        np.minimum(least, cosines, out=least)
    return least
