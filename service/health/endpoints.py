"""`/livez`: the process answers. `/readyz`: it can answer questions. `/metrics`: how it fares, for Prometheus.

All are cheap enough to be asked every second.
"""

from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from service.health.measuring import count, state_of
from service.health.readiness import part_problems
from service.health.schemas import Check, Readiness
from service.http.problems import documented, problem_response
from service.http.resources import OpenResources
from service.operations.metrics import Metrics
from service.safety.api_keys import Scope
from service.safety.callers import WhoAsks, requires

router = APIRouter(tags=["health"])


@router.get("/livez", response_class=PlainTextResponse, responses=documented())
async def is_alive() -> str:
    """Whether the process answers."""
    return "alive\n"


@router.get("/readyz", response_model=Readiness, responses=documented())
async def is_ready(resources: OpenResources, caller: WhoAsks) -> Readiness | Response:
    """Whether questions can be answered: the database, the model bundle and the index, each with a reason if not.

    Whoever may not read is told yes or no, and nothing else.
    """
    problems = part_problems(resources)
    if not caller.may(Scope.READ):
        is_ready = not any(problems.values())
        return Readiness(ready=True, checks={}) if is_ready else problem_response("not_ready", "not ready")
    checks = {
        part: Check(ready=True, reason=None)
        if problem is None
        else Check(ready=False, code=problem.code, reason=problem.reason)
        for part, problem in problems.items()
    }
    if any(problems.values()):
        detail = "; ".join(f"{part}: {problem.reason}" for part, problem in problems.items() if problem is not None)
        return problem_response(
            "not_ready", detail, checks={part: check.model_dump() for part, check in checks.items()}
        )
    return Readiness(ready=True, checks=checks)


@router.get("/metrics", response_class=PlainTextResponse, responses=documented(), dependencies=[requires(Scope.READ)])
async def metrics(request: Request, resources: OpenResources) -> Response:
    """Requests by route and dimension, the queue, the catalogue, the index and the decoder, in Prometheus's format."""
    counted: Metrics = request.app.state.metrics
    known = await count(resources)
    accept = request.headers.get("accept", "")
    content, media_type = counted.told(accept, partial(state_of, resources, counted=known))
    return Response(content, media_type=media_type)
