"""The parameters that say how much each dimension counts, and which labels; `endpoints` depends on what is read."""

from typing import Annotated

from fastapi import Depends, Query
from pydantic import Field

from service.http.paging import LONGEST_TEXT
from service.http.resources import OpenResources
from service.search.question import LONGEST_LIST, Filters, LabelFilter
from service.search.weights import read_weights

WeightsText = Annotated[
    str | None,
    Query(
        alias="weights",
        max_length=LONGEST_TEXT,
        description="How much each dimension counts; one that is left out counts nothing. "
        "Without this, all dimensions in question count alike.",
        examples=["mood:1,genre:0.5"],
    ),
]


async def read_example_weights(
    resources: OpenResources,
    dimension: Annotated[
        list[str] | None,
        Query(
            description="Only this dimension counts. Given several times, those dimensions count alike. "
            "Excludes `weights`.",
            examples=["instrument"],
        ),
    ] = None,
    weights: WeightsText = None,
) -> dict[str, float] | None:
    """Weight by dimension for a question by example; None: all count alike."""
    return read_weights(resources.bundle.subspaces, dimensions=dimension or (), weights=weights)


async def read_tag_weights(resources: OpenResources, weights: WeightsText = None) -> dict[str, float] | None:
    """Weight by dimension for a question by tags; None: every dimension that has one of the tags counts alike."""
    return read_weights(resources.bundle.subspaces, dimensions=(), weights=weights)


def read_label_filter(
    label: Annotated[
        list[Annotated[str, Field(max_length=LONGEST_TEXT)]],
        Query(
            default_factory=list,
            max_length=LONGEST_LIST,
            description="Only tracks with this label of your own; several: with all of them.",
        ),
    ],
) -> Filters:
    """What the parameter `label` lets through."""
    return Filters(labels=LabelFilter(all_of=label)) if label else Filters()


ExampleWeights = Annotated[dict[str, float] | None, Depends(read_example_weights)]
TagWeights = Annotated[dict[str, float] | None, Depends(read_tag_weights)]
WantedLabels = Annotated[Filters, Depends(read_label_filter)]
