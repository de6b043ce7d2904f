"""What the calls about jobs answer."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from service.catalogue.records import Job, JobState, Outcome


class JobAnswer(BaseModel):
    """An upload on its way into the catalogue."""

    id: str
    state: JobState = Field(description="`done`: its track is searchable. `failed`: `code` and `message` say why.")
    file_name: str | None = Field(description="What you called the file.")
    content_hash: str = Field(description="sha256 of the file.")
    size_bytes: int
    submitted_at: datetime
    finished_at: datetime | None
    track_id: str | None = Field(description="The track, once there is one.")
    outcome: Outcome | None = Field(
        description="Once it is done: `added`; `moved`, if it took the place of a track whose file was lost; "
        "`unchanged`, if the catalogue had a track of this content, which is `track_id`."
    )
    code: str | None = Field(description="Why it failed, for programs.")
    message: str | None = Field(description="Why it failed, for people.")

    @classmethod
    def of(cls, job: Job, *, index_revision: int) -> Self:
        """Of the queue's record, as this process sees it.

        Args:
            job: The record.
            index_revision: Where the index stands that answers here: done is what it has.
        """
        is_done_elsewhere = job.state is JobState.DONE and (job.revision or 0) > index_revision
        return cls(
            id=job.id,
            state=JobState.RUNNING if is_done_elsewhere else job.state,
            file_name=job.file_name,
            content_hash=job.content_hash,
            size_bytes=job.size_bytes,
            submitted_at=job.submitted_at,
            finished_at=job.finished_at,
            track_id=job.track_id,
            outcome=None if job.outcome is None else Outcome(job.outcome),
            code=job.code,
            message=job.message,
        )


class JobList(BaseModel):
    """Jobs, the latest first."""

    items: list[JobAnswer]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next part; null at the end.")
