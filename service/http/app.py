"""The HTTP service: `create_app(settings)` puts the calls, the problems and what they stand on together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline

from service.bundles import endpoints as bundles
from service.health import endpoints as health
from service.http.early_answers import EarlyAnswers
from service.http.parameters import refuse_unknown_parameters
from service.http.problem_handlers import install_problems
from service.http.recording import RequestRecorder
from service.http.resources import Resources, opened_resources
from service.jobs import endpoints as jobs
from service.map import endpoints as map_endpoints
from service.operations.metrics import Metrics
from service.peaks import endpoints as peaks
from service.safety import endpoints as session
from service.safety.cross_origin import install_cross_origin
from service.safety.gate import Gate
from service.safety.security_headers import install_security_headers
from service.search import endpoints as search
from service.settings import Settings
from service.tracks import changing
from service.tracks import endpoints as tracks
from service.vocabulary import endpoints as vocabulary
from service.web import state as web_state
from service.web.endpoints import page_router

DESCRIPTION = (
    "Search music by what you mean: by example, by tag, and by one dimension of the sound at a time. "
    "Every error is a problem as RFC 9457 has it, with a stable `code`."
)


def create_app(settings: Settings) -> FastAPI:
    """The application; what it needs is opened when its lifespan begins.

    Args:
        settings: Of the service; the catalogue and the model bundle they name must be there by then.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        def publish(resources: Resources) -> None:
            app.state.resources = resources

        async with opened_resources(settings, publish=publish):
            yield

    # Documentation from this process alone: no page of the service loads anything from another host.
    app = FastAPIOffline(
        docs_url="/docs",
        redoc_url=None,
        title="Facet",
        version=_version(),
        description=DESCRIPTION,
        lifespan=lifespan,
        dependencies=[Depends(refuse_unknown_parameters)],
        redirect_slashes=False,
        # What a question is does not depend on whether it is asked or echoed.
        separate_input_output_schemas=False,
        swagger_ui_parameters={"validatorUrl": None},
    )
    rooms = (search, tracks, changing, jobs, peaks, map_endpoints, vocabulary, bundles, web_state, session, health)
    for router in (room.router for room in rooms):
        app.include_router(router)
    app.router.routes.extend(page_router().routes)
    app.add_middleware(Gate, settings=settings)
    app.add_middleware(EarlyAnswers)
    install_cross_origin(app, settings)
    app.state.metrics = Metrics()
    # Outermost but for the headers, so added last: whoever answers, the answer has the request's id and is counted.
    app.add_middleware(RequestRecorder, metrics=app.state.metrics)
    install_security_headers(app)
    install_problems(app)
    return app


def _version() -> str:
    try:
        return version("facet")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unreleased"
