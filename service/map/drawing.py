"""Draws the maps of a catalogue: one of the whole space, and one of every dimension, turned towards the whole one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from index.model import ModelBundle
from index.projection import projected, turned_towards
from index.subspaces import Vectors
from service.catalogue.repository import Catalogue
from service.map.drawn_map import DrawnMap, fingerprints_of, publish_map

# A screen has no more points to show, and more take an hour: of more tracks, as many are chosen at random.
MOST_POINTS = 200_000


def maps_folder(maps_dir: Path, *, catalogue: Catalogue, encoder_id: str) -> Path:
    """Folder of the maps of one catalogue in one embedding space."""
    return maps_dir / catalogue.identity / encoder_id


def draw_map(
    catalogue: Catalogue, bundle: ModelBundle, folder: Path, *, tell: Callable[[str], None], seed: int = 0
) -> Path:
    """Draw and publish. The same vectors and seed give the same map.

    Args:
        catalogue: Whose tracks are drawn.
        bundle: In whose space.
        folder: Of its maps.
        tell: Told in words how it goes.
        seed: Of the choices at random.

    Returns:
        The published file.

    Raises:
        CatalogueUnavailableError: If the catalogue cannot be read.
        OSError: If the map cannot be written.
    """
    revision = catalogue.revision()
    ids: list[str] = []
    batches = [np.empty((0, bundle.subspaces.width), np.float32)]
    for batch_ids, batch in catalogue.all_embeddings(bundle.encoder_id):
        ids.extend(batch_ids)
        batches.append(batch)
    vectors = np.concatenate(batches)
    # In the order of ids, so that the order in which a database answers draws no other map.
    order = np.argsort(np.array(ids, dtype=np.bytes_), kind="stable")
    if len(order) > MOST_POINTS:
        order = np.sort(np.random.default_rng(seed).permutation(order)[:MOST_POINTS])
    ids, vectors = [ids[row] for row in order], vectors[order]
    tell(f"drawing {len(ids)} tracks, all dimensions together")
    whole = projected(vectors, rng=np.random.default_rng(seed))
    points = [whole]
    for subspace in bundle.subspaces:
        tell(f"drawing {len(ids)} tracks by {subspace.name}")
        drawn = projected(np.ascontiguousarray(vectors[:, subspace.slice]), rng=np.random.default_rng(seed))
        points.append(turned_towards(drawn, whole))
    leanings = tag_leanings(vectors, bundle)
    return publish_map(
        folder,
        DrawnMap(
            revision=revision,
            track_ids=ids,
            points=np.stack(points),
            tag_means=leanings.mean(axis=0) if ids else np.zeros(len(bundle.tags), np.float32),
            fingerprints=fingerprints_of(vectors),
        ),
    )


def tag_leanings(vectors: Vectors, bundle: ModelBundle) -> Vectors:
    """Cosine of tracks `(n, width)` with every tag's vector, in the tag's own dimension: `(n, tags)`."""
    leanings: Vectors = vectors @ bundle.subspaces.unit(bundle.proxies).T
    return leanings
