"""What a catalogue holds, to compare it with another one, or with itself before something broke."""

from pathlib import Path

from index.subspaces import Vectors
from service.catalogue.copying import sums_of
from service.catalogue.database import Database
from service.catalogue.errors import CatalogueNotMigratedError
from service.catalogue.repository import Catalogue
from tests.service.small_facet import SmallBundle


def rows_in(url: str) -> dict[str, str]:
    """Count and checksum of every table's rows, without the identity that a restore changes."""
    database = Database(url)
    try:
        with database.reading() as session:
            sums = {name: f"{each.rows} {each.checksum}" for name, each in sums_of(session.connection()).items()}
    finally:
        database.close()
    sums.pop("catalogue_state")
    return sums


def tracks_in(url: str) -> dict[Path, tuple[str, Vectors]]:
    """Id and vector of the track of every file that a small Facet ingested; no file has two."""
    try:
        with Catalogue.open(url) as catalogue:
            tracks = catalogue.list_tracks(limit=10_000)
            embeddings = catalogue.embeddings([track.id for track in tracks], SmallBundle().encoder_id)
    except CatalogueNotMigratedError:
        return {}
    assert len({track.path for track in tracks}) == len(tracks) == len(embeddings)
    return {track.path: (track.id, embeddings[track.id].vector) for track in tracks}
