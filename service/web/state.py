"""The calls that only a page needs: tracks by name or as a playlist, and the state of the catalogue."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service.catalogue.errors import TrackNotFoundError
from service.http.json_body import json_body, received_json
from service.http.paging import LONGEST_TEXT
from service.http.problems import JSON_BODY, documented
from service.http.resources import IndexSearcher, OpenResources
from service.safety.api_keys import Scope
from service.safety.callers import requires
from service.search.playlist import MEDIA_TYPE, address_secret, as_playlist
from service.tracks.identity import is_track_id
from service.tracks.schemas import TrackSummary
from service.web.failures import advice_for
from service.web.likeness import quantiles_by_dimension
from service.web.schemas import CatalogueState, Failures, NamedTracks, WantedPlaylist

router = APIRouter(tags=["page"], dependencies=[requires(Scope.READ)])

MOST_NAMED = 50


@router.get("/names", responses=documented("invalid_parameter"))
def find_by_name(
    resources: OpenResources,
    id: Annotated[  # noqa: A002
        list[Annotated[str, Field(max_length=LONGEST_TEXT)]],
        Query(
            default_factory=list,
            max_length=MOST_NAMED,
            description="Ids instead of words; ids that are unknown are passed over.",
        ),
    ],
    text: Annotated[
        str, Query(max_length=LONGEST_TEXT, description="Words of a title or an artist, in any order.")
    ] = "",
    limit: Annotated[int, Query(ge=1, le=MOST_NAMED)] = 10,
) -> NamedTracks:
    """Tracks whose title or artist holds every one of these words, or tracks by their ids."""
    if id:
        known = resources.catalogue.tracks([each for each in id if is_track_id(each)])
        return NamedTracks(items=[TrackSummary.of(known[each]) for each in dict.fromkeys(id) if each in known])
    found = resources.catalogue.tracks_named(text.split(), limit=limit)
    return NamedTracks(items=[TrackSummary.of(track) for track in found])


@router.post(
    "/playlist",
    response_class=Response,
    responses={
        **documented("track_not_found", *JSON_BODY),
        200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}},
    },
    openapi_extra=json_body(WantedPlaylist),
)
async def make_playlist(request: Request, resources: OpenResources) -> Response:
    """Tracks as an M3U playlist, in this order, each once."""
    wanted = await received_json(request, WantedPlaylist)
    ids = list(dict.fromkeys(wanted.track_ids))
    known = await run_in_threadpool(resources.catalogue.tracks, [each for each in ids if is_track_id(each)])
    missing = [each for each in ids if each not in known]
    if missing:
        raise TrackNotFoundError(*missing)
    tracks = [TrackSummary.of(known[each]) for each in ids]
    text = as_playlist(request, tracks, secret=address_secret(request, resources.catalogue))
    return Response(text, media_type=MEDIA_TYPE)


@router.get("/catalogue", responses=documented())
def catalogue_state(resources: OpenResources, searcher: IndexSearcher) -> CatalogueState:
    """How many tracks there are, what failed and what to do about it, and how alike its tracks are."""
    catalogue = resources.catalogue
    return CatalogueState(
        tracks=catalogue.count_tracks(),
        searchable=len(searcher.index),
        failures=[
            Failures(code=code, files=files, advice=advice_for(code))
            for code, files in catalogue.failures.count().items()
        ],
        likeness=quantiles_by_dimension(searcher.index),
    )
