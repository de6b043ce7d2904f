"""The calls that search. They parse and answer; `searcher` does the work.

Each of them makes a `Question`. POST /query takes one as it is; the others are the questions that are asked most.
"""

from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service.clips import REMEMBERED
from service.http.json_body import json_body, received_json
from service.http.paging import LONGEST_TEXT, WantedPage
from service.http.problems import JSON_BODY, UPLOAD, documented
from service.http.request_record import note_dimensions
from service.http.resources import A_PLACE, IndexSearcher, OpenResources
from service.http.uploads import CLIP_BODY, received_clip
from service.safety.api_keys import Scope
from service.safety.callers import WhoAsks, requires
from service.search.forms import AS_OTHER_FORMS, in_another_form
from service.search.parameters import ExampleWeights, TagWeights, WantedLabels
from service.search.playlist import address_secret
from service.search.question import LONGEST_LIST, Example, Question
from service.search.schemas import ClipAnswer, PathAnswer, QueryAnswer, SearchAnswer, SearchItem
from service.search.searcher import Page, Searcher
from service.search.way import tracks_between
from service.tracks.identity import TrackId

router = APIRouter(tags=["search"], dependencies=[requires(Scope.READ)])

PARAMETERS = ("invalid_parameter", "invalid_cursor", "parquet_unavailable")
EXAMPLE_PARAMETERS = (*PARAMETERS, "unknown_dimension", "conflicting_parameters", "no_direction")
TRACKS = ("track_not_found", "track_not_embedded")
LONGEST_WAY = 50
DEFAULT_WAY = 10

Answer = TypeVar("Answer", bound=SearchAnswer)


@router.post(
    "/query",
    response_model=QueryAnswer,
    responses={
        **documented(*EXAMPLE_PARAMETERS, *TRACKS, "unknown_tag", "clip_not_found", *JSON_BODY),
        **AS_OTHER_FORMS,
    },
    openapi_extra=json_body(Question),
)
async def query(
    request: Request, caller: WhoAsks, resources: OpenResources, searcher: IndexSearcher, page: WantedPage
) -> QueryAnswer | Response:
    """Tracks like some music and unlike other, in the dimensions that count, of what the filters let through.

    The other calls that search are special cases of this one. For the next part of an answer, send the same question
    with the cursor.
    """
    question = await received_json(request, Question)
    if question.filters.path_prefix is not None:
        # No answer tells a path; figures under a prefix would, guess by guess.
        caller.must_have(Scope.WRITE)
    named = [example.clip for example, _ in question.examples if example.clip is not None]
    clips = {handle: resources.clips.recall(handle) for handle in named}
    async with resources.questions.place():
        found = await run_in_threadpool(searcher.answer, question, page=page, clips=clips)
        return await run_in_threadpool(_answered, request, searcher, found, QueryAnswer)


@router.post("/clips", status_code=201, responses=documented(*UPLOAD), openapi_extra=CLIP_BODY)
async def upload_clip(request: Request, resources: OpenResources) -> ClipAnswer:
    """Hear a clip once, to ask about it by its id as often as needed. Only what the model heard is kept."""
    resources.clips.refuse_if_busy()
    async with received_clip(request, limit_bytes=resources.settings.upload_bytes) as clip:
        heard = await resources.clips.listen(clip)
    return ClipAnswer(
        id=heard.handle, kept=f"until {REMEMBERED} other clips were asked about, and as long as the service runs"
    )


@router.post(
    "/similar",
    response_model=SearchAnswer,
    responses={**documented(*EXAMPLE_PARAMETERS, *UPLOAD), **AS_OTHER_FORMS},
    openapi_extra=CLIP_BODY,
)
async def search_by_clip(
    *,
    request: Request,
    resources: OpenResources,
    searcher: IndexSearcher,
    weights: ExampleWeights,
    labels: WantedLabels,
    page: WantedPage,
) -> SearchAnswer | Response:
    """Tracks that sound like an uploaded clip.

    For the next part of an answer, send the same clip again with the cursor.
    """
    resources.clips.refuse_if_busy()
    async with received_clip(request, limit_bytes=resources.settings.upload_bytes) as clip:
        heard = await resources.clips.listen(clip)
    question = Question(positive=[Example(clip=heard.handle)], weights=weights, filters=labels)
    async with resources.questions.place():
        found = await run_in_threadpool(searcher.answer, question, page=page, clips={heard.handle: heard})
        return await run_in_threadpool(_answered, request, searcher, found, SearchAnswer)


@router.get(
    "/search",
    dependencies=[A_PLACE],
    response_model=SearchAnswer,
    responses={
        **documented(*PARAMETERS, "unknown_tag", "unknown_dimension", "conflicting_parameters", "no_direction"),
        **AS_OTHER_FORMS,
    },
)
def search_by_tags(
    *,
    request: Request,
    searcher: IndexSearcher,
    tag: Annotated[
        list[Annotated[str, Field(max_length=LONGEST_TEXT)]],
        Query(
            min_length=1,
            max_length=LONGEST_LIST,
            description="A tag's name, in any case; may be given several times.",
            examples=["electronic"],
        ),
    ],
    weights: TagWeights,
    labels: WantedLabels,
    page: WantedPage,
) -> SearchAnswer | Response:
    """Tracks that carry these tags, each tag sought in its own dimension."""
    tags = dict.fromkeys({name.casefold(): name for name in tag}.values(), 1.0)
    question = Question(tags=tags, weights=weights, filters=labels)
    return _answered(request, searcher, searcher.answer(question, page=page), SearchAnswer)


@router.get(
    "/tracks/{track_id}/similar",
    dependencies=[A_PLACE],
    response_model=SearchAnswer,
    responses={**documented(*EXAMPLE_PARAMETERS, *TRACKS), **AS_OTHER_FORMS},
)
def search_by_track(
    *,
    request: Request,
    track_id: TrackId,
    searcher: IndexSearcher,
    weights: ExampleWeights,
    labels: WantedLabels,
    page: WantedPage,
    exclude_same_artist: Annotated[bool, Query(description="Leave out what the same artist made.")] = False,
) -> SearchAnswer | Response:
    """Other tracks that sound like a track of the catalogue."""
    question = Question(
        positive=[Example(track=track_id)],
        weights=weights,
        filters=labels,
        exclude_same_artist=exclude_same_artist,
    )
    return _answered(request, searcher, searcher.answer(question, page=page), SearchAnswer)


@router.get(
    "/path",
    dependencies=[A_PLACE],
    response_model=PathAnswer,
    responses={
        **documented(*(code for code in EXAMPLE_PARAMETERS if code != "invalid_cursor"), *TRACKS),
        **AS_OTHER_FORMS,
    },
)
def path(
    *,
    request: Request,
    searcher: IndexSearcher,
    start: Annotated[str, Query(alias="from", max_length=LONGEST_TEXT, description="Id of the first track.")],
    end: Annotated[str, Query(alias="to", max_length=LONGEST_TEXT, description="Id of the last track.")],
    weights: ExampleWeights,
    steps: Annotated[
        int, Query(ge=2, le=LONGEST_WAY, description="How many tracks, both ends among them.")
    ] = DEFAULT_WAY,
) -> PathAnswer | Response:
    """A playlist that walks through the space from one track to another, no track twice."""
    note_dimensions(weights)
    found = tracks_between(searcher, start, end, steps=steps, weights=weights)
    items = [SearchItem.of(each) for each in found]
    other = in_another_form(
        request, items, dimensions=searcher.bundle.subspaces.names, secret=address_secret(request, searcher.catalogue)
    )
    return PathAnswer(items=items) if other is None else other


def _answered(request: Request, searcher: Searcher, page: Page, kind: type[Answer]) -> Answer | Response:
    """The answer in the form that is wanted."""
    note_dimensions(page.question.weights)
    answer = kind.of(page)
    other = in_another_form(
        request,
        answer.items,
        dimensions=searcher.bundle.subspaces.names,
        secret=address_secret(request, searcher.catalogue),
        next_cursor=answer.next_cursor,
    )
    return answer if other is None else other
