"""The calls that ask about the catalogue's tracks. Those that change them are in `changing`."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from service.catalogue.labels import folded_label
from service.http.cursors import Sealed, read_cursor, write_cursor
from service.http.entity_tags import is_held
from service.http.paging import LONGEST_TEXT, WantedPage
from service.http.problems import documented, problem_response
from service.http.refusals import InvalidCursorError
from service.http.resources import OpenResources, Resources
from service.safety.api_keys import Scope
from service.safety.callers import requires
from service.tracks.audio_file import RangeNotSatisfiableError, open_audio, requested_part
from service.tracks.identity import TrackId, is_track_id
from service.tracks.labels import MOST_LABELS
from service.tracks.schemas import LabelCount, LabelList, TrackDetail, TrackList, TrackSummary
from service.vocabulary.schemas import heard_tags

router = APIRouter(tags=["tracks"], dependencies=[requires(Scope.READ)])

_WHOLE_OR_PART: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole file", "content": {"audio/*": {"schema": {"type": "string", "format": "binary"}}}},
    206: {"description": "The bytes asked for", "content": {"audio/*": {}}},
    304: {"description": "The file is still the one with the entity tag given"},
}


@router.get("/tracks", responses=documented("invalid_parameter", "invalid_cursor"))
def list_tracks(
    resources: OpenResources,
    page: WantedPage,
    label: Annotated[
        list[Annotated[str, Field(max_length=LONGEST_TEXT)]],
        Query(
            default_factory=list,
            max_length=MOST_LABELS,
            description="Only tracks with this label of your own, in any case; several: with all of them.",
        ),
    ],
) -> TrackList:
    """The catalogue, or what of it has a label, in the order in which tracks were added."""
    # All that decides which tracks are in the list, and their order.
    question = {"list": "tracks", "labels": sorted({folded_label(each) for each in label})}
    sealed = Sealed(question, resources.catalogue.cursor_secret)
    after: str | None = None
    if page.cursor is not None:
        after = read_cursor(sealed, page.cursor).get("track_id")
        if not (isinstance(after, str) and is_track_id(after)):
            raise InvalidCursorError("the cursor is damaged; begin again without one")
    tracks = resources.catalogue.list_tracks(limit=page.limit + 1, after=after, labels=label)
    shown = tracks[: page.limit]
    return TrackList(
        items=[TrackSummary.of(track) for track in shown],
        next_cursor=write_cursor(sealed, {"track_id": shown[-1].id}) if len(tracks) > page.limit else None,
    )


@router.get("/labels", responses=documented())
def list_labels(resources: OpenResources) -> LabelList:
    """Your own labels, and how many tracks have each."""
    labels = resources.catalogue.labels()
    return LabelList(items=[LabelCount(name=name, tracks=tracks) for name, tracks in labels.items()])


@router.get("/tracks/{track_id}", responses=documented("track_not_found"))
def get_track(track_id: TrackId, resources: OpenResources) -> TrackDetail:
    """A track and the tags the model hears in it."""
    return track_detail(resources, track_id)


def track_detail(resources: Resources, track_id: str) -> TrackDetail:
    """A track as it is told on its own.

    Raises:
        TrackNotFoundError: If there is none with this id.
    """
    track = resources.catalogue.track(track_id)
    embedding = resources.catalogue.embedding(track_id, resources.bundle.encoder_id)
    tags = [] if embedding is None else heard_tags(resources.bundle.tags, embedding.tag_probabilities)
    return TrackDetail(**TrackSummary.of(track).model_dump(), tags=tags)


@router.get(
    "/tracks/{track_id}/audio",
    response_class=Response,
    responses={
        **documented("track_not_found", "audio_missing", "audio_changed", "range_not_satisfiable"),
        **_WHOLE_OR_PART,
    },
)
def get_audio(
    *,
    track_id: TrackId,
    resources: OpenResources,
    range_header: Annotated[str | None, Header(alias="Range", description="Such as `bytes=0-1023`.")] = None,
    if_range: Annotated[str | None, Header(alias="If-Range")] = None,
    if_none_match: Annotated[str | None, Header(alias="If-None-Match")] = None,
    until: Annotated[str | None, Query(description="Of an address that a playlist gave.")] = None,  # noqa: ARG001
    seal: Annotated[str | None, Query(description="Likewise: it plays this track without a key.")] = None,  # noqa: ARG001
) -> Response:
    """The track's sound, as its file has it."""
    audio = open_audio(resources.catalogue.track(track_id))
    headers = {"Accept-Ranges": "bytes", "ETag": audio.etag}
    if is_held(audio.etag, if_none_match):
        audio.file.close()
        return Response(status_code=304, headers=headers)
    try:
        part = requested_part(audio, range_header=range_header, if_range=if_range)
    except RangeNotSatisfiableError as error:
        audio.file.close()
        return problem_response(
            error.code, str(error), headers={**headers, "Content-Range": f"bytes */{error.size_bytes}"}
        )
    whole = range(audio.size_bytes)
    headers["Content-Length"] = str(len(whole if part is None else part))
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{audio.size_bytes}"
    return StreamingResponse(
        audio.read(whole if part is None else part),
        status_code=200 if part is None else 206,
        headers=headers,
        media_type=audio.media_type,
    )
