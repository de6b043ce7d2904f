"""Who asks, and what that opens. `gate` finds it out for every request, routers declare with `requires` what they need.

A caller is the key that the request carries, itself or as a browser's session, or nobody in particular at some address.
A key that is none, or opens nothing any more, is refused even where none is needed: whoever sends one means it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope as RequestScope

from service.http.refusals import InvalidKeyError, KeyNeededError, ScopeError
from service.safety.addresses import client_network, is_from_this_machine
from service.safety.api_keys import ApiKey, Scope, is_well_formed
from service.safety.key_ring import Keys
from service.safety.sealing import COOKIE, is_sealed_address, session_owner
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
        key: The key that it is known by.
        is_session: Whether its browser sends a session in place of the key.
        is_anonymous: Whether it may ask though it shows nothing at all.
    """

    name: str
    scope: Scope | None
    key: ApiKey | None = None
    is_session: bool = False
    is_anonymous: bool = False

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
        if self.key is None:
            raise KeyNeededError(
                f"this needs an API key with scope {scope}, as `Authorization: Bearer KEY` or `{HEADER}: KEY`; "
                "`facet keys create` makes one"
            )
        what = "a browser's session" if self.is_session else "the API key"
        raise ScopeError(f"this needs scope {scope}, and {what} has scope {self.scope}")


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


def caller_of(scope: RequestScope, keys: Keys, settings: Settings, *, secret: bytes) -> Caller:
    """Who makes a request.

    Args:
        scope: Of the request.
        keys: All there are.
        settings: What is open without one.
        secret: What sessions and addresses are sealed with.

    Raises:
        InvalidKeyError: If it carries a key that opens nothing.
    """
    headers, now = Headers(scope=scope), datetime.now(UTC)
    text = carried_key(headers)
    if text is not None:
        key = key_owner(text, keys, now)
        return Caller(f"key {key.name}", key.scope, key)
    open_to_all = anonymous_scope(settings, keys, scope)
    if open_to_all is not None:
        return Caller(stranger(scope), open_to_all, is_anonymous=True)
    # A browser goes on sending a session that has run out: whoever has one that is none is a stranger, and told so.
    cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE)
    owner = None if cookie is None else session_owner(cookie, keys, secret=secret, now=now)
    if owner is not None:
        return Caller(f"key {owner.name}", Scope.READ, owner, is_session=True)
    is_sealed = is_sealed_address(scope["path"], scope["query_string"].decode("latin-1"), secret=secret, now=now)
    return Caller(stranger(scope), Scope.READ if is_sealed else None)


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
