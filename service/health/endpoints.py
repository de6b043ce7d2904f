"""`/livez`: the process answers. `/readyz`: it can answer questions. Both are cheap enough to be asked every second."""

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from service.health.schemas import Check, Readiness
from service.http.problems import documented, problem_response
from service.http.resources import OpenResources, Resources
from service.safety.api_keys import Scope
from service.safety.callers import WhoAsks

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
    reasons = {
        "database": resources.follower.catalogue_problem,
        "bundle": _bundle_problem(resources),
        "index": resources.follower.index_problem,
    }
    checks = {name: Check(ready=reason is None, reason=reason) for name, reason in reasons.items()}
    if not caller.may(Scope.READ):
        is_ready = not any(reasons.values())
        return Readiness(ready=True, checks={}) if is_ready else problem_response("not_ready", "not ready")
    if any(reasons.values()):
        detail = "; ".join(f"{name}: {reason}" for name, reason in reasons.items() if reason is not None)
        return problem_response(
            "not_ready", detail, checks={name: check.model_dump() for name, check in checks.items()}
        )
    return Readiness(ready=True, checks=checks)


def _bundle_problem(resources: Resources) -> str | None:
    """A bundle that none of the catalogue was analysed with can answer nothing."""
    follower = resources.follower
    if follower.caught_up.is_set() and len(follower.index) == 0 and follower.catalogue_tracks > 0:
        return (
            f"none of the catalogue's {follower.catalogue_tracks} tracks is analysed with the model "
            f"{resources.bundle.name!r} yet; run `facet ingest` again"
        )
    return None
