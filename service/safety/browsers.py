"""Keeps other sites' pages, which somebody's browser has open, from asking a service that asks for no key.

A browser lets any page send requests to 127.0.0.1. Where a key is asked for, a page that has none gets nothing; where
none is asked for, these rules stand in for it. `gate` applies them to requests without a key, and the second one also
to those in place of whose key the browser sends a session, by itself.
"""

from starlette.datastructures import Headers

from service.http.refusals import OtherSiteError, UnknownHostError
from service.safety.addresses import is_own_name


def refuse_other_names(headers: Headers, *, hosts: tuple[str, ...]) -> None:
    """Refuse what is asked under a name that anybody could have made.

    Args:
        headers: Of the request.
        hosts: Names of the service beside localhost.

    Raises:
        UnknownHostError: If it is.
    """
    host = headers.get("host", "")
    if not is_own_name(host, hosts):
        raise UnknownHostError(
            f"without an API key, the service does not answer to the name {host!r}; ask it as localhost or by its "
            "address, or name it in FACET_HOSTS"
        )


def refuse_other_sites(headers: Headers, method: str, *, cors_origins: tuple[str, ...]) -> None:
    """Refuse what a page of another site asks.

    Args:
        headers: Of the request.
        method: Of the request.
        cors_origins: Origins whose pages may ask.

    Raises:
        OtherSiteError: If the browser says that one asks.
    """
    origin, host = headers.get("origin"), headers.get("host", "")
    if origin is not None and origin in cors_origins:
        return
    site = headers.get("sec-fetch-site")
    if site is None:
        # A browser from before 2023, one that sees no https (it then says nothing of sites), or no browser at all.
        is_other = origin is not None and origin.partition("://")[2] != host
    else:
        # "same-site" is another port of this machine: another program's page.
        is_other = site not in ("same-origin", "none") and not _opens_a_page(headers, method)
    if is_other:
        raise OtherSiteError(
            f"a page of {origin or 'another site'} asks, and without an API key of its own only the service's own "
            "pages may; name its origin in FACET_CORS_ORIGINS to let it"
        )


def _opens_a_page(headers: Headers, method: str) -> bool:
    """Whether somebody followed a link: the answer is shown to them, and not to the page that has the link."""
    return (
        method in ("GET", "HEAD")
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )
