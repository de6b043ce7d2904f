"""The call for a track's outline."""

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service.http.problems import documented
from service.http.resources import OpenResources
from service.peaks.schemas import TrackPeaks
from service.safety.api_keys import Scope
from service.safety.callers import requires
from service.tracks.identity import TrackId

router = APIRouter(tags=["tracks"], dependencies=[requires(Scope.READ)])

# The outline belongs to the file's content, which the address does not name: an hour is less than anybody minds.
KEEP = "private, max-age=3600"


@router.get(
    "/tracks/{track_id}/peaks",
    responses=documented(
        *("track_not_found", "audio_missing", "audio_changed", "undecodable", "decoder_crashed", "timed_out"),
        *("too_large", "not_audio", "no_audio_stream", "too_short", "too_busy"),
    ),
)
async def get_peaks(track_id: TrackId, resources: OpenResources, response: Response) -> TrackPeaks:
    """The track's waveform to look at. The first time takes as long as decoding the whole file; then it is kept."""
    track = await run_in_threadpool(resources.catalogue.track, track_id)
    outline = await resources.outlines.of(track)
    response.headers["Cache-Control"] = KEEP
    return TrackPeaks(peaks=outline.tolist(), duration_seconds=track.duration_seconds)
