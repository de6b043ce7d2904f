"""What `doctor` looks at of the catalogue: whether it is there, at which step, and whole."""

from collections.abc import Iterable

from service.catalogue.database import Database
from service.catalogue.errors import CatalogueError, CatalogueUnavailableError
from service.catalogue.migrating import is_known
from service.catalogue.repository import Catalogue
from service.catalogue.tables import SCHEMA_REVISION
from service.operations.findings import Finding, problem, warning, well
from service.settings import Settings

NAME = "catalogue"


def catalogue(settings: Settings) -> Iterable[Finding]:
    """Whether the database answers, with the tables of this Facet."""
    try:
        database = Database(settings.catalogue_url)
        try:
            step = database.step()
        finally:
            database.close()
    except CatalogueUnavailableError as error:
        remedy = "start the database, or mend FACET_DATABASE_URL and its password; a service goes on by itself then"
        yield problem(NAME, "database_unavailable", str(error), remedy)
        return
    except CatalogueError as error:
        yield problem(NAME, "database_url", str(error), "mend FACET_DATABASE_URL")
        return
    if step is None:
        says = f"there is none at {database.name} yet"
        yield warning(NAME, "no_catalogue", says, "make one: `facet ingest ~/Music`, or `facet restore FILE`")
    elif step != SCHEMA_REVISION and is_known(step):
        says = f"{database.name} is at step {step}, this Facet needs step {SCHEMA_REVISION}: a migration is pending"
        remedy = "stop the service, `facet backup FILE`, then `facet db upgrade`"
        yield problem(NAME, "migration_pending", says, remedy)
    elif step != SCHEMA_REVISION:
        says = f"{database.name} is at step {step}, which this Facet does not know: it was written by a newer one"
        yield problem(NAME, "catalogue_newer", says, "install that Facet, or restore a backup of before")
    else:
        yield from _content(settings, database.name)


def whole_database(settings: Settings) -> Iterable[Finding]:
    """Whether SQLite finds its file in order, which takes as long as reading it; a server looks after itself."""
    name = "database file"
    database = Database(settings.catalogue_url)
    try:
        if database.file is None or not database.file.exists():
            return
        with database.reading() as session:
            connection = session.connection()
            complaint = connection.exec_driver_sql("PRAGMA integrity_check").scalar()
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    except CatalogueUnavailableError as error:
        yield problem(name, "database_damaged", str(error), _RESTORE)
        return
    finally:
        database.close()
    if complaint != "ok" or broken is not None:
        yield problem(name, "database_damaged", f"{database.file} is damaged: {complaint}", _RESTORE)
    else:
        yield well(name, f"{database.file} is whole")


_RESTORE = "stop the service, set the file aside, and `facet restore` the newest backup"


def _content(settings: Settings, where: str) -> Iterable[Finding]:
    try:
        with Catalogue.open(settings.catalogue_url) as opened:
            tracks = opened.count_tracks()
            failures = opened.failures.count()
    except CatalogueError as error:
        yield problem(NAME, "database_unavailable", str(error), "mend the database; --thorough reads all of it")
        return
    yield well(NAME, f"{where} holds {tracks} tracks, at step {SCHEMA_REVISION}")
    if failures:
        reasons = ", ".join(f"{count} {code}" for code, count in failures.items())
        says = f"the latest ingest could not take {sum(failures.values())} files: {reasons}"
        yield warning("ingest", "files_failed", says, "`facet list --failed` says which and why")
