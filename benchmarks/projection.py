"""Does the map keep neighbours? Trustworthiness of every map of a catalogue, beside that of the principal components.

    python -m benchmarks.projection                    the catalogue of the settings (FACET_DATA_DIR)
    python -m benchmarks.projection --made-up 100000   embeddings that gather as those of trained models do

Trustworthiness (Venna and Kaski 2001, as scikit-learn measures it, ten neighbours) is 1 where every neighbour on the
plane is one in the space, and about 0.5 where points are scattered at random.
"""

import argparse
import time

import numpy as np
from sklearn.manifold import trustworthiness

from benchmarks.made_up import PAPER, machine, made_up_vectors
from index.projection import principal_points, projected
from index.subspaces import Subspaces, Vectors
from service.catalogue.repository import Catalogue
from service.listening import open_bundle
from service.settings import Settings

NEIGHBOURS = 10
# Ranks of all pairs are a matrix: of more tracks, so many are chosen for the measure.
MEASURED = 3000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--made-up", type=int, metavar="TRACKS")
    wanted = parser.parse_args().made_up
    subspaces, vectors = (PAPER, made_up_vectors(wanted, PAPER, seed=0)) if wanted else _of_the_catalogue()
    print(f"{len(vectors)} tracks; {machine()}\n\n| space | principal components | map | seconds |\n|-|-:|-:|-:|")
    chosen = np.random.default_rng(1).permutation(len(vectors))[:MEASURED]
    spaces = {"all": vectors} | {subspace.name: vectors[:, subspace.slice] for subspace in subspaces}
    for name, space in spaces.items():
        began = time.perf_counter()
        points = projected(space, rng=np.random.default_rng(0))
        seconds = time.perf_counter() - began
        pca, drawn = (
            trustworthiness(space[chosen], each[chosen], n_neighbors=NEIGHBOURS)
            for each in (principal_points(space), points)
        )
        print(f"| {name} | {pca:.3f} | {drawn:.3f} | {seconds:.1f} |", flush=True)


def _of_the_catalogue() -> tuple[Subspaces, Vectors]:
    settings = Settings()
    bundle = open_bundle(settings, threads=1)
    with Catalogue.open(settings.catalogue_url) as catalogue:
        return bundle.subspaces, np.concatenate([each for _, each in catalogue.all_embeddings(bundle.encoder_id)])


if __name__ == "__main__":
    main()
