"""The calls that change the catalogue: upload a track, label it, delete it. Those that only ask are in `endpoints`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service.catalogue.errors import QueueFullError, TrackNotFoundError
from service.catalogue.records import Job
from service.catalogue.writing import new_track_id
from service.http.json_body import json_body, received_json
from service.http.problems import ARRIVAL, JSON_BODY, documented
from service.http.resources import OpenResources, Resources
from service.http.uploads import CLIP_BODY, Clip, received_clip
from service.jobs.schemas import JobAnswer
from service.jobs.store import forget_tracks
from service.safety.api_keys import Scope
from service.safety.callers import requires
from service.tracks.endpoints import track_detail
from service.tracks.identity import TrackId
from service.tracks.labels import LONGEST_LABEL, MOST_LABELS, read_labels, refuse_too_many, with_labels
from service.tracks.schemas import TrackChange, TrackDetail

# Every call of this router writes.
router = APIRouter(tags=["tracks"], dependencies=[requires(Scope.WRITE)])


@router.post(
    "/tracks",
    status_code=202,
    responses=documented(*ARRIVAL, "invalid_parameter", "queue_full"),
    openapi_extra=CLIP_BODY,
)
async def upload_track(
    request: Request,
    response: Response,
    resources: OpenResources,
    label: Annotated[
        list[Annotated[str, Field(max_length=LONGEST_LABEL)]],
        Query(
            default_factory=list,
            max_length=MOST_LABELS,
            description="A label of your own for the track; may be given several times.",
        ),
    ],
) -> JobAnswer:
    """Bring a file into the catalogue. The answer is a job: its track is searchable once `state` is `done`.

    The file is kept with the catalogue. One whose content is in the catalogue already becomes no second track.
    """
    labels = read_labels(label)
    if (waiting := await run_in_threadpool(resources.catalogue.jobs.count_open)) >= resources.settings.jobs_waiting:
        raise QueueFullError(waiting)
    arrivals = await run_in_threadpool(lambda: resources.store.arrivals)
    async with received_clip(request, limit_bytes=resources.settings.uploaded_track_bytes, folder=arrivals) as clip:
        job = await run_in_threadpool(_enqueue, resources, clip, labels)
    resources.worker.wake()
    response.headers["Location"] = f"/jobs/{job.id}"
    return JobAnswer.of(job, index_revision=0)


@router.patch(
    "/tracks/{track_id}",
    responses=documented("track_not_found", *JSON_BODY),
    openapi_extra=json_body(TrackChange),
)
async def change_track(track_id: TrackId, request: Request, resources: OpenResources) -> TrackDetail:
    """Change a track's own labels. Searches see it within a second, in every process."""
    change = await received_json(request, TrackChange)
    return await run_in_threadpool(_changed, resources, track_id, change)


@router.delete("/tracks/{track_id}", status_code=204, responses=documented("track_not_found"))
def delete_track(track_id: TrackId, resources: OpenResources) -> Response:
    """Take a track out of the catalogue.

    An uploaded file is deleted with it. A file that was ingested from a folder stays where it is, and comes back as a
    new track if that folder is ingested again.
    """
    if not forget_tracks(resources.catalogue, resources.store, [track_id]):
        raise TrackNotFoundError(track_id)
    resources.follower.wake()
    return Response(status_code=204)


def _enqueue(resources: Resources, clip: Clip, labels: tuple[str, ...]) -> Job:
    resources.store.flush(clip.path)
    with resources.catalogue.writing() as writing:
        job = writing.jobs.add(
            new_track_id(),
            content_hash=clip.content_hash,
            size_bytes=clip.size_bytes,
            file_name=clip.file_name,
            labels=labels,
            most_open=resources.settings.jobs_waiting,
        )
        resources.store.keep(clip.path, clip.content_hash)
    return job


def _changed(resources: Resources, track_id: str, change: TrackChange) -> TrackDetail:
    add, remove = read_labels(change.labels or change.add_labels), change.remove_labels
    with resources.catalogue.writing() as writing:
        track = writing.track(track_id)
        if track is None:
            raise TrackNotFoundError(track_id)
        before = () if change.labels is not None else track.labels
        after = refuse_too_many(with_labels(before, add=add, remove=remove))
        if after != track.labels:
            writing.set_labels(track_id, after)
    resources.follower.wake()
    return track_detail(resources, track_id)
