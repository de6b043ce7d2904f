"""Every request comes through here first: who asks, from where, and whether that is too much.

What a caller may ask for is decided behind it, where routes say what they need (`callers.requires`). Whoever is refused
here has cost a few microseconds, and nothing of the body was read. `/livez` and `/readyz` are let through always: they
say no more than yes or no to those to whom nothing is open.
"""

from collections.abc import Callable
from contextlib import ExitStack

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.catalogue.errors import CatalogueUnavailableError
from service.http.problem_handlers import as_problem
from service.http.refusals import InvalidKeyError, RefusalError
from service.operations.logs import get_logger
from service.safety.browsers import refuse_other_names, refuse_other_sites
from service.safety.callers import Caller, caller_of, stranger
from service.safety.key_ring import KeyRing
from service.safety.rate_limits import RequestRates, RequestsAtOnce
from service.settings import Settings

UPLOAD = "multipart/form-data"
ALWAYS_OPEN = ("/livez", "/readyz")
FIGURES = "/metrics"
# The page and the files that it loads: more than a small rate lets through at once, and held in memory.
PAGE = "/"
PAGE_FILES = "/web/"
PAGE_ICON = "/favicon.ico"

log = get_logger(__name__)


class Gate:
    """ASGI middleware; `app.state.resources` must hold the keys by the time of the first request."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        """Let nobody through yet.

        Args:
            app: What is behind the gate.
            settings: Who is let through, and how often.
        """
        self._app = app
        self._settings = settings
        self._rates = RequestRates(settings.requests_per_second)
        self._at_once = RequestsAtOnce(settings.requests_at_once)
        self._uploads_at_once = RequestsAtOnce(settings.uploads_at_once, what="uploads")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        if scope["path"] in ALWAYS_OPEN:
            state["caller"] = await self._anybody(scope)
            await self._app(scope, receive, send)
            return
        try:
            caller = state["caller"] = await self._let_in(scope)
            leave = self._enter(caller, scope)
        except (RefusalError, CatalogueUnavailableError) as refusal:
            answer = await as_problem(Request(scope), refusal)
            await answer(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            leave()

    def _enter(self, caller: Caller, scope: Scope) -> Callable[[], None]:
        """Count a request as being answered; what is returned is to be called once it is.

        Raises:
            TooManyRequestsError: If the caller has as many under way as it may, or as many of its kind.
        """
        with ExitStack() as entered:
            entered.callback(self._at_once.enter(caller.name))
            if Headers(scope=scope).get("content-type", "").lower().startswith(UPLOAD):
                entered.callback(self._uploads_at_once.enter(caller.name))
            return entered.pop_all().close

    async def _let_in(self, scope: Scope) -> Caller:
        """Who makes a request that may be looked at further.

        Raises:
            RefusalError: If it may not.
            CatalogueUnavailableError: If the keys cannot be read.
        """
        ring = _ring(scope)
        # How the service is must be seen while its database is away.
        keys = await (ring.keys_soon() if scope["path"] == FIGURES else ring.keys())
        try:
            caller = caller_of(scope, keys, self._settings, secret=_secret(scope))
        except InvalidKeyError as refusal:
            self._rates.take(stranger(scope))
            log.info("key_refused", caller=stranger(scope), reason=str(refusal))
            raise
        if not _is_for_the_page(scope):
            self._rates.take(caller.name)
        if caller.key is not None:
            ring.note_use(caller.key)
        self._refuse_other_sites(caller, scope)
        return caller

    def _refuse_other_sites(self, caller: Caller, scope: Scope) -> None:
        """Refuse other sites' pages what is open without a key, or with one that the browser sends by itself.

        Raises:
            RefusalError: If it is one that asks.
        """
        headers = Headers(scope=scope)
        if caller.is_anonymous:
            refuse_other_names(headers, hosts=self._settings.hosts)
        if caller.is_anonymous or caller.is_session:
            refuse_other_sites(headers, scope["method"], cors_origins=self._settings.cors_origins)

    async def _anybody(self, scope: Scope) -> Caller:
        """Who asks, where nobody is turned away: not even when the keys cannot be read, or the key is none."""
        keys = await _ring(scope).keys_soon()
        try:
            caller = caller_of(scope, keys, self._settings, secret=_secret(scope))
            self._refuse_other_sites(caller, scope)
        except RefusalError:
            return Caller(stranger(scope), None)
        return caller


def _is_for_the_page(scope: Scope) -> bool:
    """Whether a request is for the page or a file of its, which cost no more than it costs to refuse them."""
    path: str = scope["path"]
    return scope["method"] in ("GET", "HEAD") and (path in (PAGE, PAGE_ICON) or path.startswith(PAGE_FILES))


def _secret(scope: Scope) -> bytes:
    secret: bytes = scope["app"].state.resources.catalogue.cursor_secret
    return secret


def _ring(scope: Scope) -> KeyRing:
    ring: KeyRing = scope["app"].state.resources.keys
    return ring
