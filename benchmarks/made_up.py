"""Made-up embeddings for catalogues larger than any at hand, and the machine the figures come from."""

import os
import platform
from pathlib import Path

import numpy as np

from index.subspaces import Subspace, Subspaces, Vectors

PAPER = Subspaces(
    tuple(Subspace(name, 64 * i, 64 * (i + 1)) for i, name in enumerate(("genre", "mood", "instrument", "era")))
)


def made_up_vectors(n: int, subspaces: Subspaces, *, seed: int, centres: int = 200, effective: int = 24) -> Vectors:
    """`n` vectors whose slices gather around centres, each sub-space on its own.

    The spread around a centre lies in `effective` directions of the 64, as the sub-spaces of trained embeddings do, and
    centres differ in size as styles of music do. Block by block, so that a million fits in little memory.
    """
    rng = np.random.default_rng(seed)
    vectors = np.empty((n, subspaces.width), np.float32)
    popularity = 1 / np.arange(1, centres + 1)
    for subspace in subspaces:
        points = rng.standard_normal((centres, subspace.width))
        directions = rng.standard_normal((effective, subspace.width)) / np.sqrt(effective)
        for start in range(0, n, 100_000):
            rows = slice(start, min(start + 100_000, n))
            count = rows.stop - rows.start
            belongs = rng.choice(centres, size=count, p=popularity / popularity.sum())
            vectors[rows, subspace.slice] = points[belongs] + rng.standard_normal((count, effective)) @ directions
    for start in range(0, n, 100_000):
        vectors[start : start + 100_000] = subspaces.unit(vectors[start : start + 100_000])
    return vectors


def machine() -> str:
    """Processor, cores, memory and Python of this machine, in a line."""
    names = {line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")}
    memory = next((line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "0")
    return (
        f"{', '.join(sorted(names)) or platform.processor()}, {os.cpu_count()} cores, "
        f"{int(memory) / 2**20:.0f} GiB, Python {platform.python_version()}, {platform.system()}"
    )


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []
