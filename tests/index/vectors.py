"""Made-up embeddings with the structure of real ones: tracks gather around centres, in every sub-space on their own."""

import numpy as np

from index.subspaces import Subspace, Subspaces, Vectors

FOUR = Subspaces(
    (
        Subspace("genre", 0, 64),
        Subspace("mood", 64, 128),
        Subspace("instrument", 128, 192),
        Subspace("era", 192, 256),
    )
)
ONE = Subspaces((Subspace("genre", 0, 64),))
# Uneven widths and odd names: nothing may assume the paper's four of 64.
ODD = Subspaces((Subspace("klang farbe", 0, 3), Subspace("é/..", 3, 10), Subspace("x", 10, 11)))


def gathered_vectors(
    n: int, subspaces: Subspaces, rng: np.random.Generator, *, centres: int = 20, spread: float = 0.1
) -> Vectors:
    """`n` vectors with unit slices; each slice lies near one of `centres` points, chosen for each sub-space alone."""
    columns = []
    for subspace in subspaces:
        points = rng.standard_normal((centres, subspace.width))
        noise = spread * rng.standard_normal((n, subspace.width))
        columns.append(points[rng.integers(centres, size=n)] + noise)
    return subspaces.unit(np.concatenate(columns, axis=1))


def questions(vectors: Vectors, subspaces: Subspaces, rng: np.random.Generator, *, n: int = 10) -> Vectors:
    """`n` queries near stored vectors, as a clip of a track or of its neighbour is."""
    near = vectors[rng.choice(len(vectors), size=n)]
    return subspaces.unit(near + 0.05 * rng.standard_normal(near.shape))
