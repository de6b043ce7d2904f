"""The one place that says how many threads FAISS, BLAS and OpenMP may use. ONNX Runtime is told by `model`.

A command caps its process before it imports anything else of `index`, so that the libraries start no more threads than
they may use.
"""

import os
import sys

from threadpoolctl import threadpool_limits


def cap_threads(threads: int) -> None:
    """Let every library use at most this many threads.

    A library that is loaded later reads its cap from the environment, and so do child processes. One that is loaded
    already is capped at once: BLAS as a whole, but OpenMP, and with it FAISS, only in the calling thread. A thread that
    was started before, or by someone who loaded FAISS first, calls this itself.

    Args:
        threads: At least 1.

    Raises:
        ValueError: If `threads` is below 1.
    """
    if threads < 1:
        raise ValueError(f"threads is {threads}, expected 1 or more")
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
    threadpool_limits(threads)
    if "faiss" in sys.modules:
        import faiss

        faiss.omp_set_num_threads(threads)
