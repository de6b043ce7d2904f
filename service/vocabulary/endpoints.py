"""The calls about what the model knows, and what it hears in a clip or a track."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from service.clips import Heard
from service.http.problems import UPLOAD, documented
from service.http.refusals import TrackNotEmbeddedError
from service.http.resources import OpenResources, Resources
from service.http.uploads import CLIP_BODY, received_clip
from service.safety.api_keys import Scope
from service.safety.callers import requires
from service.tracks.identity import TrackId
from service.vocabulary.clip_tags import ClipTags
from service.vocabulary.schemas import (
    Calibration,
    DimensionItem,
    DimensionList,
    HeardTags,
    KnownTag,
    TagList,
    tags_by_dimension,
)
from service.vocabulary.selection import TagSelection, WantedTags

router = APIRouter(tags=["vocabulary"], dependencies=[requires(Scope.READ)])

SELECTION = ("invalid_parameter", "unknown_dimension")
WithExcerpts = Annotated[bool, Query(alias="excerpts", description="Tell what is heard in each excerpt as well.")]


@router.get("/dimensions", responses=documented())
async def list_dimensions(resources: OpenResources) -> DimensionList:
    """The dimensions a search can be restricted to or weighted by."""
    bundle = resources.bundle
    return DimensionList(
        items=[
            DimensionItem(
                name=subspace.name,
                width=subspace.width,
                tags=sum(tag.dimension == subspace.name for tag in bundle.tags),
            )
            for subspace in bundle.subspaces
        ]
    )


@router.get("/tags", responses=documented())
async def list_tags(resources: OpenResources) -> TagList:
    """The tags a search can ask for, and what the probability of each is worth."""
    return TagList(
        items=[
            KnownTag(
                name=tag.name,
                dimension=tag.dimension,
                calibration=None if tag.calibration is None else Calibration.of(tag.calibration),
            )
            for tag in resources.bundle.tags
        ]
    )


@router.post("/tags", responses=documented(*UPLOAD, *SELECTION), openapi_extra=CLIP_BODY)
async def tag_clip(
    request: Request, resources: OpenResources, selection: WantedTags, with_excerpts: WithExcerpts = False
) -> ClipTags:
    """The tags the model hears in an uploaded clip, dimension by dimension, most probable first."""
    resources.clips.refuse_if_busy()
    async with received_clip(request, limit_bytes=resources.settings.upload_bytes) as clip:
        heard = await resources.clips.listen(clip)
    return _told(heard, resources, selection, with_excerpts=with_excerpts)


@router.get("/clips/{clip_id}/tags", responses=documented("clip_not_found", *SELECTION))
async def tag_known_clip(
    clip_id: Annotated[str, Path(description="As POST /clips gave it.")],
    resources: OpenResources,
    selection: WantedTags,
    with_excerpts: WithExcerpts = False,
) -> ClipTags:
    """The same of a clip that was uploaded before."""
    return _told(resources.clips.recall(clip_id), resources, selection, with_excerpts=with_excerpts)


@router.get("/tracks/{track_id}/tags", responses=documented("track_not_found", "track_not_embedded", *SELECTION))
def tag_track(track_id: TrackId, resources: OpenResources, selection: WantedTags) -> HeardTags:
    """The tags the model heard in a track when it was analysed. Of single excerpts nothing is kept."""
    bundle = resources.bundle
    embedding = resources.catalogue.embedding(track_id, bundle.encoder_id)
    if embedding is None:
        resources.catalogue.track(track_id)
        raise TrackNotEmbeddedError.of(track_id, model=bundle.name)
    return HeardTags(dimensions=tags_by_dimension(bundle.tags, embedding.tag_probabilities, selection))


def _told(heard: Heard, resources: Resources, selection: TagSelection, *, with_excerpts: bool) -> ClipTags:
    bundle = resources.bundle
    return ClipTags.of(
        heard,
        tags=bundle.tags,
        selection=selection,
        excerpt_seconds=bundle.excerpt_seconds,
        with_excerpts=with_excerpts,
    )
