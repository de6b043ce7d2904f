"""The calls about jobs: how far an upload is. POST /tracks makes one."""

from typing import Annotated

from fastapi import APIRouter, Query

from service.catalogue.errors import JobNotFoundError
from service.catalogue.records import JobState
from service.http.cursors import Sealed, read_cursor, write_cursor
from service.http.paging import WantedPage
from service.http.problems import documented
from service.http.refusals import InvalidCursorError
from service.http.resources import OpenResources
from service.jobs.schemas import JobAnswer, JobList
from service.safety.api_keys import Scope
from service.safety.callers import requires
from service.tracks.identity import is_track_id

router = APIRouter(tags=["jobs"], dependencies=[requires(Scope.READ)])


@router.get("/jobs", responses=documented("invalid_parameter", "invalid_cursor"))
def list_jobs(
    resources: OpenResources,
    page: WantedPage,
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
) -> JobList:
    """Uploads, the latest first; those that ended more than 30 days ago are forgotten."""
    sealed = Sealed({"list": "jobs", "state": state}, resources.catalogue.cursor_secret)
    before: str | None = None
    if page.cursor is not None:
        before = read_cursor(sealed, page.cursor).get("job_id")
        if not (isinstance(before, str) and is_track_id(before)):
            raise InvalidCursorError("the cursor is damaged; begin again without one")
    jobs = resources.catalogue.jobs.latest(limit=page.limit + 1, before=before, state=state)
    shown = jobs[: page.limit]
    return JobList(
        items=[JobAnswer.of(job, index_revision=resources.follower.index.revision) for job in shown],
        next_cursor=write_cursor(sealed, {"job_id": shown[-1].id}) if len(jobs) > page.limit else None,
    )


@router.get("/jobs/{job_id}", responses=documented("job_not_found"))
def get_job(job_id: str, resources: OpenResources) -> JobAnswer:
    """How far an upload is."""
    if not is_track_id(job_id):
        raise JobNotFoundError(job_id)
    return JobAnswer.of(resources.catalogue.jobs.get(job_id), index_revision=resources.follower.index.revision)
