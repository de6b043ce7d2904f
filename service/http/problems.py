"""RFC 9457 problems: the one place that knows which HTTP status an error of the domain is.

Every problem has a stable `code`. Where a name was not known, `nearest` gives the names most like it and `known` all of
them; where tracks are not there, `missing` gives their ids. `problem_handlers` turns errors into these; routes document
them with `documented`.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from service.http.complaints import within_bounds
from service.http.request_record import current_record

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
# Names at least this alike are named as nearest: the ratio of `difflib.SequenceMatcher`, whose default this is. One
# letter wrong in three passes, half of a word does not.
NEAREST_FROM = 0.6
NEAREST_AT_MOST = 3


@dataclass(frozen=True)
class Kind:
    """What every problem of one code has in common."""

    status: HTTPStatus
    title: str


_BAD, _MISSING, _UNFIT = HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY

KINDS: Mapping[str, Kind] = {
    "unknown_parameter": Kind(_BAD, "The call has no such parameter"),
    "invalid_parameter": Kind(_BAD, "A parameter's value cannot be used"),
    "conflicting_parameters": Kind(_BAD, "Two parameters exclude each other"),
    "invalid_cursor": Kind(_BAD, "The cursor is damaged or belongs to another question"),
    "unknown_dimension": Kind(_BAD, "There is no such dimension"),
    "unknown_tag": Kind(_BAD, "There is no such tag"),
    "malformed_request": Kind(_BAD, "What came is not a request that can be read"),
    "not_found": Kind(_MISSING, "There is nothing at this address"),
    "track_not_found": Kind(_MISSING, "There is no such track"),
    "no_map": Kind(_MISSING, "No map was drawn yet"),
    "job_not_found": Kind(_MISSING, "There is no such job"),
    "clip_not_found": Kind(_MISSING, "There is no such clip"),
    "audio_missing": Kind(_MISSING, "The track's file is gone"),
    "audio_changed": Kind(_MISSING, "The track's file is no longer the one that was ingested"),
    "method_not_allowed": Kind(HTTPStatus.METHOD_NOT_ALLOWED, "The address does not answer this method"),
    "track_not_embedded": Kind(HTTPStatus.CONFLICT, "The track has not been analysed with this model"),
    "range_not_satisfiable": Kind(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "The file has no such bytes"),
    "parquet_unavailable": Kind(HTTPStatus.NOT_ACCEPTABLE, "The service does not write Parquet"),
    "not_multipart": Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body is not multipart/form-data"),
    "not_json": Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body is not application/json"),
    "malformed_json": Kind(_BAD, "The body is not JSON"),
    "body_too_large": Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large"),
    "malformed_upload": Kind(_BAD, "The body is damaged"),
    "missing_file": Kind(_BAD, "There is no file in the body"),
    "unknown_field": Kind(_BAD, "The body has a field that the call does not take"),
    "several_files": Kind(_BAD, "There is more than one file in the body"),
    "empty_file": Kind(_BAD, "The file is empty"),
    "upload_stalled": Kind(HTTPStatus.REQUEST_TIMEOUT, "The body stopped coming"),
    "upload_too_large": Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The file is too large"),
    "not_audio": Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The file is not audio"),
    "no_audio_stream": Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The file has no sound in it"),
    "undecodable": Kind(_UNFIT, "The file cannot be decoded"),
    "too_short": Kind(_UNFIT, "The file is too short"),
    "silent": Kind(_UNFIT, "The file is silent"),
    "too_large": Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The file is too large to decode"),
    "too_long": Kind(_UNFIT, "The file lasts too long"),
    "timed_out": Kind(_UNFIT, "The file takes too long to decode"),
    "decoder_crashed": Kind(_UNFIT, "The file crashes the decoder"),
    "no_direction": Kind(_UNFIT, "The example says nothing in the dimensions asked for"),
    "queue_full": Kind(HTTPStatus.TOO_MANY_REQUESTS, "Too many uploads wait for their analysis"),
    "key_needed": Kind(HTTPStatus.UNAUTHORIZED, "An API key is needed"),
    "invalid_key": Kind(HTTPStatus.UNAUTHORIZED, "The API key opens nothing"),
    "insufficient_scope": Kind(HTTPStatus.FORBIDDEN, "The API key does not open this"),
    "other_site": Kind(HTTPStatus.FORBIDDEN, "A page of another site may not ask this"),
    "unknown_host": Kind(HTTPStatus.MISDIRECTED_REQUEST, "The service does not answer to this name"),
    "too_many_requests": Kind(HTTPStatus.TOO_MANY_REQUESTS, "This caller asks for more than its share"),
    "not_ready": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The service is not ready"),
    "no_room": Kind(HTTPStatus.INSUFFICIENT_STORAGE, "The service's disk is full or cannot be written"),
    "too_busy": Kind(HTTPStatus.TOO_MANY_REQUESTS, "Too much of this work waits already"),
    "internal_error": Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "The service has made a mistake"),
}

# What any call may answer; `default` in the OpenAPI document.
ANYWHERE = (
    *("unknown_parameter", "not_ready", "internal_error"),
    *("key_needed", "invalid_key", "insufficient_scope", "other_site", "unknown_host", "too_many_requests"),
)
JSON_BODY = ("not_json", "malformed_json", "body_too_large", "upload_stalled", "unknown_field", "invalid_parameter")
# Of a clip's arrival, and of what is heard in it.
ARRIVAL = (
    *("not_multipart", "malformed_upload", "missing_file", "unknown_field", "several_files", "empty_file"),
    *("upload_stalled", "upload_too_large", "no_room"),
)
UPLOAD = (
    *(*ARRIVAL, "not_audio", "no_audio_stream", "undecodable", "too_short", "silent"),
    *("too_large", "too_long", "timed_out", "decoder_crashed", "too_busy"),
)


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str = Field(description="A name for this kind of problem.", examples=["urn:facet:problem:unknown_tag"])
    title: str = Field(description="The kind of problem, in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What was found, what was expected, and what to do next.")
    code: str = Field(description="Stable, for programs.", examples=["unknown_tag"])
    request_id: str | None = Field(
        default=None, description="Of this request, as in the header X-Request-ID: the service's log knows it by this."
    )
    nearest: list[str] | None = Field(
        default=None,
        description=f"At most {NEAREST_AT_MOST} known names like the unknown one: alike by {NEAREST_FROM} or more, "
        "in the ratio of Python's difflib, whatever their case.",
    )
    known: list[str] | None = Field(default=None, description="All known names.")
    missing: list[str] | None = Field(
        default=None, description="Of `track_not_found`: every id asked for that is no track's, as far as was looked."
    )


def problem_response(
    code: str, detail: str, *, headers: Mapping[str, str] | None = None, **extensions: Any
) -> JSONResponse:
    """The answer for a problem.

    Args:
        code: One of `KINDS`.
        detail: What was found, what was expected, and what to do next.
        headers: Beside the content type; 429 and 503 get their Retry-After, 401 says how to send a key.
        extensions: Further members.
    """
    kind = KINDS[code]
    headers = dict(headers or {})
    content = problem_content(code, detail)
    if kind.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    if kind.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="Facet"'
    record = current_record()
    if record is not None:
        record.problem = code
        content["request_id"] = record.request_id
    return JSONResponse({**content, **extensions}, kind.status, headers, MEDIA_TYPE)


def problem_content(code: str, detail: str) -> dict[str, Any]:
    """What every problem says."""
    kind = KINDS[code]
    return {
        "type": f"urn:facet:problem:{code}",
        "title": kind.title,
        "status": kind.status.value,
        "detail": within_bounds(detail),
        "code": code,
    }


def nearest_names(found: str, known: Sequence[str]) -> list[str]:
    """The known names most like `found`, whatever their case; at most three, none below `NEAREST_FROM`."""
    by_folded = {name.casefold(): name for name in known}
    folded = difflib.get_close_matches(found.casefold(), by_folded, n=NEAREST_AT_MOST, cutoff=NEAREST_FROM)
    return [by_folded[name] for name in folded]


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer these problems, beside those of `ANYWHERE`."""
    by_status: dict[int | str, list[str]] = {}
    for code in (*codes, *ANYWHERE):
        by_status.setdefault(KINDS[code].status.value, []).append(code)
    schema = {"$ref": "#/components/schemas/Problem"}
    responses: dict[int | str, dict[str, Any]] = {
        status: {
            "description": "; ".join(f"`{code}`: {KINDS[code].title.lower()}" for code in of_status),
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status, of_status in by_status.items()
    }
    # Stands in for the validation error that FastAPI would document, which this service never answers.
    responses["default"] = {"description": "Any other problem", "content": {MEDIA_TYPE: {"schema": schema}}}
    return responses
