"""How things stand at this moment, in Prometheus's words. `/metrics` tells it, beside what was counted."""

import time
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from service.catalogue.errors import CatalogueError
from service.health.readiness import part_problems
from service.http.resources import Resources
from service.operations.logs import get_logger

log = get_logger(__name__)


def state_of(resources: Resources) -> Iterator[Metric]:
    """The queue, the catalogue, the index and the parts of the service. For a worker thread: it asks the database.

    What cannot be told at this moment is left out, so that an alert on its absence can be made.
    """
    ready = GaugeMetricFamily("facet_ready", "1 if this part of the service can answer.", labels=["part"])
    for part, problem in part_problems(resources).items():
        ready.add_metric([part], problem is None)
    yield ready
    clips = resources.clips
    yield _gauge("facet_clips_waiting", "Clips that wait to be analysed: the queue.", clips.waiting)
    yield _gauge("facet_clips_analysed_now", "Clips being analysed.", clips.under_way)
    yield from _catalogue(resources)
    yield from _index(resources)


def _catalogue(resources: Resources) -> Iterator[Metric]:
    follower = resources.follower
    if follower.seen_at is not None:
        yield _gauge(
            "facet_catalogue_age_seconds",
            "Time since the catalogue was last read: how old what is known of it may be.",
            max(0.0, time.time() - follower.seen_at),
        )
        yield _gauge("facet_catalogue_revision", "Changes of the catalogue since it was made.", follower.seen_revision)
        yield _gauge("facet_catalogue_tracks", "Tracks in the catalogue.", follower.catalogue_tracks)
    if follower.catalogue_problem is not None:
        return
    failures = GaugeMetricFamily(
        "facet_ingest_failures", "Files whose latest ingest failed, by the reason.", labels=["code"]
    )
    try:
        for code, count in resources.catalogue.count_failures().items():
            failures.add_metric([code], count)
    except CatalogueError as error:
        log.warning("failures_not_counted", error=str(error))
    else:
        yield failures


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
