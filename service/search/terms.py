"""The vectors behind a question's examples and tags become a query. `searcher` searches with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from index.model import ModelBundle
from index.query import Query, Term
from index.subspaces import Vectors
from service.catalogue.errors import TrackNotFoundError
from service.catalogue.records import Track, TrackEmbedding
from service.catalogue.repository import Catalogue
from service.clips import Heard
from service.http.complaints import quoted
from service.http.refusals import (
    ConflictingParametersError,
    InvalidParameterError,
    NoDirectionError,
    TrackNotEmbeddedError,
    UnknownTagError,
)
from service.search.question import Example, Filters, Question
from service.tracks.identity import is_track_id


@dataclass(frozen=True, eq=False)
class Understood:
    """A question whose names were all found.

    Attributes:
        question: In the catalogue's and the bundle's own words, with every weight said.
        query: What the index searches for.
        examples: Every track that is an example, by id.
    """

    question: Question
    query: Query
    examples: Mapping[str, Track]

    @property
    def liked(self) -> Sequence[Track]:
        """The tracks that are positive examples."""
        return [self.examples[each.track] for each in self.question.positive if each.track is not None]


def understand(
    question: Question, *, bundle: ModelBundle, catalogue: Catalogue, clips: Mapping[str, Heard]
) -> Understood:
    """Find what a question names.

    Args:
        question: What was asked.
        bundle: What answers.
        catalogue: What knows the tracks.
        clips: Every clip the question names, by handle.

    Raises:
        TrackNotFoundError: If there is no such track.
        TrackNotEmbeddedError: If the bundle's ingest has not come to it yet.
        UnknownTagError: If the bundle has no tag of a name.
        UnknownDimensionError: If it has no dimension of a name.
        ConflictingParametersError: If only tags are asked for, and a dimension has a weight but none of them.
        InvalidParameterError: If a part of a track begins behind its end, or a tag comes twice.
        NoDirectionError: If nothing is nearer to what is asked for than anything else.
        QueryError: If weights or ceilings mean nothing.
    """
    ids = list(dict.fromkeys(each.track for each, _ in question.examples if each.track is not None))
    tracks = catalogue.tracks([track_id for track_id in ids if is_track_id(track_id)])
    embeddings = catalogue.embeddings(list(tracks), bundle.encoder_id)
    terms = []
    for example, weight in question.examples:
        vector = clips[example.clip].vector if example.clip is not None else _heard(example, tracks, embeddings, bundle)
        terms.append(Term(vector, weight))
    named = sorted((_tag_positions(name, bundle), weight) for name, weight in question.tags.items())
    tags = [(bundle.tags[positions[0]].name, weight) for positions, weight in named]
    _refuse_twice([name for name, _ in tags])
    of_tags = [(position, weight) for positions, weight in named for position in positions]
    terms += [Term(bundle.subspaces.unit(bundle.proxies[position]), weight) for position, weight in of_tags]
    weights = question.weights
    if not question.examples:
        of_tags_alone = dict.fromkeys((bundle.tags[position].dimension for position, _ in of_tags), 1.0)
        for name in weights or {}:
            _ = bundle.subspaces[name]
        _refuse_weights_without_tags(weights or {}, of_tags_alone)
        weights = weights or of_tags_alone
    query = Query.of(bundle.subspaces, terms, weights=weights, ceilings=question.ceilings)
    if not query.scaled.any():
        raise NoDirectionError(
            f"what is asked for is zero in {', '.join(query.weighted)}, so no track is more like it than another; "
            "ask for other dimensions, or for other examples and tags"
        )
    understood = question.model_copy(
        update={
            "positive": [each.model_copy(update={"weight": each.weight or 1.0}) for each in question.positive],
            "negative": [
                each.model_copy(update={"weight": -weight})
                for each, weight in question.examples[len(question.positive) :]
            ],
            "tags": dict(tags),
            "weights": dict.fromkeys(bundle.subspaces.names, 1.0) if weights is None else dict(weights),
            "filters": _understood(question.filters, bundle),
        }
    )
    return Understood(understood, query, tracks)


def tag_position(name: str, bundle: ModelBundle) -> int:
    """Position of the first tag of this name, in any case.

    Raises:
        UnknownTagError: If the bundle has no tag of that name.
    """
    return _tag_positions(name, bundle)[0]


def _heard(
    example: Example, tracks: Mapping[str, Track], embeddings: Mapping[str, TrackEmbedding], bundle: ModelBundle
) -> Vectors:
    """The vector of a track, or of a part of it: the mean of the excerpts whose middle lies in it, or the nearest."""
    track_id = str(example.track)
    if track_id not in tracks:
        raise TrackNotFoundError(track_id)
    if track_id not in embeddings:
        raise TrackNotEmbeddedError.of(track_id, model=bundle.name)
    embedding = embeddings[track_id]
    if not example.has_span:
        return embedding.vector
    start = example.start_seconds or 0.0
    end = np.inf if example.end_seconds is None else example.end_seconds
    lasts = tracks[track_id].duration_seconds
    if start >= lasts:
        raise InvalidParameterError(f"a part of track {track_id} begins at {start:g} s, the track lasts {lasts:.3f} s")
    middles = embedding.excerpt_starts + bundle.excerpt_seconds / 2
    outside = np.maximum(start - middles, 0) + np.maximum(middles - end, 0)
    return bundle.subspaces.mean(bundle.subspaces.unit(embedding.excerpt_vectors[outside == outside.min()]))


def _tag_positions(name: str, bundle: ModelBundle) -> list[int]:
    folded = name.casefold()
    positions = [position for position, tag in enumerate(bundle.tags) if tag.name.casefold() == folded]
    if not positions:
        raise UnknownTagError(
            f"there is no tag {quoted(name)}; GET /tags lists all {len(bundle.tags)}",
            found=name,
            known=[tag.name for tag in bundle.tags],
        )
    return positions


def _understood(filters: Filters, bundle: ModelBundle) -> Filters:
    if not filters.tags:
        return filters
    names = [bundle.tags[tag_position(name, bundle)].name for name in filters.tags]
    _refuse_twice(names)
    return filters.model_copy(update={"tags": dict(zip(names, filters.tags.values(), strict=True))})


def _refuse_twice(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InvalidParameterError(f"the tag {name!r} comes {names.count(name)} times, in different cases")


def _refuse_weights_without_tags(weights: Mapping[str, float], with_tags: Mapping[str, float]) -> None:
    for name, weight in weights.items():
        if weight > 0 and name not in with_tags:
            raise ConflictingParametersError(
                f"'weights' gives {name!r} a weight, but none of the tags lies in it; "
                f"they lie in {', '.join(sorted(with_tags))}"
            )
