"""Which tags of an answer are wanted: the parameters of every call that tells what the model hears."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

from service.http.resources import OpenResources

# More than any dimension is meant to have.
LARGEST_LIMIT = 1000


@dataclass(frozen=True)
class TagSelection:
    """What is wanted.

    Attributes:
        dimensions: In the bundle's order, each once.
        limit: How many tags of each dimension, None for all.
        at_least: The smallest probability.
    """

    dimensions: tuple[str, ...]
    limit: int | None = None
    at_least: float = 0.0


def read_selection(
    resources: OpenResources,
    dimension: Annotated[
        list[str] | None,
        Query(description="Only tags of this dimension; may be given several times.", examples=["instrument"]),
    ] = None,
    limit: Annotated[
        int | None, Query(ge=1, le=LARGEST_LIMIT, description="How many tags of each dimension at most.")
    ] = None,
    at_least: Annotated[float, Query(ge=0.0, le=1.0, description="Only tags that are so probable or more.")] = 0.0,
) -> TagSelection:
    """What the parameters say.

    Raises:
        UnknownDimensionError: If a name is not one of the bundle's.
    """
    subspaces = resources.bundle.subspaces
    wanted = {subspaces[name].name for name in dimension or subspaces.names}
    return TagSelection(tuple(name for name in subspaces.names if name in wanted), limit, at_least)


WantedTags = Annotated[TagSelection, Depends(read_selection)]
