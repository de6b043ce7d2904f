"""PostgreSQL goes away, or falls silent, while the service answers: it says so, and goes on by itself afterwards.

Between the service and a server of the proof's own stands a relay that can be shut, or told to pass nothing on.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx

from proofs.processes import Serving, run_facet, serving
from proofs.proving import NotPossibleHereError, check, tell, within
from proofs.small_catalogue import small_catalogue
from service.http.resources import WORKER_THREADS
from service.indexing.follower import SILENT_SECONDS
from tests.postgresql_server import HOW_TO_INSTALL, postgresql_programs, started_server

SEARCH = "/search?tag=rock"
# To say that it is away, and to be back; the figures say how long it took. A machine may have other things to do.
NOTICED_SECONDS = 30.0
RECOVERED_SECONDS = 60.0


class Relay:
    """Passes bytes between TCP connections and a server's socket."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._passes = threading.Event()
        self._passes.set()
        self._open: list[socket.socket] = []
        self._listening: socket.socket | None = None
        self.port = 0

    def listen(self) -> None:
        """Let connections in, at the same port as before."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def close(self) -> None:
        """Break every connection, and refuse new ones."""
        if self._listening is not None:
            with suppress(OSError):
                self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            self._listening = None
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Pass nothing on for as long as the block lasts; nothing is lost."""
        self._passes.clear()
        try:
            yield
        finally:
            self._passes.set()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                one, _ = listening.accept()
                other = socket.socket(socket.AF_UNIX)
                other.connect(self._target)
                self._open += [one, other]
                for source, sink in ((one, other), (other, one)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while some := source.recv(65_536):
                self._passes.wait()
                sink.sendall(some)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


def prove(size: int, folder: Path) -> None:
    """Have the database go away `size` times, and fall silent as often.

    Raises:
        NotProvenError: If the service does not say so, or does not come back by itself.
        NotPossibleHereError: If there is no PostgreSQL.
    """
    programs = postgresql_programs()
    if programs is None:
        raise NotPossibleHereError(HOW_TO_INSTALL)
    small = small_catalogue(folder, files=5)
    with started_server(programs) as server, server.database() as url:
        relay = Relay(f"{server.url.query['host']}/.s.PGSQL.5432")
        relay.listen()
        name = url.rpartition("/")[2].partition("?")[0]
        small.environment["FACET_DATABASE_URL"] = (
            f"postgresql+psycopg://facet@127.0.0.1:{relay.port}/{name}?sslmode=disable"
        )
        check(run_facet("ingest", small.music, environment=small.environment).returncode == 0, "nothing was ingested")
        with closing(relay), serving(folder, small.environment) as served:
            noticed, recovered = [], []
            for _ in range(size):
                noticed.append(_away(served, relay, small.environment))
                recovered.append(_back(served, relay.listen))
            tell("away", f"{size} times: {_told(noticed, recovered)}")
            noticed, recovered = [], []
            for _ in range(size):
                first, last = _silent(served, relay)
                noticed.append(first)
                recovered.append(last)
            tell("silent", f"{size} times: {_told(noticed, recovered)}")
            check(served.process.poll() is None, "the service ended")


def _told(noticed: list[float], recovered: list[float]) -> str:
    return f"said within {max(noticed):.1f} s, answered again within {max(recovered):.1f} s"


def _away(served: Serving, relay: Relay, environment: dict[str, str]) -> float:
    began = time.monotonic()
    relay.close()
    _until(served, 503, NOTICED_SECONDS, "that the database is away is not said")
    noticed = time.monotonic() - began
    _says_so(served)
    with within(NOTICED_SECONDS, "a search without a database"):
        answer = httpx.get(served.address + SEARCH, timeout=60)
    check(answer.status_code == 503 and answer.json()["code"] == "not_ready", answer.text)
    check("127.0.0.1" not in answer.text, "an answer names the database's host")
    refused = run_facet("list", environment=environment)
    check(refused.returncode == 1 and "Traceback" not in refused.stderr, refused.stderr)
    check("cannot be used now" in refused.stderr, refused.stderr)
    return noticed


def _silent(served: Serving, relay: Relay) -> tuple[float, float]:
    """More questions than there are threads wait meanwhile: whoever asks how the service is must not wait with them."""
    questions = WORKER_THREADS + 4
    with ThreadPoolExecutor(questions) as executor:
        with relay.silent():
            began = time.monotonic()
            waiting = [executor.submit(httpx.get, served.address + "/tracks", timeout=120) for _ in range(questions)]
            _until(served, 503, SILENT_SECONDS + NOTICED_SECONDS, "that the database is silent is not said")
            noticed = time.monotonic() - began
            _says_so(served)
        recovered = _back(served, lambda: None)
        answers = [each.result().status_code for each in waiting]
    check(set(answers) <= {200, 503}, f"questions that waited were answered with {sorted(set(answers))}")
    return noticed, recovered


def _says_so(served: Serving) -> None:
    for address, status in (("/livez", 200), ("/metrics", 200)):
        with within(NOTICED_SECONDS, f"{address} without a database"):
            check(httpx.get(served.address + address, timeout=60).status_code == status, f"{address} fails")
    told = httpx.get(f"{served.address}/readyz", timeout=60)
    check(told.json()["checks"]["database"]["code"] == "catalogue_unavailable", told.text)


def _back(served: Serving, come_back: Callable[[], None]) -> float:
    began = time.monotonic()
    come_back()
    _until(served, 200, RECOVERED_SECONDS, "the service does not come back")
    answer = httpx.get(served.address + SEARCH, timeout=60)
    check(answer.status_code == 200 and len(answer.json()["items"]) == 5, f"afterwards: {answer.text}")
    return time.monotonic() - began


def _until(served: Serving, status: int, seconds: float, otherwise: str) -> None:
    give_up = time.monotonic() + seconds
    while httpx.get(f"{served.address}/readyz", timeout=60).status_code != status:
        check(time.monotonic() < give_up, f"{otherwise} within {seconds:.0f} s")
        time.sleep(0.05)
