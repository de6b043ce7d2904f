"""Who asks, and what that opens. `gate` finds it out for every request, routers declare with `requires` what they need.

A caller is the key that the request carries, or nobody in particular at some address. A key that is none, or opens
nothing any more, is refused even where none is needed: whoever sends one means it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.datastructures import Headers
from starlette.types import Scope as RequestScope

from service.http.refusals import InvalidKeyError, KeyNeededError, ScopeError
from service.safety.addresses import client_network, is_from_this_machine
from service.safety.api_keys import ApiKey, Scope, is_well_formed
from service.safety.key_ring import Keys
from service.settings import Settings

HEADER = "X-API-Key"
# For the OpenAPI document: a request carries one or the other.
_BEARER = HTTPBearer(auto_error=False, scheme_name="bearer", description="An API key that `facet keys create` made.")
_KEY_HEADER = APIKeyHeader(name=HEADER, auto_error=False, scheme_name="header", description="The same, by itself.")


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        name: Whose share of the service this is: a key's, or an address's.
        scope: What is open to it; None for nothing.
        has_key: Whether it is known by a key.
    """

    name: str
    scope: Scope | None
    has_key: bool = False

    def may(self, scope: Scope) -> bool:
        """Whether something is open to this caller."""
        return self.scope is not None and self.scope.includes(scope)

    def must_have(self, scope: Scope) -> None:
        """Refuse a caller to whom something is not open.

        Raises:
            KeyNeededError: If it has no key.
            ScopeError: If its key is of another scope.
        """
        if self.may(scope):
            return
        if not self.has_key:
            raise KeyNeededError(
                f"this needs an API key with scope {scope}, as `Authorization: Bearer KEY` or `{HEADER}: KEY`; "
                "`facet keys create` makes one"
            )
        raise ScopeError(f"this needs scope {scope}, and the API key has scope {self.scope}")


# What a request gets that has not been through `gate`, which none has.
NOBODY = Caller(name="nobody", scope=None)


def carried_key(headers: Headers) -> str | None:
    """The key that a request carries, whatever it is worth. Authorization of another kind is not for the service."""
    kind, credentials = (*headers.get("authorization", "").split(maxsplit=1), "", "")[:2]
    return credentials.strip() if kind.lower() == "bearer" else headers.get(HEADER)


def anonymous_scope(settings: Settings, keys: Keys, scope: RequestScope) -> Scope | None:
    """What is open to a request without a key.

    Where only this machine can ask, everything but the administration is, until there is a key.
    """
    match settings.allow_anonymous:
        case "anyone-may-read":
            return Scope.READ
        case "anyone-may-write":
            return Scope.WRITE
        case "only-this-machine-reaches-it":
            is_own = True
        case None:
            is_own = is_from_this_machine(scope)
    return Scope.WRITE if is_own and not keys.every else None


def key_owner(text: str, keys: Keys, now: datetime) -> ApiKey:
    """The key that a request carries, if it opens anything.

    Raises:
        InvalidKeyError: If it does not; the message does not repeat it.
    """
    if not is_well_formed(text):
        raise InvalidKeyError("that is no API key: it was cut off or mistyped, or is of something else")
    key = keys.key(text)
    if key is None:
        raise InvalidKeyError("this service has no such API key")
    if key.state(now) != "active":
        raise InvalidKeyError(f"the API key {key.name!r} is {key.state(now)}; `facet keys create` makes another")
    return key


def caller_of(scope: RequestScope, keys: Keys, settings: Settings) -> tuple[Caller, ApiKey | None]:
    """Who makes a request, and the key it did so with.

    Raises:
        InvalidKeyError: If it carries a key that opens nothing.
    """
    text = carried_key(Headers(scope=scope))
    if text is None:
        return Caller(stranger(scope), anonymous_scope(settings, keys, scope)), None
    key = key_owner(text, keys, datetime.now(UTC))
    return Caller(f"key {key.name}", key.scope, has_key=True), key


def stranger(scope: RequestScope) -> str:
    """The name of a caller without a key."""
    return f"address {client_network(scope)}"


async def get_caller(request: Request) -> Caller:
    """Who asks."""
    caller: Caller = getattr(request.state, "caller", NOBODY)
    return caller


WhoAsks = Annotated[Caller, Depends(get_caller)]


def requires(scope: Scope) -> Any:
    """What a router or a route depends on that is open to some only.

    `APIRouter(dependencies=[requires(Scope.READ)])`, or `dependencies=[requires(Scope.WRITE)]` of one route.
    """

    async def check(
        caller: WhoAsks,
        bearer: Annotated[object, Depends(_BEARER)],  # noqa: ARG001
        header: Annotated[object, Depends(_KEY_HEADER)],  # noqa: ARG001
    ) -> None:
        caller.must_have(scope)

    check.scope = scope  # type: ignore[attr-defined]  # a test looks that every route says what it needs
    return Depends(check)
