"""One FAISS index for one sub-space, or for the joint space. `snapshot` builds, saves and opens these.

Which kind, by size, comes from benchmarks/README.md, "Engines":

- A flat scan of 64-wide float32 takes 0.7 ms at 100,000 vectors, of 256-wide 5 ms: nothing smaller is worth a recall
  below 1.
- Beyond, half precision halves time and memory; with the exact re-rank of `live` the answer stays that of brute force.
- A sub-space gathers around styles, so inverted lists find its neighbours. The joint space does not, being their
  product: at 100,000 the same share of lists finds 0.86 there, 0.998 in a sub-space, so it stays a scan at any size.
- HNSW was measured and left out: it cannot delete, and under a filter it finds fewer.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import faiss
import numpy as np

from index.subspaces import Vectors
from index.vector_index import Mask, Neighbours, check_search, ranked

# The smallest share of lists with recall@100 of 0.99 or more, and 0.95 or more where one in ten is allowed.
PROBED_SHARE = 1 / 8


class Kind(Enum):
    """How an index stores and finds."""

    FLAT = "flat"
    HALF = "flat, half precision"
    LISTS = "inverted lists, half precision"


@dataclass(frozen=True)
class Sizes:
    """From how many vectors on which kind is used."""

    half_from: int = 100_000
    lists_from: int = 1_000_000

    def subspace_kind(self, n: int) -> Kind:
        """The kind for `n` vectors of one sub-space."""
        return Kind.LISTS if n >= self.lists_from else self.joint_kind(n)

    def joint_kind(self, n: int) -> Kind:
        """The kind for `n` whole vectors."""
        return Kind.HALF if n >= self.half_from else Kind.FLAT


class FaissIndex:
    """A FAISS inner-product index. Built once, never changed: additions and deletions are `live`'s."""

    def __init__(self, index: faiss.Index) -> None:
        self._index = index
        self._lists = int(index.nlist) if isinstance(index, faiss.IndexIVF) else 0

    @classmethod
    def build(cls, vectors: Vectors, *, kind: Kind = Kind.FLAT, seed: int = 0) -> "FaissIndex":
        """Index `vectors`.

        Args:
            vectors: `(n, width)` float32; may be memory-mapped.
            kind: How they are stored and found.
            seed: For the clustering of inverted lists.
        """
        n, width = vectors.shape
        if kind is Kind.FLAT:
            index = faiss.IndexFlatIP(width)
        elif kind is Kind.HALF:
            index = faiss.IndexScalarQuantizer(width, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        else:
            index = _lists(vectors, seed)
        for start in range(0, n, 65_536):
            index.add(np.ascontiguousarray(vectors[start : start + 65_536]))
        return cls(index)

    @classmethod
    def open(cls, path: Path) -> "FaissIndex":
        """Open a saved index, memory-mapped: pages are read when a search touches them."""
        return cls(faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC | faiss.IO_FLAG_READ_ONLY))

    def save(self, path: Path) -> None:
        """Write the index to `path`.

        Raises:
            OSError: If it cannot be written: the disk is full, say.
        """
        try:
            faiss.write_index(self._index, str(path))
        except RuntimeError as error:  # what FAISS makes of any failure of the operating system's
            raise OSError(f"{path} cannot be written: {error}") from error

    @property
    def is_exact(self) -> bool:
        """Whether every answer equals brute force: of the flat kind only."""
        return isinstance(self._index, faiss.IndexFlat)

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
            probed = max(1, round(self._lists * PROBED_SHARE))
            parameters = faiss.SearchParametersIVF(sel=selector, nprobe=probed)
        else:
            parameters = faiss.SearchParameters(sel=selector)
        similarity, positions = self._index.search(query[None, :], k, params=parameters)
        found = positions[0] >= 0
        return ranked(positions[0][found], similarity[0][found])


def _lists(vectors: Vectors, seed: int) -> faiss.Index:
    """An empty index of inverted lists, trained on a sample of `vectors`."""
    n, width = vectors.shape
    # To a power of two. Four times as many find no more, and take seven times as long to build (benchmarks, Engines).
    lists = int(2 ** round(np.log2(np.sqrt(n))))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(width), width, lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    # The default stores what is left after the centroid, which half precision does not need and the re-rank undoes.
    index.by_residual = False
    index.cp.seed = seed
    # FAISS asks for 39 points a list or more; with 64 nothing more is found.
    sample = np.random.default_rng(seed).choice(n, size=min(n, 39 * lists), replace=False)
    index.train(np.ascontiguousarray(vectors[np.sort(sample)]))
    return index
