"""The calls that only a page needs: tracks by name, and the state of the catalogue."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from service.http.paging import LONGEST_TEXT
from service.http.problems import documented
from service.http.resources import IndexSearcher, OpenResources
from service.tracks.identity import is_track_id
from service.tracks.schemas import TrackSummary
from service.web.failures import advice_for
from service.web.likeness import quantiles_by_dimension
from service.web.schemas import CatalogueState, Failures, NamedTracks

router = APIRouter(tags=["page"])

MOST_NAMED = 50


@router.get("/names", responses=documented("invalid_parameter"))
def find_by_name(
    resources: OpenResources,
    text: Annotated[
        str, Query(max_length=LONGEST_TEXT, description="Words of a title or an artist, in any order.")
    ] = "",
    id: Annotated[  # noqa: A002
        list[Annotated[str, Field(max_length=LONGEST_TEXT)]] | None,
        Query(max_length=MOST_NAMED, description="Ids instead of words; ids that are unknown are passed over."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_NAMED)] = 10,
) -> NamedTracks:
    """Tracks whose title or artist holds every one of these words, or tracks by their ids."""
    if id is not None:
        known = resources.catalogue.tracks([each for each in id if is_track_id(each)])
        return NamedTracks(items=[TrackSummary.of(known[each]) for each in dict.fromkeys(id) if each in known])
    found = resources.catalogue.tracks_named(text.split(), limit=limit)
    return NamedTracks(items=[TrackSummary.of(track) for track in found])


@router.get("/catalogue", responses=documented())
def catalogue_state(resources: OpenResources, searcher: IndexSearcher) -> CatalogueState:
    """How many tracks there are, what failed and what to do about it, and how alike its tracks are."""
    catalogue = resources.catalogue
    return CatalogueState(
        tracks=catalogue.count_tracks(),
        searchable=len(searcher.index),
        failures=[
            Failures(code=code, files=files, advice=advice_for(code))
            for code, files in catalogue.count_failures().items()
        ],
        likeness=quantiles_by_dimension(searcher.index),
    )
