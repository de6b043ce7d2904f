"""Every error that a call can end in becomes a problem. `app` installs this; what is left over, `recording` answers."""

import errno
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from index.audio import AudioError
from index.query import QueryError
from index.subspaces import UnknownDimensionError
from service.catalogue.errors import CatalogueUnavailableError, JobNotFoundError, QueueFullError, TrackNotFoundError
from service.http.complaints import in_plain_words, joined, place_of, quoted
from service.http.problems import Problem, nearest_names, problem_response
from service.http.recording import CLIENT_CLOSED_REQUEST
from service.http.refusals import RefusalError, TooManyRequestsError, UnknownNameError
from service.operations.logs import get_logger

log = get_logger(__name__)

# A disk that is full, or full for this user, or was mounted for reading only.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})

# A place in the queue is free again after an analysis, which takes seconds.
QUEUE_RETRY_SECONDS = 10

# Of errors that know nothing of HTTP, and whose own words are for the caller.
CODES: Mapping[type[Exception], str] = {
    UnknownDimensionError: "unknown_dimension",
    QueryError: "invalid_parameter",
    TrackNotFoundError: "track_not_found",
    JobNotFoundError: "job_not_found",
}

HANDLED = (
    RefusalError,
    AudioError,
    *CODES,
    QueueFullError,
    CatalogueUnavailableError,
    RequestValidationError,
    HTTPException,
    ClientDisconnect,
    OSError,
)


def install_problems(app: FastAPI) -> None:
    """Make every error of the application a problem, and describe problems in its OpenAPI document."""
    for error in HANDLED:
        app.add_exception_handler(error, as_problem)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way of extending its document


async def as_problem(request: Request, error: Exception) -> Response:
    """The answer for an error. Also for middleware, whose errors no handler sees."""
    code, detail = "internal_error", "an unexpected error; the service's log says more"
    headers: Mapping[str, str] | None = None
    match error:
        case TooManyRequestsError():
            code, detail = error.code, str(error)
            headers = {"Retry-After": str(math.ceil(error.retry_after_seconds))}
        case RefusalError() | AudioError():
            code, detail = error.code, str(error)
        case UnknownDimensionError() | QueryError() | TrackNotFoundError() | JobNotFoundError():
            code, detail = CODES[type(error)], str(error)
        case QueueFullError():
            code, detail = "queue_full", str(error)
            headers = {"Retry-After": str(QUEUE_RETRY_SECONDS)}
        case CatalogueUnavailableError():
            # The driver's own words may name hosts and users: they are for the log.
            log.error("catalogue_unavailable", error=str(error))
            code, detail = "not_ready", "the catalogue cannot be read at this moment; try again in a moment"
        case RequestValidationError():
            code, detail = "invalid_parameter", joined(_complaint(each) for each in error.errors())
        case HTTPException(status_code=HTTPStatus.NOT_FOUND):
            code, detail = "not_found", f"there is nothing at {request.url.path}; /docs lists every call"
        case HTTPException(status_code=HTTPStatus.METHOD_NOT_ALLOWED):
            headers = {"Allow": _methods(request)}
            code = "method_not_allowed"
            detail = f"{request.url.path} answers {headers['Allow']}, not {request.method}"
        case OSError():
            if error.errno not in NO_ROOM:
                raise error
            log.error("no_room", error=str(error))
            code, detail = "no_room", "the service cannot write to its disk; try again once whoever runs it made room"
        case ClientDisconnect():
            # Nobody reads this answer: it is for the record, and no problem of anybody's.
            return Response(status_code=CLIENT_CLOSED_REQUEST)
    return problem_response(code, detail, headers=headers, **_names_in(error))


def _names_in(error: Exception) -> dict[str, list[str]]:
    """What a program needs of names that were not known, and of tracks that are not there."""
    if isinstance(error, UnknownNameError | UnknownDimensionError):
        return {"nearest": nearest_names(error.found, error.known), "known": list(error.known)}
    return {"missing": list(error.track_ids)} if isinstance(error, TrackNotFoundError) else {}


def _methods(request: Request) -> str:
    """Every method that the address answers; each is a route of its own, which knows of no other."""
    template = getattr(request.scope.get("route"), "path", request.url.path)
    calls = request.app.openapi()["paths"].get(template, {"get": None})
    return ", ".join(sorted(method.upper() for method in calls))


def _complaint(error: Mapping[str, Any]) -> str:
    """What a parameter's value is, and what it should be."""
    found = "" if error["type"] == "missing" else f", found {quoted(error['input'])}"
    return f"{place_of(error['loc'][1:])}: {in_plain_words(error)}{found}"
