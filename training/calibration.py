"""A tag's scores become a probability: a scale and a bias, fitted. `prototypes` has one fitted for each tag.

`platt` fits the same to the logits of a tagger, on music that it was not fitted to.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of the scale. At 32, cosines that differ by 0.1 differ by a factor of 25 in the odds.
SMALLEST_SCALE = 0.01
LARGEST_SCALE = 32.0

# Newton's method takes some ten.
_NEWTON_STEPS = 50
_SMALL_STEP = 1e-9


def calibrated(cosines: NDArray[np.floating[Any]], has_tag: NDArray[np.bool_]) -> tuple[float, float]:
    """Scale and bias that turn a tag's cosines into logits: logistic regression, after Platt.

    Args:
        cosines: `(n,)` of tracks with the tag's prototype.
        has_tag: `(n,)`; both kinds must be there.

    Returns:
        Scale and bias of sigmoid(scale * cosine + bias). The scale is kept between `SMALLEST_SCALE`, or the prototype
        would vanish or point away from its own tracks, and `LARGEST_SCALE`, or it would blow rounding up; the bias is
        the best for the scale.

    Raises:
        ValueError: If all tracks have the tag, or none.

    Source: Platt, "Probabilistic outputs for support vector machines", 1999: not 0 and 1 but the rule of succession is
    fitted, so that a tag whose tracks all lie apart has a finite scale.
    """
    n_with, n_without = int(has_tag.sum()), int((~has_tag).sum())
    if not n_with or not n_without:
        raise ValueError(f"{n_with} tracks have the tag and {n_without} have not; a calibration takes both")
    target = smoothed_targets(has_tag)
    centre = float(cosines.mean())
    centred = cosines.astype(np.float64) - centre
    constant = np.ones((len(centred), 1))
    scale, bias = logistic_weights(np.concatenate([centred[:, None], constant], axis=1), target)
    kept = min(max(float(scale), SMALLEST_SCALE), LARGEST_SCALE)
    if kept != scale:
        (bias,) = logistic_weights(constant, target, offset=kept * centred)
    return kept, float(bias) - kept * centre


def smoothed_targets(has_tag: NDArray[np.bool_]) -> NDArray[np.float64]:
    """What Platt fits in place of 1 and 0: of p carriers (p + 1) / (p + 2), of q others 1 / (q + 2)."""
    n_with, n_without = int(has_tag.sum()), int((~has_tag).sum())
    return np.where(has_tag, (n_with + 1.0) / (n_with + 2.0), 1.0 / (n_without + 2.0))


def logistic_weights(
    features: NDArray[np.float64], target: NDArray[np.float64], *, offset: NDArray[np.float64] | float = 0.0
) -> NDArray[np.float64]:
    """The weights of the logistic regression of `target` on `features`, with logits `offset + features weights`.

    Args:
        features: `(n, k)`, of a size of about 1.
        target: `(n,)` in [0, 1].
        offset: `(n,)`, or the same for all.
    """
    weights = np.zeros(features.shape[1])

    def loss(candidate: NDArray[np.float64]) -> float:
        logits = offset + features @ candidate
        return float(np.sum(np.logaddexp(0.0, logits) - target * logits))

    for _ in range(_NEWTON_STEPS):
        probability = 0.5 * (1.0 + np.tanh(0.5 * (offset + features @ weights)))
        gradient = features.T @ (probability - target)
        curvature = features.T @ (features * (probability * (1.0 - probability))[:, None])
        # Cosines that are all the same have no curvature; so little more of it changes nothing else.
        step = np.linalg.solve(curvature + 1e-9 * np.eye(len(weights)), gradient)
        # Newton's whole step may overshoot far from the minimum of a convex loss: half of it, then.
        while loss(weights - step) > loss(weights) and np.abs(step).max() > _SMALL_STEP:
            step = step / 2
        weights = weights - step
        if np.abs(step).max() < _SMALL_STEP:
            break
    return weights
