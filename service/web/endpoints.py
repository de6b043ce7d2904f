"""`/` and the files that the page loads. They are for browsers, so the document of all calls leaves them out."""

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.http.entity_tags import is_held
from service.web.static_files import ICON, INDEX, read_static_files

# Stands in place of the one of `security_headers`: scripts and styles are files of this service, nothing else; a
# recorded clip is played from the page's own memory.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Browsers ask for it beside whatever is not the page: a sound, a job, a picture.
FAVICON = "/favicon.ico"
HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    # Asked for again each time, which the entity tag makes cheap: after an upgrade nobody sees half of an old page.
    "Cache-Control": "no-cache",
}


def page_router() -> APIRouter:
    """Answers the page's files as they are now."""
    files = read_static_files()

    def answer(request: Request) -> Response:
        return answer_with(request.path_params.get("name", INDEX), request)

    def answer_icon(request: Request) -> Response:
        return answer_with(ICON, request)

    def answer_with(name: str, request: Request) -> Response:
        file = files.get(name)
        if file is None:
            raise HTTPException(404)
        headers = {**HEADERS, "ETag": file.etag}
        if is_held(file.etag, request.headers.get("if-none-match")):
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers=headers, media_type=file.media_type)

    # Plain routes: the page's own address carries the question in parameters that only its scripts read.
    return APIRouter(routes=[Route("/", answer), Route("/web/{name:path}", answer), Route(FAVICON, answer_icon)])
