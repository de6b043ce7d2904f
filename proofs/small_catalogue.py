"""A catalogue of made-up tunes in the space of the tests' tiny bundle, which listens in milliseconds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index.model import ModelBundle
from proofs.proving import folder_in
from service.catalogue.records import TrackEmbedding
from service.catalogue.repository import Catalogue
from service.catalogue.writing import FileState, TrackDetails
from tests.service.http.running import encoded, tune
from tests.service.http.tiny_bundle import write_tiny_bundle

ROWS_AT_ONCE = 500


@dataclass(frozen=True)
class SmallCatalogue:
    """Where things are; the catalogue itself is made by whoever ingests first.

    Attributes:
        music: Files of tunes.
        environment: What makes `facet` use it.
    """

    music: Path
    environment: dict[str, str]

    @property
    def data(self) -> Path:
        """The data folder."""
        return Path(self.environment["FACET_DATA_DIR"])

    @property
    def url(self) -> str:
        """Of the database."""
        return self.environment.get("FACET_DATABASE_URL") or f"sqlite:///{self.data / 'catalogue.db'}"

    @property
    def model(self) -> Path:
        """The bundle."""
        return Path(self.environment["FACET_MODEL"])


def small_catalogue(folder: Path, *, files: int, data: Path | None = None) -> SmallCatalogue:
    """Tunes and a bundle, and settings that name them.

    Args:
        folder: Where.
        files: How many tunes.
        data: The data folder, if it is to be elsewhere.
    """
    music = folder_in(folder, "music")
    rng = np.random.default_rng(1)
    for number in range(files):
        (music / f"tune-{number:04d}.wav").write_bytes(encoded(tune(rng)))
    model = write_tiny_bundle(folder / "model")
    environment = {"FACET_DATA_DIR": str(data or folder / "data"), "FACET_MODEL": str(model)}
    return SmallCatalogue(music, environment)


def add_made_up_tracks(catalogue: Catalogue, bundle: ModelBundle, tracks: int, *, rng: np.random.Generator) -> None:
    """Put tracks into a catalogue that no file was listened to for."""
    width = bundle.subspaces.width
    for first in range(0, tracks, ROWS_AT_ONCE):
        vectors = bundle.subspaces.unit(
            rng.standard_normal((min(ROWS_AT_ONCE, tracks - first), width), dtype=np.float32)
        )
        with catalogue.writing() as writing:
            for vector in vectors:
                name = rng.bytes(16).hex()
                writing.add(
                    FileState(Path("/made-up") / name, content_hash=name * 2, size_bytes=1, modified_ns=1),
                    TrackDetails(name, f"Artist {name[:2]}", None, None, duration_seconds=3.0, skipped_packets=0),
                    {
                        bundle.encoder_id: TrackEmbedding(
                            vector=vector,
                            excerpt_vectors=vector[np.newaxis],
                            excerpt_starts=np.zeros(1, np.float32),
                            tag_probabilities=np.full(len(bundle.tags), 0.5, np.float32),
                        )
                    },
                )
