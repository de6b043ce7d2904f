"""The queue of jobs. Endpoints add to it and look at it, `service.jobs.worker` does what is in it.

Writers come one after the other, so no two workers take the same job. Who takes one holds it for as long as a lease
says, and renews that while it works; a job whose lease ran out belongs to whoever comes, for its worker is gone. Leases
are compared by the clocks of the computers involved, which must agree to within seconds, as those of servers do.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.orm import Session

from service.catalogue.database import Database
from service.catalogue.errors import JobNotFoundError, QueueFullError
from service.catalogue.records import IngestResult, Job, JobState
from service.catalogue.work_tables import JobRow

LEASE = timedelta(seconds=15)
# A job that ended the process so often is given up: it would end the next one too.
MOST_ATTEMPTS = 3
GIVEN_UP = "given_up"
# Afterwards, a finished job is of no use to whoever asked for it.
KEPT = timedelta(days=30)

OPEN = (JobState.QUEUED.value, JobState.RUNNING.value)


class JobsWriting:
    """What can be done to the queue in a writing transaction: `Writing.jobs`."""

    def __init__(self, session: Session) -> None:
        """Work in the session of a `Writing`."""
        self._session = session

    def add(
        self,
        job_id: str,
        *,
        content_hash: str,
        size_bytes: int,
        file_name: str | None,
        labels: Sequence[str],
        most_open: int,
    ) -> Job:
        """A new job at the end of the queue. Jobs that were finished long ago are forgotten.

        Args:
            job_id: A new one.
            content_hash: sha256 of what was uploaded.
            size_bytes: Of the same.
            file_name: Fit for showing.
            labels: For its track.
            most_open: How many jobs may wait or be done at once.

        Raises:
            QueueFullError: If so many do.
        """
        now = datetime.now(UTC)
        if (waiting := _count_open(self._session)) >= most_open:
            raise QueueFullError(waiting)
        self._session.execute(delete(JobRow).where(JobRow.finished_at < now - KEPT))
        row = JobRow(
            id=job_id,
            state=JobState.QUEUED,
            content_hash=content_hash,
            size_bytes=size_bytes,
            file_name=file_name,
            labels=labels,
            submitted_at=now,
            attempts=0,
        )
        self._session.add(row)
        self._session.flush()
        return row.as_job()

    def take(self, worker: str) -> Job | None:
        """The next job, which is this worker's for the length of a lease; None if there is none to be had.

        A job that was begun too often is given up on the way.
        """
        while True:
            question = select(JobRow).where(_is_to_be_had()).order_by(JobRow.id).limit(1)
            row = self._session.scalar(question)
            if row is None:
                return None
            if row.attempts < MOST_ATTEMPTS:
                row.state = JobState.RUNNING
                row.worker = worker
                row.leased_until = datetime.now(UTC) + LEASE
                row.attempts += 1
                self._session.flush()
                return row.as_job()
            message = f"it was begun {row.attempts} times, and each time the process that did it ended; see its log"
            self._finish(row, state=JobState.FAILED, code=GIVEN_UP, message=message)
            self._session.flush()

    def renew(self, job_id: str, worker: str) -> bool:
        """Hold a job for longer; False if it is not this worker's any more."""
        row = self._held(job_id, worker)
        if row is not None:
            row.leased_until = datetime.now(UTC) + LEASE
        return row is not None

    def is_held(self, job_id: str, worker: str) -> bool:
        """Whether a job is this worker's to finish."""
        return self._held(job_id, worker) is not None

    def give_back(self, job_id: str, worker: str) -> None:
        """Let others have a job that was not finished, through no fault of its own."""
        row = self._held(job_id, worker)
        if row is not None:
            row.state, row.worker, row.leased_until = JobState.QUEUED, None, None
            row.attempts -= 1

    def finish(self, job_id: str, result: IngestResult, *, revision: int) -> None:
        """Say what became of a job.

        Args:
            job_id: One that is held.
            result: Of its file; it failed if this has a code.
            revision: The catalogue's.
        """
        self._finish(
            self._session.get_one(JobRow, job_id),
            state=JobState.FAILED if result.code is not None else JobState.DONE,
            outcome=result.outcome.value,
            track_id=result.track_id,
            code=result.code,
            message=result.message,
            revision=revision,
        )

    def is_expected(self, content_hash: str) -> bool:
        """Whether a job that is not finished is about this content, so that its file must stay."""
        question = select(JobRow.id).where(JobRow.content_hash == content_hash, JobRow.state.in_(OPEN)).limit(1)
        return self._session.scalar(question) is not None

    def _held(self, job_id: str, worker: str) -> JobRow | None:
        row = self._session.get(JobRow, job_id)
        return row if row is not None and (row.state, row.worker) == (JobState.RUNNING, worker) else None

    def _finish(self, row: JobRow, *, state: JobState, **fields: object) -> None:
        row.state, row.finished_at, row.worker, row.leased_until = state, datetime.now(UTC), None, None
        for name, value in fields.items():
            setattr(row, name, value)


class Jobs:
    """What endpoints and workers ask about jobs: `Catalogue.jobs`. Every method is one transaction of its own."""

    def __init__(self, database: Database) -> None:
        """Ask this database."""
        self._database = database

    def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            JobNotFoundError: If there is none with this id.
        """
        with self._database.reading() as session:
            row = session.get(JobRow, job_id)
            if row is None:
                raise JobNotFoundError(job_id)
            return row.as_job()

    def latest(self, *, limit: int, before: str | None = None, state: JobState | None = None) -> list[Job]:
        """Jobs, the latest first.

        Args:
            limit: The most to return.
            before: The last id of the page before.
            state: Only jobs in this state.
        """
        question = select(JobRow).order_by(JobRow.id.desc()).limit(limit)
        if before is not None:
            question = question.where(JobRow.id < before)
        if state is not None:
            question = question.where(JobRow.state == state)
        with self._database.reading() as session:
            return [row.as_job() for row in session.scalars(question)]

    def count_open(self) -> int:
        """How many wait or are being done."""
        with self._database.reading() as session:
            return _count_open(session)

    def is_any_to_be_had(self) -> bool:
        """Whether one waits for a worker; it may be gone by the time one comes."""
        with self._database.reading() as session:
            return session.scalar(select(JobRow.id).where(_is_to_be_had()).limit(1)) is not None


def _count_open(session: Session) -> int:
    return session.scalars(select(func.count()).select_from(JobRow).where(JobRow.state.in_(OPEN))).one()


def _is_to_be_had() -> ColumnElement[bool]:
    abandoned = and_(JobRow.state == JobState.RUNNING, JobRow.leased_until < datetime.now(UTC))
    return or_(JobRow.state == JobState.QUEUED, abandoned)
