"""What keeps the service from answering, part by part. All of it is known already: nothing is asked, nothing waits."""

from service.http.resources import Resources
from service.indexing.follower import PartProblem

CODES = {
    "catalogue_unavailable": "The database cannot be read, or does not answer.",
    "catalogue_replaced": "A backup was restored meanwhile: the service must be started again.",
    "bundle_unheard": "None of the catalogue's tracks is analysed with this model yet.",
    "index_behind": "The index has not caught up with the catalogue yet.",
    "index_stuck": "The index cannot follow the catalogue.",
}


def part_problems(resources: Resources) -> dict[str, PartProblem | None]:
    """What is wrong with the database, the bundle and the index; None where nothing is."""
    follower = resources.follower
    # First, for it catches up in another thread: whoever sees it in step sees what the bundle has heard as well.
    index = follower.index_problem
    return {"database": follower.catalogue_problem, "bundle": _bundle_problem(resources), "index": index}


def _bundle_problem(resources: Resources) -> PartProblem | None:
    """A bundle that none of the catalogue was analysed with can answer nothing."""
    follower = resources.follower
    if follower.caught_up.is_set() and len(follower.index) == 0 and follower.catalogue_tracks > 0:
        return PartProblem(
            "bundle_unheard",
            f"none of the catalogue's {follower.catalogue_tracks} tracks is analysed with the model "
            f"{resources.bundle.name!r} yet; that is being done, and GET /model says how far it is",
        )
    return None
