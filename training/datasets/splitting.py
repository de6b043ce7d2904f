"""Deals a manifest's rows out to train, valid and test so that no artist is heard on two sides.

A model that has heard an artist knows the voice and the studio: measured on other songs of the same artist, it looks
better than it is. So whole groups are dealt out, and each goes where the shares of its tags lack most.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from training.datasets.manifest import SPLITS, Manifest, Split
from training.datasets.plain_names import plain_name
from training.datasets.text_column import TextColumn


class SplittingError(ValueError):
    """The rows cannot be dealt out as asked."""


class GroupBy(StrEnum):
    """What must stay on one side. Clips of a track always do."""

    ARTIST = "artist"
    ALBUM = "album"
    TRACK = "track"


@dataclass(frozen=True)
class Dealing:
    """What came of dealing a manifest out.

    Attributes:
        shares: Of the rows, that each side got.
        groups: How many there were.
        largest_group: Rows of the largest: no side can be met more exactly than by that.
        worst_tag: The tag, by column, whose share on some side is farthest from the one asked for; None without tags.
        worst_tag_difference: How far, in 0 to 1. Among tags that a 1 in 100 of the rows has.
    """

    shares: Mapping[Split, float]
    groups: int
    largest_group: int
    worst_tag: int | None
    worst_tag_difference: float


def group_rows(manifest: Manifest, by: Collection[GroupBy]) -> NDArray[np.int64]:
    """Number the groups that must not be torn.

    Rows are of one group if they have the same track id, or the same value in one of the columns `by`, or are joined by
    a chain of such rows. Names are compared without capitals and the space around them; a row without a name is
    joined to none by it.

    Args:
        manifest: n rows.
        by: `{ARTIST, ALBUM}` also keeps together the artists of one compilation, and of albums of the same name.

    Returns:
        `(n,)` from 0.
    """
    n = len(manifest)
    rows, nodes, offset = [np.arange(n)], [manifest.track_id.numbered()[0]], n
    for column in sorted(set(by) - {GroupBy.TRACK}):
        values: TextColumn = getattr(manifest, column.value)
        known = np.flatnonzero(~values.is_empty)
        rows.append(known)
        nodes.append(_numbered_names(values.take(known)) + offset)
        offset += n
    # A graph between rows and what they have in common; its components are the groups.
    edges = (np.concatenate(rows), np.concatenate(nodes) + n)
    graph = coo_array((np.ones(len(edges[0]), dtype=np.bool_), edges), shape=(n + offset, n + offset))
    component = connected_components(graph, directed=False)[1][:n]
    return np.unique(component, return_inverse=True)[1].astype(np.int64)


def deal_out(
    manifest: Manifest,
    labels: NDArray[np.bool_],
    *,
    by: Collection[GroupBy],
    shares: Mapping[Split, float],
    rng: np.random.Generator,
) -> tuple[Manifest, Dealing]:
    """Put every row on a side.

    Groups come one after another, by and large those with most of the rarest tags first. Each goes to the side where
    it lowers sum((have - wanted)^2 / (wanted + 1)) most, summed over every tag and, as many times as a row has tags,
    over the rows; but the last groups go to sides that have none yet.

    Args:
        manifest: n rows; the sides they are on do not matter.
        labels: `(n, tags)`, by which the sides are to be alike.
        by: What must not be torn.
        shares: Of each side, summing to 1; a side left out gets nothing.
        rng: Decides the order among groups that weigh much the same; another seed gives another split.

    Returns:
        The manifest with other sides, and how well it went.

    Raises:
        SplittingError: If the shares are none, the column of `by` is empty throughout, or a side would get nothing.
    """
    sides = [side for side in SPLITS if shares.get(side, 0.0) != 0.0]
    wanted_shares = np.array([shares[side] for side in sides])
    if not sides or (wanted_shares < 0).any() or abs(wanted_shares.sum() - 1) > 1e-6:
        raise SplittingError(f"shares {[float(share) for share in shares.values()]} must be 0 or more and sum to 1")
    for column in set(by) - {GroupBy.TRACK}:
        if getattr(manifest, column.value).is_empty.all():
            raise SplittingError(
                f"no row has an {column.value}, so none can be kept together; give the reader a file that has them, or "
                "split by track"
            )
    group = group_rows(manifest, by)
    n_groups = int(group.max(initial=-1)) + 1
    if n_groups < len(sides):
        raise SplittingError(
            f"{n_groups} groups cannot be dealt out to {len(sides)} sides; split by track, or ask for fewer"
        )
    amounts = _amounts(group, labels)
    chosen = _choose_sides(amounts, wanted_shares, rng)
    split = np.array([SPLITS.index(side) for side in sides], dtype=np.int8)[chosen[group]]
    dealt = manifest.with_split(split)
    return dealt, _report(dealt, labels, amounts, dict(zip(sides, wanted_shares.tolist(), strict=True)))


def _numbered_names(names: TextColumn) -> NDArray[np.int64]:
    numbers, texts = names.numbered()
    plain: dict[str, int] = {}
    plain_numbers = [plain.setdefault(plain_name(text), len(plain)) for text in texts]
    return np.array(plain_numbers, dtype=np.int64)[numbers]


def _amounts(group: NDArray[np.int64], labels: NDArray[np.bool_]) -> NDArray[np.float32]:
    """`(groups, 1 + tags)`: rows of each group, and those with each tag. Tags that nobody has are left out."""
    n = len(group)
    members = csr_array((np.ones(n, dtype=np.float32), (group, np.arange(n))))
    columns = np.concatenate(
        [np.ones((n, 1), dtype=np.float32), labels[:, labels.any(axis=0)]], axis=1, dtype=np.float32
    )
    amounts: NDArray[np.float32] = members @ columns
    return amounts


def _choose_sides(
    amounts: NDArray[np.float32], shares: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    totals = amounts.sum(axis=0, dtype=np.float64)
    wanted = shares[:, None] * totals
    have = np.zeros_like(wanted)
    # The rows count for as much as all tags together. The 1 keeps a tag of which a side should get a tenth of a row
    # from weighing more than everything else.
    weight = np.ones(len(totals))
    weight[0] = max(1.0, totals[1:].sum() / totals[0])
    weight = weight / (wanted + 1)
    importance = (amounts / totals).sum(axis=1) * rng.uniform(0.5, 1.0, len(amounts))
    chosen = np.zeros(len(amounts), dtype=np.int64)
    is_empty = np.ones(len(shares), dtype=np.bool_)
    for left, group in zip(range(len(amounts), 0, -1), np.argsort(-importance, kind="stable"), strict=True):
        more = amounts[group]
        # (have + more - wanted)^2 - (have - wanted)^2 = more (2 (have - wanted) + more)
        change = (more * (2 * (have - wanted) + more) * weight).sum(axis=1)
        if left <= is_empty.sum():
            change[~is_empty] = np.inf
        side = int(change.argmin())
        chosen[group] = side
        have[side] += more
        is_empty[side] = False
    return chosen


def _report(
    dealt: Manifest, labels: NDArray[np.bool_], amounts: NDArray[np.float32], wanted: Mapping[Split, float]
) -> Dealing:
    shares = {side: len(dealt.on(side)) / len(dealt) for side in SPLITS}
    totals = labels.sum(axis=0)
    frequent = np.flatnonzero(totals * 100 >= len(dealt))
    worst, difference = None, 0.0
    for side, share in wanted.items():
        if len(frequent):
            off = np.abs(labels[dealt.on(side)][:, frequent].sum(axis=0) / totals[frequent] - share)
            if off.max() >= difference:
                worst, difference = int(frequent[off.argmax()]), float(off.max())
    return Dealing(shares, len(amounts), int(amounts[:, 0].max()), worst, difference)
