"""What keeps the service from answering, part by part. All of it is known already: nothing is asked, nothing waits."""

from dataclasses import dataclass

from service.http.resources import Resources


@dataclass(frozen=True)
class PartProblem:
    """Why a part of the service cannot answer.

    Attributes:
        code: Stable, for programs; see `CODES`.
        reason: In words, without a name of a host, user or file.
    """

    code: str
    reason: str


CODES = {
    "catalogue_unavailable": "The database cannot be read, or does not answer.",
    "bundle_unheard": "None of the catalogue's tracks is analysed with this model.",
    "index_behind": "The index has not caught up with the catalogue yet.",
    "index_stuck": "The index cannot follow the catalogue.",
}


def part_problems(resources: Resources) -> dict[str, PartProblem | None]:
    """What is wrong with the database, the bundle and the index; None where nothing is."""
    follower = resources.follower
    catalogue, index = follower.catalogue_problem, follower.index_problem
    index_code = "index_stuck" if follower.is_stuck else "index_behind"
    return {
        "database": None if catalogue is None else PartProblem("catalogue_unavailable", catalogue),
        "bundle": _bundle_problem(resources),
        "index": None if index is None else PartProblem(index_code, index),
    }


def _bundle_problem(resources: Resources) -> PartProblem | None:
    """A bundle that none of the catalogue was analysed with can answer nothing."""
    follower = resources.follower
    if follower.caught_up.is_set() and len(follower.index) == 0 and follower.catalogue_tracks > 0:
        return PartProblem(
            "bundle_unheard",
            f"none of the catalogue's {follower.catalogue_tracks} tracks is analysed with the model "
            f"{resources.bundle.name!r} yet; run `facet ingest` again",
        )
    return None
