"""How things stand at this moment, in Prometheus's words. `/metrics` tells it, beside what was counted."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from anyio import move_on_after, to_thread
from prometheus_client.core import GaugeMetricFamily, Metric

from service.catalogue.bundles import Progress
from service.catalogue.errors import CatalogueError
from service.health.readiness import part_problems
from service.http.resources import Resources
from service.indexing.follower import IndexFollower
from service.operations.logs import get_logger

log = get_logger(__name__)


# Who scrapes waits no longer than this for the database, and is in no one's way: this is a thread of its own.
COUNTED_SECONDS = 1.0


@dataclass(frozen=True)
class Counted:
    """What the database counts.

    Attributes:
        failures: Files that failed, by code.
        open_jobs: Uploads that wait or are being analysed.
        next_bundle: How far the bundle is that is to take over; None if the one that is wanted answers.
    """

    failures: Mapping[str, int]
    open_jobs: int
    next_bundle: Progress | None


async def count(resources: Resources) -> Counted | None:
    """What only the database knows; None if it does not say so soon."""
    if resources.follower.catalogue_problem is not None:
        return None
    with move_on_after(COUNTED_SECONDS):
        try:
            return await to_thread.run_sync(_counted, resources, limiter=resources.scraping, abandon_on_cancel=True)
        except CatalogueError as error:
            log.warning("catalogue_not_counted", error=str(error))
    return None


def _counted(resources: Resources) -> Counted:
    catalogue = resources.catalogue
    wanted = catalogue.bundles.standing().wanted
    is_next = wanted is not None and wanted != resources.bundle.encoder_id
    return Counted(
        failures=catalogue.failures.count(),
        open_jobs=catalogue.jobs.count_open(),
        next_bundle=catalogue.bundles.progress(str(wanted)) if is_next else None,
    )


def state_of(resources: Resources, *, counted: Counted | None) -> Iterator[Metric]:
    """The queue, the catalogue, the index and the parts of the service.

    What cannot be told at this moment is left out, so that an alert on its absence can be made.

    Args:
        resources: Of the service.
        counted: What `count` counted.
    """
    ready = GaugeMetricFamily("facet_ready", "1 if this part of the service can answer.", labels=["part"])
    for part, problem in part_problems(resources).items():
        ready.add_metric([part], problem is None)
    yield ready
    clips = resources.clips
    yield _gauge("facet_clips_waiting", "Clips that wait to be analysed: the queue.", clips.waiting)
    yield _gauge("facet_clips_analysed_now", "Clips being analysed.", clips.under_way)
    yield from _catalogue(resources.follower)
    if counted is not None:
        yield _failures(counted.failures)
        yield _gauge(
            "facet_jobs_open", "Uploaded tracks that wait for their analysis, or are in it.", counted.open_jobs
        )
        if counted.next_bundle is not None:
            yield _next_bundle(counted.next_bundle)
    yield from _index(resources)


def _catalogue(follower: IndexFollower) -> Iterator[Metric]:
    if follower.seen_at is None:
        return
    yield _gauge(
        "facet_catalogue_age_seconds",
        "Time since the catalogue was last read: how old what is known of it may be.",
        max(0.0, time.time() - follower.seen_at),
    )
    yield _gauge("facet_catalogue_revision", "Changes of the catalogue since it was made.", follower.seen_revision)
    yield _gauge("facet_catalogue_tracks", "Tracks in the catalogue.", follower.catalogue_tracks)


def _failures(counts: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(
        "facet_ingest_failures", "Files whose latest ingest failed, by the reason.", labels=["code"]
    )
    for code, count in counts.items():
        family.add_metric([code], count)
    return family


def _next_bundle(progress: Progress) -> Metric:
    family = GaugeMetricFamily(
        "facet_next_model_tracks", "Tracks as the model sees them that is to take over.", labels=["state"]
    )
    missing = progress.tracks - progress.embedded - progress.failed
    for state, tracks in {"embedded": progress.embedded, "failed": progress.failed, "missing": missing}.items():
        family.add_metric([state], tracks)
    return family


def _index(resources: Resources) -> Iterator[Metric]:
    index = resources.follower.index
    yield _gauge("facet_index_revision", "Revision of the catalogue that the index stands at.", index.revision)
    yield _gauge("facet_index_tracks", "Tracks in the index.", len(index))
    yield _gauge("facet_index_uncompacted_tracks", "Tracks that the snapshot lacks or has too many.", index.uncompacted)
    snapshot = index.snapshot
    if snapshot is None:
        return
    yield _gauge("facet_snapshot_tracks", "Tracks in the snapshot underneath the index.", len(snapshot))
    try:
        published_at = (snapshot.path / "manifest.json").stat().st_mtime
    except OSError:
        return  # another process has pruned it; it stays open here
    yield _gauge(
        "facet_snapshot_age_seconds",
        "Time since the snapshot underneath the index was published.",
        max(0.0, time.time() - published_at),
    )


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, value=value)
