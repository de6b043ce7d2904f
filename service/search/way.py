"""The use case of a playlist that leads from one track to another. `endpoints` asks for it.

The way goes through the space; at each of its points stands the track nearest to it that does not stand on it yet.
"""

from collections.abc import Mapping, Sequence

from index.live_search import find, hits_of
from index.query import Query
from index.way import points_between
from service.http.refusals import ConflictingParametersError
from service.search.pages import Match
from service.search.question import Example, Question
from service.search.searcher import Found, Searcher
from service.search.terms import understand


def tracks_between(
    searcher: Searcher, start: str, end: str, *, steps: int, weights: Mapping[str, float] | None
) -> Sequence[Found]:
    """Tracks from one to another, each once.

    Args:
        searcher: Of this moment.
        start: Id of the first track.
        end: Id of the last one.
        steps: How many tracks, both among them, at least 2. Fewer come back if the catalogue has fewer.
        weights: Weight by dimension; None: all count alike.

    Raises:
        ConflictingParametersError: If both are the same track.
        TrackNotFoundError: As `understand`, like all others that it raises.
    """
    if start == end:
        raise ConflictingParametersError("'from' and 'to' are the same track; a way needs two")
    first, last = (
        understand(
            Question(positive=[Example(track=track_id)], weights=dict(weights) if weights else None),
            bundle=searcher.bundle,
            catalogue=searcher.catalogue,
            clips={},
        ).query
        for track_id in (start, end)
    )
    state = searcher.index.moment
    points = points_between(first.subspaces, first.direction, last.direction, points=steps)
    queries = [Query(first.subspaces, point, first.weights) for point in points]
    taken = {start, end}
    way = [(queries[0], Match(hits_of(queries[0], [start], first.direction[None])[0]))]
    for query in queries[1:-1]:
        # Of one more than stand on the way, one does not.
        nearest = find(state, query, limit=len(taken) + 1)
        hit = next((hit for hit in nearest if hit.track_id not in taken), None)
        if hit is None:
            break
        taken.add(hit.track_id)
        way.append((query, Match(hit)))
    way.append((queries[-1], Match(hits_of(queries[-1], [end], last.direction[None])[0])))
    return [found for query, match in way for found in searcher.told(query, [match])]
