"""What is counted of the requests, and how it is told to Prometheus. `http.recording` counts, `/metrics` tells.

Every label has few values whatever is asked: routes by their templates, dimensions of the bundle, codes, known methods.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from index.audio import AudioErrorCode

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Seconds. A search takes some milliseconds, a clip about one second, an upload on a slow line many.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
DECODE_CODES = frozenset(code.value for code in AudioErrorCode)


class Metrics:
    """The figures of one application; safe to use from any thread."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "facet_requests", "Requests answered.", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "facet_request_seconds",
            "Time from a request's head to its answer's last byte; by the dimension that was asked in, if any.",
            ["route", "dimension"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._in_flight = Gauge("facet_requests_in_flight", "Requests being answered.", registry=self._registry)
        self._problems = Counter("facet_problems", "Requests refused, by problem.", ["code"], registry=self._registry)
        self._decode_failures = Counter(
            "facet_decode_failures", "Clips that could not be decoded or heard.", ["code"], registry=self._registry
        )
        for code in sorted(DECODE_CODES):
            self._decode_failures.labels(code)  # there from the beginning, so that the first one is seen as a rise
        ProcessCollector(namespace="facet", registry=self._registry)

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Count a request as being answered for as long as the block lasts."""
        with self._in_flight.track_inprogress():
            yield

    def count(self, *, method: str, route: str, status: int, dimension: str, seconds: float) -> None:
        """Count a request that was answered.

        Args:
            method: As it was sent; one that is not known is counted as such.
            route: Its template.
            status: Of the answer.
            dimension: The dimension it asked in, or "".
            seconds: How long it took.
        """
        self._requests.labels(method if method in METHODS else "(unknown)", route, str(status)).inc()
        self._seconds.labels(route, dimension).observe(seconds)

    def count_problem(self, code: str) -> None:
        """Count a problem, and a failure of the decoder once more as that."""
        self._problems.labels(code).inc()
        if code in DECODE_CODES:
            self._decode_failures.labels(code).inc()

    def told(self, accept: str, state: Callable[[], Iterable[Metric]]) -> tuple[bytes, str]:
        """Everything, in a format that whoever asks understands.

        Args:
            accept: What it says it does.
            state: What is to be told beside the counts: how things stand at this moment.

        Returns:
            The text, and its media type.
        """
        encode, media_type = choose_encoder(accept)
        return encode(_Together(self._registry, state)), media_type


class _Together(Collector):
    """The counts, and the state of the moment after them."""

    def __init__(self, registry: CollectorRegistry, state: Callable[[], Iterable[Metric]]) -> None:
        self._registry = registry
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """Everything."""
        yield from self._registry.collect()
        yield from self._state()
