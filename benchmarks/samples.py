"""How often a search by dimension is right on the samples: share of the five nearest tracks that have the same label.

    python -m benchmarks.samples

Each sub-space is asked about each dimension, which shows what leaks. The interval is a 95 % bootstrap over queries;
chance is the share among all other samples. The samples are rendered: this says nothing about recorded music.
"""

import csv
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from service.listening import open_analyser
from service.settings import SHIPPED, Settings

NEAREST = 5


def main() -> None:
    """Print the table."""
    settings = Settings()
    folder = SHIPPED / "samples"
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with open_analyser(settings, workers=settings.threads) as analyser, ThreadPoolExecutor(settings.threads) as threads:
        analyses = list(threads.map(lambda row: analyser.analyse(folder / row["path"]), rows))
        subspaces = analyser.bundle.subspaces
        print(f"{len(rows)} samples, bundle {analyser.bundle.name}\n")
    vectors = np.stack([analysis.vector for analysis in analyses])
    print(f"| same label among the {NEAREST} nearest | {' | '.join(subspaces.names)} | chance |")
    print("|-|" + "-:|" * (len(subspaces) + 1))
    rng = np.random.default_rng(0)
    for dimension in subspaces.names:
        labels = np.array([row[dimension] for row in rows])
        cells = []
        for subspace in subspaces:
            similarity = vectors[:, subspace.slice] @ vectors[:, subspace.slice].T
            np.fill_diagonal(similarity, -np.inf)
            nearest = np.argsort(-similarity, axis=1)[:, :NEAREST]
            right = (labels[nearest] == labels[:, None]).mean(axis=1)
            means = right[rng.integers(len(right), size=(10_000, len(right)))].mean(axis=1)
            low, high = np.percentile(means, [2.5, 97.5])
            cell = f"{right.mean():.2f} ({low:.2f}-{high:.2f})"
            cells.append(f"**{cell}**" if subspace.name == dimension else cell)
        chance = np.mean([(labels == label).sum() - 1 for label in labels]) / (len(labels) - 1)
        print(f"| {dimension} | {' | '.join(cells)} | {chance:.2f} |")


if __name__ == "__main__":
    main()
