"""Clears away what models left that answer no more. `facet db prune` calls it; nothing does so by itself.

The way back to a former model is short as long as its embeddings are there, so a person decides when they go.
"""

import shutil
from dataclasses import dataclass

from service.catalogue.errors import CatalogueError
from service.catalogue.repository import Catalogue
from service.settings import Settings


class NotPrunableError(CatalogueError):
    """One model is taking over from another: both are needed."""


@dataclass(frozen=True)
class Pruned:
    """What went: the names of the models, and how many embeddings they had."""

    models: tuple[str, ...]
    embeddings: int


def prune(settings: Settings, catalogue: Catalogue) -> Pruned:
    """Delete the embeddings of every model but the one that answers, and its copy, snapshots and maps.

    A few at a time, so that others can write in between; interrupted, it goes on where it was.

    Raises:
        NotPrunableError: If another model is to take over, or none answers yet.
        CatalogueUnavailableError: If the catalogue cannot be written.
    """
    standing = catalogue.bundles.standing()
    if standing.answering is None or standing.answering != standing.wanted:
        raise NotPrunableError("another model is to take over: wait until it answers, or want the former one again")
    others = catalogue.bundles.others(standing.answering)
    embeddings = 0
    for encoder_id in others:
        while True:
            with catalogue.writing() as writing:
                gone = writing.bundles.forget_some(encoder_id)
            if not gone:
                break
            embeddings += gone
        for folder in (
            settings.bundles_dir,
            settings.snapshots_dir / catalogue.identity,
            settings.maps_dir / catalogue.identity,
        ):
            shutil.rmtree(folder / encoder_id, ignore_errors=True)
    return Pruned(models=tuple(others.values()), embeddings=embeddings)
