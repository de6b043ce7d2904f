"""Flat, half precision, inverted lists or HNSW: latency, recall and cost of one index. Where `Sizes` comes from.

    python -m benchmarks.engines --sizes 100000 500000 1000000

One thread; the median over queries of one call each. Recall@100 is against the flat index, after the exact
re-rank of four times as many candidates, as `index.live` does it.
"""

import argparse
import time
from collections.abc import Callable

import faiss
import numpy as np

from benchmarks.made_up import PAPER, machine, made_up_vectors
from index.subspaces import Vectors


def main() -> None:
    """Print a table per size and width."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--hnsw-up-to", type=int, default=100_000, help="building HNSW takes minutes beyond this")
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(1)
    print(f"{machine()}; FAISS {faiss.__version__}, one thread\n")
    print("| tracks | width | engine | p50 ms | p99 ms | recall@100 | recall@100, 1 in 10 allowed | build s |")
    print("|-:|-:|-|-:|-:|-:|-:|-:|")
    for n in arguments.sizes:
        everything = made_up_vectors(n, PAPER, seed=1)
        rng = np.random.default_rng(2)
        near = everything[rng.choice(n, arguments.queries)]
        questions = PAPER.unit(near + 0.03 * rng.standard_normal(near.shape))
        allowed = rng.random(n) < 0.1
        for name, columns in (("sub-space", PAPER["mood"].slice), ("joint", slice(0, PAPER.width))):
            vectors = np.ascontiguousarray(everything[:, columns])
            compare(name, vectors, np.ascontiguousarray(questions[:, columns]), allowed, n <= arguments.hnsw_up_to)


def compare(name: str, vectors: Vectors, questions: Vectors, allowed: np.ndarray, with_hnsw: bool) -> None:
    """Print a row per engine for one set of vectors."""
    n, width = vectors.shape
    selector = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
    flat, seconds = timed(lambda: added(faiss.IndexFlatIP(width), vectors))
    truth = [flat.search(q[None], 100)[1][0] for q in questions]
    filtered_truth = [flat.search(q[None], 100, params=faiss.SearchParameters(sel=selector))[1][0] for q in questions]

    def best(index: faiss.Index, question: Vectors, parameters: object) -> np.ndarray:
        candidates = index.search(question[None], 400, params=parameters)[1][0]
        candidates = candidates[candidates >= 0]
        return candidates[np.argsort(-(vectors[candidates] @ question))[:100]]

    def row(engine: str, index: faiss.Index, seconds: float, parameters: Callable[..., object]) -> None:
        times, found = [], []
        for question in questions:
            start = time.perf_counter()
            found.append(best(index, question, parameters(sel=None)))
            times.append(1000 * (time.perf_counter() - start))
        filtered = [best(index, question, parameters(sel=selector)) for question in questions]
        print(
            f"| {n:,} | {width} ({name}) | {engine} | {np.percentile(times, 50):.2f} | {np.percentile(times, 99):.2f} "
            f"| {recall(found, truth):.3f} | {recall(filtered, filtered_truth):.3f} | {seconds:.1f} |",
            flush=True,
        )

    row("flat", flat, seconds, faiss.SearchParameters)
    half = faiss.IndexScalarQuantizer(width, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    _, seconds = timed(lambda: added(half, vectors))
    row("flat, half precision", half, seconds, faiss.SearchParameters)
    for lists in (int(2 ** round(np.log2(factor * np.sqrt(n)))) for factor in (1, 4)):
        inverted = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(width), width, lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        inverted.by_residual = False
        sample = vectors[np.random.default_rng(0).choice(n, min(n, 39 * lists), replace=False)]
        _, seconds = timed(lambda index=inverted, sample=sample: (index.train(sample), index.add(vectors)))
        for share in (32, 16, 8):
            row(
                f"inverted lists, half precision, {lists // share} of {lists}",
                inverted,
                seconds,
                lambda sel, probed=lists // share: faiss.SearchParametersIVF(sel=sel, nprobe=probed),
            )
    if with_hnsw:
        graph = faiss.IndexHNSWFlat(width, 32, faiss.METRIC_INNER_PRODUCT)
        _, seconds = timed(lambda: graph.add(vectors))
        for effort in (128, 512):
            row(
                f"HNSW 32, efSearch {effort}",
                graph,
                seconds,
                lambda sel, effort=effort: faiss.SearchParametersHNSW(sel=sel, efSearch=effort),
            )


def added(index: faiss.Index, vectors: Vectors) -> faiss.Index:
    """The index, with the vectors in it."""
    index.add(vectors)
    return index


def recall(found: list[np.ndarray], truth: list[np.ndarray]) -> float:
    """Mean share of the true neighbours that were found."""
    return float(
        np.mean([len(set(f) & set(t) - {-1}) / max(1, len(set(t) - {-1})) for f, t in zip(found, truth, strict=True)])
    )


def timed(work: Callable[[], faiss.Index]) -> tuple[faiss.Index, float]:
    """What the work gave and how long it took, in seconds."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


if __name__ == "__main__":
    main()
