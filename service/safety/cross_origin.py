"""Which other sites' pages may call the service from a browser: none, unless FACET_CORS_ORIGINS names them."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from service.http.request_record import REQUEST_ID_HEADER
from service.map.endpoints import VERSION_HEADER as MAP_VERSION_HEADER
from service.safety.callers import HEADER
from service.search.forms import CURSOR_HEADER
from service.settings import Settings

METHODS = ("GET", "POST", "PATCH", "DELETE")
# What a page may send beside what every page may.
SENT = ("Authorization", HEADER, "Content-Type", "Range", "If-Range", "If-None-Match")
# What a page may read beside what every page may.
READ = ("Accept-Ranges", "Content-Range", "ETag", "Retry-After", CURSOR_HEADER, MAP_VERSION_HEADER, REQUEST_ID_HEADER)


def install_cross_origin(app: FastAPI, settings: Settings) -> None:
    """Let the pages of these origins in. Cookies are never looked at, so none are let through."""
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=METHODS,
            allow_headers=SENT,
            expose_headers=READ,
        )
