"""An order that weighs likeness to the question against likeness to what was shown. The service pages through it.

Source: Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing
summaries", SIGIR 1998: the next is `argmax_x (1 - d) sim(query, x) - d max_{s shown} sim(x, s)`.
"""

import numpy as np
from numpy.typing import NDArray

from index.query import Query
from index.subspaces import Vectors
from index.vector_index import Mask


def similarity_among(query: Query, vectors: Vectors) -> NDArray[np.float64]:
    """How alike tracks are to each other, each dimension counting as it does in the query.

    Args:
        query: Whose weights count.
        vectors: `(n, width)` with unit or zero slices.

    Returns:
        `(n, n)`: weighted means of cosines, in [-1, 1].
    """
    weights = np.repeat(query.weights, [subspace.width for subspace in query.subspaces])
    double = vectors.astype(np.float64)
    among: NDArray[np.float64] = (double * weights) @ double.T
    return among


def diverse_order(
    relevance: NDArray[np.float64], among: NDArray[np.float64], *, diversity: float, shown: Mask
) -> list[int]:
    """The order in which the rest is shown: every next one is like the question and unlike what came before.

    Which of those shown came first does not matter, so an answer can be gone on with, knowing only which they were.

    Args:
        relevance: `(n,)`: similarity to the question; equal scores keep the order given here.
        among: `(n, n)`: similarity to each other.
        diversity: From 0 (as relevant as possible) to 1 (as unlike what was shown as possible).
        shown: `(n,)`: what was shown already.

    Returns:
        Positions of all that was not shown. Where nothing was shown, the most relevant comes first.
    """
    remaining = [int(position) for position in np.flatnonzero(~shown)]
    nearest_shown = among[:, shown].max(axis=1) if shown.any() else None
    order: list[int] = []
    while remaining:
        scores = relevance[remaining]
        if nearest_shown is not None:
            scores = (1 - diversity) * scores - diversity * nearest_shown[remaining]
        chosen = remaining.pop(int(np.argmax(scores)))
        order.append(chosen)
        nearest_shown = among[:, chosen] if nearest_shown is None else np.maximum(nearest_shown, among[:, chosen])
    return order
