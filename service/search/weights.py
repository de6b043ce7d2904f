"""`dimension=` and `weights=` become weights by dimension. `endpoints` reads them, `index.query` takes them."""

import math
import re
from collections.abc import Sequence

from index.subspaces import Subspaces
from service.http.complaints import quoted
from service.http.refusals import ConflictingParametersError, InvalidParameterError


def read_weights(subspaces: Subspaces, *, dimensions: Sequence[str], weights: str | None) -> dict[str, float] | None:
    """What a question says of dimensions.

    Args:
        subspaces: Of the bundle.
        dimensions: Each `dimension=`: they count alike, all others nothing.
        weights: `weights=`, such as `mood:1,genre:0.5`; a dimension left out counts nothing.

    Returns:
        Weight by dimension, or None if nothing was said: then all count alike.

    Raises:
        UnknownDimensionError: If a name is not one of the bundle's.
        InvalidParameterError: If the text is not as described, a name comes twice, or the weights mean nothing.
        ConflictingParametersError: If both parameters were given.
    """
    if dimensions and weights is not None:
        raise ConflictingParametersError(
            "'dimension' and 'weights' exclude each other; a dimension alone is a weight of 1, "
            f"so say weights={','.join(f'{name}:1' for name in dimensions)}"
        )
    read = dict.fromkeys(dimensions, 1.0) if weights is None else _pairs(weights, subspaces.names)
    for name in read:
        _ = subspaces[name]
    return read or None


def _pairs(text: str, names: Sequence[str]) -> dict[str, float]:
    # A dimension's name may itself hold commas and colons, so known names come first; else it is the shortest text
    # with a weight behind it.
    known = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    # Each space has one place where it can belong, or a text of spaces would be tried in as many ways as their cube.
    one = re.compile(rf"\s*+(?P<name>{known}|\S.*?)\s*:(?P<weight>[^:,]*+)(?:,|$)")
    weights: dict[str, float] = {}
    position = 0
    while position < len(text) or not weights:
        pair = one.match(text, position)
        if pair is None:
            raise InvalidParameterError(
                f"weights: {quoted(text[position:])} is not a dimension and its weight, such as mood:1,genre:0.5"
            )
        name = pair["name"]
        if name in weights:
            raise InvalidParameterError(f"weights: {name!r} comes twice")
        weights[name] = _weight(name, pair["weight"].strip())
        position = pair.end()
    if not any(weights.values()):
        raise InvalidParameterError("weights: every weight is zero; give at least one dimension a weight above zero")
    return weights


def _weight(name: str, text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise InvalidParameterError(
            f"weights: the weight of {name!r} is {quoted(text)}, expected zero or a positive number"
        )
    return weight
