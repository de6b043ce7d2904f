"""The calls about what the model knows, and what it hears in a clip."""

from fastapi import APIRouter, Request

from service.http.problems import UPLOAD, documented
from service.http.resources import OpenResources
from service.http.uploads import CLIP_BODY, received_clip
from service.safety.api_keys import Scope
from service.safety.callers import requires
from service.vocabulary.schemas import DimensionItem, DimensionList, HeardTagList, TagItem, TagList, heard_tags

router = APIRouter(tags=["vocabulary"], dependencies=[requires(Scope.READ)])


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
    """The tags a search can ask for."""
    return TagList(items=[TagItem(name=tag.name, dimension=tag.dimension) for tag in resources.bundle.tags])


@router.post("/tags", responses=documented(*UPLOAD), openapi_extra=CLIP_BODY)
async def tag_clip(request: Request, resources: OpenResources) -> HeardTagList:
    """The tags the model hears in an uploaded clip, most probable first."""
    resources.clips.refuse_if_busy()
    async with received_clip(request, limit_bytes=resources.settings.upload_bytes) as clip:
        heard = await resources.clips.listen(clip)
    return HeardTagList(items=heard_tags(resources.bundle.tags, heard.tag_probabilities))
