"""The queue of jobs on both databases: each job is one worker's at a time, and none is lost."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.catalogue import jobs as queue
from service.catalogue.errors import JobNotFoundError, QueueFullError
from service.catalogue.jobs import GIVEN_UP, MOST_ATTEMPTS
from service.catalogue.records import IngestResult, JobState, Outcome
from service.catalogue.repository import Catalogue
from service.catalogue.writing import new_track_id

ADDED = IngestResult(Path("/a"), Outcome.ADDED, track_id="t")


def add(catalogue: Catalogue, *, content_hash: str = "ab", most_open: int = 1000) -> str:
    job_id = new_track_id()
    with catalogue.writing() as writing:
        writing.jobs.add(
            job_id, content_hash=content_hash, size_bytes=3, file_name="a.mp3", labels=["x"], most_open=most_open
        )
    return job_id


def take(catalogue: Catalogue, worker: str) -> str | None:
    with catalogue.writing() as writing:
        job = writing.jobs.take(worker)
    return None if job is None else job.id


def test_jobs_are_taken_in_the_order_in_which_they_came(catalogue: Catalogue) -> None:
    ids = [add(catalogue) for _ in range(4)]
    assert [take(catalogue, "a") for _ in range(5)] == [*ids, None]
    assert not catalogue.jobs.is_any_to_be_had()
    assert catalogue.jobs.count_open() == 4


def test_no_job_is_taken_twice_however_many_come_at_once(catalogue: Catalogue) -> None:
    ids = [add(catalogue) for _ in range(40)]
    taken: list[str] = []
    together = threading.Barrier(6)

    def work(worker: str) -> None:
        together.wait()
        while (job_id := take(catalogue, worker)) is not None:
            taken.append(job_id)

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == ids


def test_a_job_whose_worker_is_gone_is_taken_up_by_the_next(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = add(catalogue)
    monkeypatch.setattr(queue, "LEASE", timedelta(seconds=-1))
    assert take(catalogue, "killed") == job_id
    monkeypatch.undo()
    assert catalogue.jobs.is_any_to_be_had()
    assert take(catalogue, "next") == job_id
    assert take(catalogue, "third") is None
    with catalogue.writing() as writing:
        assert not writing.jobs.is_held(job_id, "killed")
        assert not writing.jobs.renew(job_id, "killed")
        assert writing.jobs.renew(job_id, "next")
        writing.jobs.finish(job_id, ADDED, revision=writing.revision)
    job = catalogue.jobs.get(job_id)
    assert (job.state, job.outcome, job.track_id, job.attempts) == (JobState.DONE, "added", "t", 2)


def test_a_renewed_job_stays_its_worker_s(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = add(catalogue)
    monkeypatch.setattr(queue, "LEASE", timedelta(seconds=-1))
    take(catalogue, "slow")
    monkeypatch.undo()
    with catalogue.writing() as writing:
        assert writing.jobs.renew(job_id, "slow")
    assert take(catalogue, "other") is None


def test_a_job_that_ends_every_process_is_given_up(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    deadly, harmless = add(catalogue), add(catalogue)
    monkeypatch.setattr(queue, "LEASE", timedelta(seconds=-1))
    assert [take(catalogue, "w") for _ in range(MOST_ATTEMPTS)] == [deadly] * MOST_ATTEMPTS
    assert take(catalogue, "w") == harmless
    job = catalogue.jobs.get(deadly)
    assert (job.state, job.code) == (JobState.FAILED, GIVEN_UP)


def test_a_job_that_was_given_back_counts_no_attempt(catalogue: Catalogue) -> None:
    job_id = add(catalogue)
    for _ in range(2 * MOST_ATTEMPTS):
        assert take(catalogue, "w") == job_id
        with catalogue.writing() as writing:
            writing.jobs.give_back(job_id, "w")
    assert catalogue.jobs.get(job_id).state is JobState.QUEUED


def test_a_full_queue_takes_no_more_until_one_is_finished(catalogue: Catalogue) -> None:
    ids = [add(catalogue, most_open=2) for _ in range(2)]
    with pytest.raises(QueueFullError, match="2 uploads wait"):
        add(catalogue, most_open=2)
    assert take(catalogue, "w") == ids[0]
    with pytest.raises(QueueFullError):
        add(catalogue, most_open=2)
    with catalogue.writing() as writing:
        failed = IngestResult(Path("/a"), Outcome.FAILED, code="silent", message="it is silent")
        writing.jobs.finish(ids[0], failed, revision=0)
    add(catalogue, most_open=2)
    assert catalogue.jobs.get(ids[0]).code == "silent"


def test_a_content_is_expected_until_its_jobs_are_finished(catalogue: Catalogue) -> None:
    job_id = add(catalogue, content_hash="cd")
    with catalogue.writing() as writing:
        assert writing.jobs.is_expected("cd")
        assert not writing.jobs.is_expected("ef")
        writing.jobs.finish(job_id, ADDED, revision=0)
        assert not writing.jobs.is_expected("cd")


def test_jobs_of_long_ago_are_forgotten(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    old = add(catalogue)
    with catalogue.writing() as writing:
        writing.jobs.finish(old, ADDED, revision=0)
    add(catalogue)
    assert catalogue.jobs.get(old).finished_at is not None
    monkeypatch.setattr(queue, "KEPT", timedelta(seconds=-1))
    waiting = add(catalogue)
    with pytest.raises(JobNotFoundError):
        catalogue.jobs.get(old)
    assert catalogue.jobs.get(waiting).finished_at is None


def test_jobs_are_listed_page_by_page(catalogue: Catalogue) -> None:
    ids = [add(catalogue) for _ in range(5)][::-1]
    take(catalogue, "w")
    listed = catalogue.jobs.latest(limit=2)
    assert [job.id for job in listed] == ids[:2]
    assert [job.id for job in catalogue.jobs.latest(limit=9, before=ids[1])] == ids[2:]
    assert [job.id for job in catalogue.jobs.latest(limit=9, state=JobState.RUNNING)] == [ids[-1]]
    assert (listed[0].labels, listed[0].file_name) == (("x",), "a.mp3")
    assert datetime.now(UTC) - listed[0].submitted_at < timedelta(minutes=1)
