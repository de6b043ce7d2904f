"""A walk down the ranking is cut into pages, and every page knows how to go on. `searcher` asks for one page.

Most similar first is the ranking itself: a page goes on after the place of its last hit. A diverse answer, or one of
excerpts, is put in order block by block: a block is so many tracks of the ranking, from one place to another, and the
cursor keeps both, so that a block stays what it was though tracks come and go.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from index.diversity import diverse_order, similarity_among
from index.live_search import Hit, Place, hits_of
from index.subspaces import Vectors
from service.http.cursors import BlockProgress, Progress
from service.http.refusals import InvalidCursorError
from service.search.walking import PassedOver, Step, Walk

# Tracks that are put in order together. More would make later pages slower and the cursor longer: it holds four bytes
# for each that was shown.
BLOCK = 128
_DIGEST_BYTES = 4


@dataclass(frozen=True)
class Match:
    """What an item of an answer is made of.

    Attributes:
        hit: The track, with the similarity and cosines that are told.
        start_seconds: Where its excerpt begins; None for the one that matches best.
    """

    hit: Hit
    start_seconds: float | None = None


@dataclass(frozen=True)
class Cut:
    """A page's matches, what was passed over on the way from the page before, and how to go on; None at the end."""

    matches: Sequence[Match]
    passed_over: Sequence[PassedOver]
    progress: Progress | BlockProgress | None


# Puts the hits of a block in order, without those that a mark says were shown. Beside each match stands the mark for a
# page that ends with it.
Arrangement = Callable[[Sequence[Hit], str], Sequence[tuple[Match, str]]]


def cut_ranking(walk: Walk, progress: Progress | None, *, limit: int) -> Cut:
    """A page, most similar first.

    Args:
        walk: What is ranked.
        progress: Where the page before ended.
        limit: The most matches.
    """
    after, depth = (None, 0) if progress is None else (progress.place, progress.hits)
    shown: list[Step] = []
    passed: list[PassedOver] = []
    # One more than asked for tells whether there is a next page.
    for step in walk.steps(after=after, depth=depth, wanted=limit + 1):
        if isinstance(step, PassedOver):
            passed.append(step)
        elif len(shown) < limit:
            shown.append(step)
        else:
            last = shown[-1]
            return Cut(
                [Match(each.hit) for each in shown],
                [each for each in passed if each.depth < last.depth],
                Progress(place=Place.of(last.hit), hits=last.depth),
            )
    return Cut([Match(each.hit) for each in shown], passed, None)


def cut_blocks(walk: Walk, arrange: Arrangement, progress: BlockProgress | None, *, limit: int) -> Cut:
    """A page of an answer that is put in order block by block.

    Args:
        walk: What is ranked.
        arrange: Puts a block in order.
        progress: Where the page before ended.
        limit: The most matches.
    """
    reached = progress or BlockProgress(after=None, hits=0, until=None, mark="")
    matches: list[Match] = []
    passed: list[PassedOver] = []
    while True:
        block, passed_here = _block(walk, reached)
        if not block and reached.until is None:
            return Cut(matches, passed, None)
        if not block:
            # All of it went since the page before; what comes behind it did not.
            reached = BlockProgress(after=reached.until, hits=reached.hits, until=None, mark="")
            continue
        if len(matches) == limit:
            return Cut(matches, passed, reached)
        if reached.until is None:
            passed += passed_here
            reached = replace(reached, until=Place.of(block[-1].hit))
        arranged = arrange([step.hit for step in block], reached.mark)
        taken = arranged[: limit - len(matches)]
        matches += [match for match, _ in taken]
        if len(taken) < len(arranged):
            return Cut(matches, passed, replace(reached, mark=taken[-1][1]))
        reached = BlockProgress(after=reached.until, hits=block[-1].depth, until=None, mark="")


def _block(walk: Walk, reached: BlockProgress) -> tuple[list[Step], list[PassedOver]]:
    """The hits of a block, and what was passed over among them."""
    steps = walk.steps(after=reached.after, depth=reached.hits, wanted=BLOCK)
    block: list[Step] = []
    passed: list[PassedOver] = []
    for step in steps:
        if reached.until is not None and reached.until.is_before(step.hit):
            break
        if isinstance(step, PassedOver):
            passed.append(step)
            continue
        block.append(step)
        if reached.until is None and len(block) == BLOCK:
            break
    return block, passed


def by_diversity(walk: Walk, diversity: float) -> Arrangement:
    """Like the question, and unlike what came before it in its block."""

    def arrange(hits: Sequence[Hit], mark: str) -> Sequence[tuple[Match, str]]:
        shown = _digests(mark)
        own = [_digest(hit.track_id) for hit in hits]
        order = diverse_order(
            np.array([hit.similarity for hit in hits]),
            similarity_among(walk.query, walk.state.vectors([hit.track_id for hit in hits])),
            diversity=diversity,
            shown=np.array([digest in shown for digest in own], np.bool_),
        )
        so_far = b"".join(shown)
        arranged = []
        for position in order:
            so_far += own[position]
            arranged.append((Match(hits[position]), base64.b64encode(so_far).decode("ascii")))
        return arranged

    return arrange


def by_excerpt(
    walk: Walk, excerpts_of: Callable[[Sequence[str]], Sequence[tuple[str, Sequence[float], Vectors]]]
) -> Arrangement:
    """Every excerpt of the tracks of a block, most similar first.

    Args:
        walk: What is ranked.
        excerpts_of: Of tracks: id, excerpts' starts in seconds, and their vectors `(n, width)` with unit slices.
    """

    def arrange(hits: Sequence[Hit], mark: str) -> Sequence[tuple[Match, str]]:
        matches = [
            (hit, start)
            for track_id, starts, vectors in excerpts_of([hit.track_id for hit in hits])
            for hit, start in zip(hits_of(walk.query, [track_id] * len(vectors), vectors), starts, strict=True)
        ]
        matches.sort(key=_excerpt_order)
        end = _read_place(mark) if mark else None
        return [
            (Match(hit, start), json.dumps(_excerpt_order((hit, start))))
            for hit, start in matches
            if end is None or _excerpt_order((hit, start)) > end
        ]

    return arrange


def _excerpt_order(match: tuple[Hit, float]) -> tuple[float, str, float]:
    hit, start = match
    return (-hit.similarity, hit.track_id, start)


def _read_place(mark: str) -> tuple[float, str, float]:
    try:
        fields = json.loads(mark)
    except (RecursionError, ValueError) as error:
        raise InvalidCursorError("the cursor is damaged; begin again without one") from error
    match fields:
        case [float(similarity), str(track_id), float(start)]:
            return similarity, track_id, start
    raise InvalidCursorError("the cursor is damaged; begin again without one")


def _digest(track_id: str) -> bytes:
    return hashlib.sha256(track_id.encode()).digest()[:_DIGEST_BYTES]


def _digests(mark: str) -> list[bytes]:
    try:
        joined = base64.b64decode(mark, validate=True)
    except ValueError as error:
        raise InvalidCursorError("the cursor is damaged; begin again without one") from error
    return [joined[start : start + _DIGEST_BYTES] for start in range(0, len(joined), _DIGEST_BYTES)]
