"""The call about the model: which one answers, and how far another one is that is to take over."""

from fastapi import APIRouter

from service.bundles.schemas import AnsweringBundle, FailedTrack, ModelAnswer, NextBundle
from service.http.problems import documented
from service.http.resources import OpenResources
from service.safety.api_keys import Scope
from service.safety.callers import requires

router = APIRouter(tags=["model"], dependencies=[requires(Scope.READ)])

FAILURES_SHOWN = 100


@router.get("/model", responses=documented())
def get_model(resources: OpenResources) -> ModelAnswer:
    """The model that answers here, with its card, and how far the one is that is to take over."""
    bundle, bundles = resources.bundle, resources.catalogue.bundles
    answering = AnsweringBundle(name=bundle.name, encoder_id=bundle.encoder_id, card=bundle.card)
    wanted = bundles.standing().wanted
    if wanted in (None, bundle.encoder_id):
        return ModelAnswer(answering=answering, next=None)
    progress = bundles.progress(str(wanted))
    return ModelAnswer(
        answering=answering,
        next=NextBundle(
            name=bundles.name(str(wanted)),
            encoder_id=str(wanted),
            tracks=progress.tracks,
            embedded=progress.embedded,
            failed=progress.failed,
            failures=[
                FailedTrack(track_id=each.track_id, code=each.code, message=each.message)
                for each in bundles.failures(str(wanted), limit=FAILURES_SHOWN)
            ],
            needs_decision=progress.is_complete and progress.has_lost_too_many,
        ),
    )
