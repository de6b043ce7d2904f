"""What every answer tells a browser: load nothing from elsewhere, run no script but our own, show us in nobody's frame.

Wrapped around the whole application, so that answers to defects carry it too.
"""

import base64
import hashlib
import re

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Pages of the service: ES modules and style sheets of its own, pictures and sound that they make themselves.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# Swagger's page begins with a script in the page itself, which is allowed by its digest, and sets styles as it runs.
DOCUMENTATION_POLICY = CONTENT_SECURITY_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
DOCUMENTATION = "/docs"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # For browsers that do not know frame-ancestors.
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Kept by nobody between, and by a browser only to ask whether it still holds; an answer may say otherwise.
CACHE_CONTROL = "private, no-cache"

_SCRIPT_IN_PAGE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


class SecurityHeaders:
    """ASGI middleware: sets `HEADERS` and a Content-Security-Policy on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_documentation = scope["path"].startswith(DOCUMENTATION)
        held: Message | None = None

        async def setting_send(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", CACHE_CONTROL)
                # The page says for itself what its own files may do.
                headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
                if is_documentation and headers.get("content-type", "").startswith("text/html"):
                    # Its policy depends on the page, which comes whole in the next message.
                    held = message
                    return
            if held is not None:
                policy = documentation_policy(message.get("body", b""))
                MutableHeaders(scope=held)["Content-Security-Policy"] = policy
                await send(held)
                held = None
            await send(message)

        await self._app(scope, receive, setting_send)


def install_security_headers(app: FastAPI) -> None:
    """Wrap them around an application, outside even of what answers to its defects."""
    build = app.build_middleware_stack
    app.build_middleware_stack = lambda: SecurityHeaders(build())  # type: ignore[method-assign]


def documentation_policy(page: bytes) -> str:
    """The policy for a page of the documentation: its own scripts may run, as they are, and no others."""
    digests = [base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _SCRIPT_IN_PAGE.findall(page)]
    allowed = "".join(f" 'sha256-{digest}'" for digest in digests)
    return DOCUMENTATION_POLICY.replace("script-src 'self'", f"script-src 'self'{allowed}")
