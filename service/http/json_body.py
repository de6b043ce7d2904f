"""A JSON body arrives, no larger than it may be, and is read as what the call takes. What is wrong is a refusal.

As with query parameters, a field that the call does not have is refused, with the nearest of those it has.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from fastapi import Request
from pydantic import BaseModel, ValidationError

from service.http.arriving import arriving
from service.http.complaints import in_plain_words, joined, place_of, quoted
from service.http.refusals import InvalidParameterError, RefusalError, UnknownFieldError

# A question of a hundred examples is some 20 kB.
LARGEST_BODY_BYTES = 256 * 1024

Body = TypeVar("Body", bound=BaseModel)


class NotJsonError(RefusalError):
    """The body is not `application/json`."""

    code = "not_json"


class MalformedJsonError(RefusalError):
    """The body is not JSON as RFC 8259 has it."""

    code = "malformed_json"


class BodyTooLargeError(RefusalError):
    """The body has more bytes than any question needs."""

    code = "body_too_large"


def json_body(kind: type[BaseModel]) -> dict[str, Any]:
    """The request body, for the OpenAPI document; a `kind` that has parts must be a part of an answer, too."""
    schema = kind.model_json_schema()
    if "$defs" in schema:
        # Described there once, with its parts.
        schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def received_json(request: Request, kind: type[Body]) -> Body:
    """The body of a request.

    Args:
        request: Its body must not have been read yet.
        kind: What the call takes; it forbids extra fields.

    Raises:
        RefusalError: One of this module's, `UnknownFieldError` or `InvalidParameterError`.
        ClientDisconnect: If the client went away.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise NotJsonError(f"the body is {media_type or 'of no content type'}, expected application/json")
    body = bytearray()
    async for received in arriving(request):
        body += received
        if len(body) > LARGEST_BODY_BYTES:
            raise BodyTooLargeError(f"the body is larger than the {LARGEST_BODY_BYTES} bytes that are read")
    return read_json(bytes(body), kind)


def read_json(body: bytes, kind: type[Body]) -> Body:
    """A body that has arrived.

    Args:
        body: JSON in UTF-8.
        kind: What it should be.

    Raises:
        RefusalError: As `received_json`.
    """
    try:
        content = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise MalformedJsonError(f"the body cannot be read as JSON: {error}") from error
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise _refusal(error, kind) from error


def _refusal(error: ValidationError, kind: type[BaseModel]) -> RefusalError:
    """What is wrong, in the words of the call."""
    details = error.errors(include_url=False)
    for each in details:
        if each["type"] == "extra_forbidden":
            *inside, found = each["loc"]
            known = _known_fields(kind, inside)
            where = f"{place_of(inside)} has" if inside else "the body has"
            message = f"{where} a field {quoted(str(found))}; it takes {', '.join(known)}"
            return UnknownFieldError(message, found=str(found), known=known)
    return InvalidParameterError(joined(_complaint(each) for each in details))


def _complaint(error: Any) -> str:
    message = in_plain_words(error)
    # What a check of several fields says speaks for itself; a whole object would only be repeated.
    found = (
        "" if isinstance(error["input"], Mapping) or error["type"] == "missing" else f", found {quoted(error['input'])}"
    )
    place = place_of(error["loc"])
    return f"{place}: {message}{found}" if place else f"{message}{found}"


def _known_fields(kind: type[BaseModel], inside: Sequence[int | str]) -> Sequence[str]:
    """The fields of the part of a body that stands at a place."""
    for part in inside:
        if isinstance(part, str) and part in kind.model_fields:
            kind = _model_in(kind.model_fields[part].annotation) or kind
    return list(kind.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The first model that an annotation speaks of, as `list[Model] | None` does."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model_in(each)) is not None), None)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for name, value in pairs:
        if name in read:
            raise ValueError(f"the name {quoted(name)} comes twice")
        read[name] = value
    return read


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
