"""One FAISS index for one sub-space, or for the joint space. `snapshot` builds, saves and opens these.

Flat up to `IVF_FROM` vectors, inverted lists beyond. HNSW was measured and left out: it cannot delete, and under a
filter its recall falls (see benchmarks/README.md).
"""

from pathlib import Path

import faiss
import numpy as np

from index.subspaces import Vectors
from index.vector_index import Mask, Neighbours, check_search, ranked

# From benchmarks/README.md, "Flat or inverted lists": one thread scans this many 64-wide vectors in about 5 ms.
IVF_FROM = 500_000
# Share of lists visited. Found on the same page: the smallest with recall@100 of 0.99 or more.
PROBED_SHARE = 1 / 16


class FaissIndex:
    """A FAISS inner-product index. Built once, never changed: additions and deletions are `live`'s."""

    def __init__(self, index: faiss.Index) -> None:
        self._index = index
        self._lists = int(index.nlist) if isinstance(index, faiss.IndexIVF) else 0

    @classmethod
    def build(cls, vectors: Vectors, *, ivf_from: int = IVF_FROM, seed: int = 0) -> "FaissIndex":
        """Index `vectors`.

        Args:
            vectors: `(n, width)` float32; may be memory-mapped.
            ivf_from: Number of vectors from which inverted lists are used.
            seed: For the clustering of inverted lists.
        """
        n, width = vectors.shape
        if n < ivf_from:
            index = faiss.IndexFlatIP(width)
        else:
            lists = _list_count(n)
            index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, lists, faiss.METRIC_INNER_PRODUCT)
            index.cp.seed = seed
            # FAISS asks for 39 points a list or more; past 64 the centroids hardly move.
            sample = np.random.default_rng(seed).choice(n, size=min(n, 64 * lists), replace=False)
            index.train(np.ascontiguousarray(vectors[np.sort(sample)]))
        for start in range(0, n, 65_536):
            index.add(np.ascontiguousarray(vectors[start : start + 65_536]))
        return cls(index)

    @classmethod
    def open(cls, path: Path) -> "FaissIndex":
        """Open a saved index, memory-mapped: pages are read when a search touches them."""
        return cls(faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC | faiss.IO_FLAG_READ_ONLY))

    def save(self, path: Path) -> None:
        """Write the index to `path`."""
        faiss.write_index(self._index, str(path))

    @property
    def is_exact(self) -> bool:
        """Whether every answer equals brute force: yes without inverted lists."""
        return self._lists == 0

    @property
    def width(self) -> int:
        """Numbers in one stored vector."""
        return int(self._index.d)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, query: Vectors, *, k: int, allowed: Mask | None = None) -> Neighbours:
        """The `k` stored vectors most similar to `query`; see `VectorIndex.search`."""
        check_search(self, query, k, allowed)
        k = min(k, len(self))
        if k == 0:
            return Neighbours(positions=np.empty(0, np.int64), similarity=np.empty(0, np.float32))
        selector = None if allowed is None else faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        if self._lists:
            parameters = faiss.SearchParametersIVF(sel=selector, nprobe=max(1, round(self._lists * PROBED_SHARE)))
        else:
            parameters = faiss.SearchParameters(sel=selector)
        similarity, positions = self._index.search(query[None, :], k, params=parameters)
        found = positions[0] >= 0
        return ranked(positions[0][found], similarity[0][found])


def _list_count(n: int) -> int:
    """Inverted lists for `n` vectors: 4 * sqrt(n), as FAISS's guidelines advise, rounded to a power of two."""
    return int(2 ** round(np.log2(4 * np.sqrt(n))))
