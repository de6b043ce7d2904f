"""The calls that begin and end a browser's session: a page gives its key once, and the browser then sends a cookie.

The cookie is for the service's own pages: an `<audio>` cannot send a header. Scripts cannot read it, other sites'
pages cannot have it sent, and it only opens what reading opens.
"""

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.http.problems import documented
from service.http.refusals import KeyNeededError
from service.http.resources import OpenResources
from service.safety.api_keys import Scope
from service.safety.callers import WhoAsks, requires
from service.safety.schemas import SessionState
from service.safety.sealing import COOKIE, SESSION_SECONDS, new_session

router = APIRouter(tags=["session"])


@router.post("/session", status_code=204, responses=documented(), dependencies=[requires(Scope.READ)])
async def begin_session(request: Request, resources: OpenResources, caller: WhoAsks) -> Response:
    """Give the browser a cookie in place of the key that this request carries. It opens reading, for twelve hours."""
    if caller.key is None or caller.is_session:
        raise KeyNeededError("a session begins with a key: send it as `Authorization: Bearer KEY`")
    session = new_session(caller.key, secret=resources.catalogue.cursor_secret, now=datetime.now(UTC))
    response = Response(status_code=204)
    response.set_cookie(
        COOKIE,
        session,
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        # Where keys cross without TLS, a cookie that were kept back would help nobody.
        secure=request.url.scheme == "https",
    )
    return response


@router.get("/session", responses=documented())
async def session_state(caller: WhoAsks) -> SessionState:
    """Whether this browser has a session."""
    return SessionState(is_signed_in=caller.is_session)


@router.delete("/session", status_code=204, responses=documented())
async def end_session() -> Response:
    """Have the browser forget its session."""
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response
