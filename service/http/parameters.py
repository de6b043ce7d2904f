"""Query parameters are taken at their word: one that the call does not have, or that comes twice, is refused."""

from typing import get_args, get_origin

from fastapi import Request, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from pydantic.fields import FieldInfo

from service.http.complaints import quoted
from service.http.refusals import InvalidParameterError, UnknownParameterError


async def refuse_unknown_parameters(request: Request) -> None:
    """Refuse what the call would otherwise ignore; every route of the service depends on this.

    It is a coroutine so that no call waits for a thread only to have its parameters looked at.

    Raises:
        UnknownParameterError: If the call declares no such query parameter.
        InvalidParameterError: If a parameter that takes one value is given several.
    """
    route = request.scope["route"]
    if not isinstance(route, APIRoute):
        return
    takes_several = {
        field.alias: _is_list(field.field_info)
        for field in get_flat_params(route.dependant)
        if isinstance(field.field_info, params.Query)
    }
    for name in request.query_params:
        if name not in takes_several:
            takes = f"it takes {', '.join(takes_several)}" if takes_several else "it takes none"
            raise UnknownParameterError(
                f"{request.method} {route.path} has no query parameter {quoted(name)}; {takes}",
                found=name,
                known=takes_several,
            )
        values = request.query_params.getlist(name)
        if len(values) > 1 and not takes_several[name]:
            raise InvalidParameterError(f"{name!r} is given {len(values)} times, it takes one value")


def _is_list(field: FieldInfo) -> bool:
    """Whether a parameter is annotated as `list[...]` or `list[...] | None`."""
    return any(get_origin(kind) is list for kind in (field.annotation, *get_args(field.annotation)))
