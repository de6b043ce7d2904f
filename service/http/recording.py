"""Every request is given an id, counted, timed, and told of in one event of the log. ASGI middleware; the outermost.

The event has the route's template, never the address itself: paths and query strings hold what people look for, and
may hold keys. A mistake of the service ends here too: it is logged with its traceback, and answered as a problem.
"""

import asyncio
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.problems import problem_response
from service.http.request_record import REQUEST_ID_HEADER, RequestRecord, begin_record
from service.operations.logs import get_logger
from service.operations.metrics import Metrics

log = get_logger(__name__)

NO_ROUTE = "(none)"
# Asked every few seconds by machines: told of only to whoever wants to know everything.
POLLED_ROUTES = ("/livez", "/readyz", "/metrics")
# What a client that went away before its answer is counted under: nginx's own word for it.
CLIENT_CLOSED_REQUEST = 499
# What uvicorn answers to a request that it cancels.
CUT_OFF = 500


class RequestRecorder:
    """ASGI middleware: see above."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection; only HTTP requests are recorded."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = begin_record(Headers(scope=scope).get(REQUEST_ID_HEADER))
        began = time.perf_counter()
        status: int | None = None
        is_cut_off = False

        async def named_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = record.request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=record.request_id), self._metrics.in_flight():
            try:
                await self._app(scope, receive, named_send)
            except asyncio.CancelledError:
                # Told to stop, the service waits for this long and no longer.
                is_cut_off = True
                raise
            except Exception as error:
                log.exception("request_failed", route=_route(scope), error=repr(error))
                if status is None:
                    detail = "an unexpected error; the service's log says more, under this request's id"
                    await problem_response("internal_error", detail)(scope, receive, named_send)
            finally:
                status = status or (CUT_OFF if is_cut_off else CLIENT_CLOSED_REQUEST)
                seconds = time.perf_counter() - began
                self._tell(scope, record, status, is_cut_off=is_cut_off, seconds=seconds)

    def _tell(self, scope: Scope, record: RequestRecord, status: int, *, is_cut_off: bool, seconds: float) -> None:
        route = _route(scope)
        self._metrics.count(
            method=scope["method"], route=route, status=status, dimension=record.dimension, seconds=seconds
        )
        if record.problem is not None:
            self._metrics.count_problem(record.problem)
        fields = {"method": scope["method"], "route": route, "status": status, "seconds": round(seconds, 6)}
        if record.dimension:
            fields["dimension"] = record.dimension
        if record.problem is not None:
            fields["problem"] = record.problem
        tell = log.debug if route in POLLED_ROUTES and status < 500 else log.info
        if is_cut_off:
            tell("request_cut_off", **fields)
        else:
            tell("request_answered" if status != CLIENT_CLOSED_REQUEST else "request_broken_off", **fields)


def _route(scope: Scope) -> str:
    """The template of the route that answers: of these there are few, whatever is asked for."""
    return getattr(scope.get("route"), "path", None) or NO_ROUTE
