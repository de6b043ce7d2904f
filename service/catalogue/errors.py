"""What can be wrong with the catalogue as a whole, or with a question put to it."""


class CatalogueError(Exception):
    """The catalogue cannot do what was asked; the message says what to do next."""


class CatalogueNotMigratedError(CatalogueError):
    """The database does not have the tables of this version of Facet."""


class CatalogueUnavailableError(CatalogueError):
    """The database cannot be reached, is locked for too long, or has no room left. What was written before stands."""


class RevisionAheadError(CatalogueError):
    """Someone has seen a revision that the catalogue has not reached: the database was replaced by an older one."""


class CatalogueReplacedError(CatalogueError):
    """The database is another catalogue than when it was opened: a backup was restored meanwhile."""


class TrackNotFoundError(CatalogueError):
    """There is no track with this id; where several were asked for, `track_ids` are all that are not there."""

    def __init__(self, track_id: str, *others: str) -> None:
        more = f", nor {len(others)} more of those asked for" if others else ""
        super().__init__(f"there is no track {track_id!r} in the catalogue{more}")
        self.track_ids = (track_id, *others)


class JobNotFoundError(CatalogueError):
    """There is no job with this id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"there is no job {job_id!r}; one that was finished is forgotten after 30 days")
        self.job_id = job_id


class QueueFullError(CatalogueError):
    """As many jobs wait as may."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} uploads wait for their analysis already; try again once some of them are done")
        self.waiting = waiting
