"""The calls that search. They parse and answer; `searcher` does the work."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from service.http.paging import LONGEST_TEXT, WantedPage
from service.http.problems import UPLOAD, documented
from service.http.resources import IndexSearcher, OpenResources
from service.http.uploads import CLIP_BODY, received_clip
from service.search.parameters import ExampleWeights, TagWeights
from service.search.schemas import SearchAnswer
from service.tracks.identity import TrackId

router = APIRouter(tags=["search"])

PARAMETERS = ("invalid_parameter", "invalid_cursor")
EXAMPLE_PARAMETERS = (*PARAMETERS, "unknown_dimension", "conflicting_parameters", "no_direction")


@router.post("/similar", responses=documented(*EXAMPLE_PARAMETERS, *UPLOAD), openapi_extra=CLIP_BODY)
async def search_by_clip(
    request: Request, resources: OpenResources, searcher: IndexSearcher, weights: ExampleWeights, page: WantedPage
) -> SearchAnswer:
    """Tracks that sound like an uploaded clip.

    For the next part of an answer, send the same clip again with the cursor.
    """
    resources.clips.refuse_if_busy()
    async with received_clip(request, limit_bytes=resources.settings.upload_bytes) as clip:
        heard = await resources.clips.listen(clip)
    found = await run_in_threadpool(searcher.like_clip, heard.vector, clip.content_hash, weights=weights, page=page)
    return SearchAnswer.of(found)


@router.get("/search", responses=documented(*PARAMETERS, "unknown_tag", "unknown_dimension", "conflicting_parameters"))
def search_by_tags(
    searcher: IndexSearcher,
    tag: Annotated[
        list[Annotated[str, Field(max_length=LONGEST_TEXT)]],
        Query(
            min_length=1, description="A tag's name, in any case; may be given several times.", examples=["electronic"]
        ),
    ],
    weights: TagWeights,
    page: WantedPage,
) -> SearchAnswer:
    """Tracks that carry these tags, each tag sought in its own dimension."""
    return SearchAnswer.of(searcher.with_tags(tag, weights=weights, page=page))


@router.get(
    "/tracks/{track_id}/similar",
    responses=documented(*EXAMPLE_PARAMETERS, "track_not_found", "track_not_embedded"),
)
def search_by_track(
    track_id: TrackId,
    searcher: IndexSearcher,
    weights: ExampleWeights,
    page: WantedPage,
    exclude_same_artist: Annotated[bool, Query(description="Leave out what the same artist made.")] = False,
) -> SearchAnswer:
    """Other tracks that sound like a track of the catalogue."""
    return SearchAnswer.of(
        searcher.like_track(track_id, weights=weights, page=page, exclude_same_artist=exclude_same_artist)
    )
