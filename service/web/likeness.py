"""What a cosine means in this catalogue: how alike two of its tracks are that were chosen at random.

0.9 is next to nothing where any two tracks are alike by 0.88, and much where few are. The page turns a cosine into a
share of pairs that are less alike, and "another mood" into a ceiling, with these figures.
"""

import numpy as np

from index.live import LiveIndex

# 2,000 pairs: the median is known to within 1.1 percentiles (one standard error of a share of a half).
PAIRS = 2000
STEPS = 20
DECIMALS = 4


def quantiles_by_dimension(index: LiveIndex, *, seed: int = 0) -> dict[str, list[float]]:
    """Cosines of random pairs of different tracks at the shares 0, 1/20, ... 1, by dimension.

    The same catalogue gives the same figures.

    Args:
        index: Its moment is looked at.
        seed: Of the choice of pairs.

    Returns:
        21 ascending numbers for every dimension; nothing at all where there are less than two tracks.
    """
    moment = index.moment
    rows = np.flatnonzero(moment.present)
    if len(rows) < 2:
        return {}
    rng = np.random.default_rng(seed)
    first = rng.integers(len(rows), size=PAIRS)
    # A step of 1 to n - 1 around the ring never leads back to the track itself.
    second = (first + rng.integers(1, len(rows), size=PAIRS)) % len(rows)
    a, b = moment.rows_vectors(rows[first]), moment.rows_vectors(rows[second])
    shares = np.linspace(0, 1, STEPS + 1)
    return {
        subspace.name: np.quantile((a[:, subspace.slice] * b[:, subspace.slice]).sum(axis=1), shares)
        .round(DECIMALS)
        .tolist()
        for subspace in index.subspaces
    }
