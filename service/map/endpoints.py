"""The calls for the map. Points and ids come as plain bytes: a hundred thousand tracks are 400 kB a space.

All parts of one map say the same version, so that a reader who gets another one half-way begins anew.
"""

import uuid
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from service.http.entity_tags import is_held
from service.http.paging import LONGEST_TEXT
from service.http.problems import documented
from service.http.refusals import NoMapError
from service.http.resources import IndexSearcher, OpenResources
from service.map.keeping import MapNow
from service.map.schemas import MapDescription
from service.safety.api_keys import Scope
from service.safety.callers import requires

router = APIRouter(prefix="/map", tags=["map"], dependencies=[requires(Scope.READ)])

IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match")]
_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "It is still the one with the entity tag given"},
}
_LARGEST = 2**16 - 1
VERSION_HEADER = "Facet-Map-Version"


@router.get("", responses=documented("no_map"))
def describe_map(resources: OpenResources, searcher: IndexSearcher) -> MapDescription:
    """What the map shows: how many tracks, and which tags have a colour."""
    now = _now(resources, searcher)
    return MapDescription(
        version=now.version, tracks=len(now.track_ids), newcomers=now.newcomers, coloured=now.coloured
    )


@router.get("/tracks", response_class=Response, responses={**documented("no_map"), **_BYTES})
def map_tracks(resources: OpenResources, searcher: IndexSearcher, if_none_match: IfNoneMatch = None) -> Response:
    """The tracks on the map: 16 bytes of each one's id (a UUID), then for every dimension a byte of each.

    That byte is the number of the track's tag among the dimension's `coloured` ones, or 255.
    """
    now = _now(resources, searcher)
    ids = b"".join(uuid.UUID(track_id).bytes for track_id in now.track_ids)
    return _bytes(now, "tracks", ids + now.tags.tobytes(), if_none_match)


@router.get("/points", response_class=Response, responses={**documented("no_map", "unknown_dimension"), **_BYTES})
def map_points(
    *,
    resources: OpenResources,
    searcher: IndexSearcher,
    dimension: Annotated[
        str | None, Query(max_length=LONGEST_TEXT, description="Left out, all dimensions together.")
    ] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Where the tracks stand, in their order: x and y of each as little-endian 16-bit numbers, from 0 to 65535."""
    space = 0
    if dimension is not None:
        _ = resources.bundle.subspaces[dimension]
        space = 1 + resources.bundle.subspaces.names.index(dimension)
    now = _now(resources, searcher)
    numbers = np.round((now.points[space] + 1) / 2 * _LARGEST).astype("<u2")
    return _bytes(now, f"points-{space}", numbers.tobytes(), if_none_match)


def _now(resources: OpenResources, searcher: IndexSearcher) -> MapNow:
    now = resources.maps.now(searcher.index)
    if now is None:
        raise NoMapError("no map of this catalogue was drawn yet; run `facet map`, which may be done while this runs")
    return now


def _bytes(now: MapNow, part: str, content: bytes, if_none_match: str | None) -> Response:
    etag = f'"{now.version}-{part}"'
    headers = {"ETag": etag, VERSION_HEADER: now.version, "Cache-Control": "no-cache"}
    if is_held(etag, if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/octet-stream")
