"""A byte of a snapshot, or of the model bundle, is another one: that is noticed, said, and recovered from.

A snapshot is a cache: the service passes a damaged one over and makes it anew. A bundle is not: the service does not
start on a damaged one and says which file it is; one that runs goes on with what it has in memory.
"""

import random
import tempfile
from pathlib import Path

import httpx
import numpy as np

from index.model import ModelBundle
from index.snapshot import list_snapshots
from proofs.processes import run_facet, serving
from proofs.proving import check, tell
from proofs.small_catalogue import SmallCatalogue, add_made_up_tracks, small_catalogue
from service.catalogue.repository import Catalogue
from service.indexing.compacting import COMPACT_FROM_TRACKS

SEARCH = "/search?tag=rock&limit=100"


def prove(size: int, folder: Path) -> None:
    """Flip `size` bytes of snapshots, and as many of bundles.

    Raises:
        NotProvenError: If one is not noticed, or not recovered from.
    """
    small = small_catalogue(folder, files=3)
    check(run_facet("ingest", small.music, environment=small.environment).returncode == 0, "nothing was ingested")
    with Catalogue.open(small.url) as catalogue:
        # So many that the service does not do without a snapshot.
        add_made_up_tracks(
            catalogue, ModelBundle.open(small.model), COMPACT_FROM_TRACKS + 500, rng=np.random.default_rng(6)
        )
        identity = catalogue.identity
    check(run_facet("index", "rebuild", environment=small.environment).returncode == 0, "no snapshot was made")
    (root,) = (small.data / "snapshots" / identity).iterdir()
    rng = random.Random(8)
    expected = _found(small, folder)
    for number in range(size):
        file = _flip(rng, sorted(path for path in list_snapshots(root)[0].iterdir() if path.stat().st_size))
        verified = run_facet("index", "verify", environment=small.environment)
        check(verified.returncode == 1, f"a flipped byte of {file.name} was not noticed: {verified.stdout}")
        check("facet index rebuild" in verified.stderr and "Traceback" not in verified.stderr, verified.stderr)
        if number % 2:
            check(run_facet("index", "rebuild", environment=small.environment).returncode == 0, "no rebuild")
        check(_found(small, folder) == expected, f"after a flipped byte of {file.name}, others are found")
        check(
            run_facet("index", "verify", environment=small.environment).returncode == 0, "the index is not whole again"
        )
    tell("snapshots", f"{size} flipped bytes, all noticed; the same answers after each")
    noticed = 0
    with serving(folder, small.environment) as served:
        for _ in range(size):
            files = sorted(small.model / name for name in ("bundle.json", "encoder.onnx", "proxies.npy"))
            whole = {path: path.read_bytes() for path in files}
            file = _flip(rng, files)
            refusal = _refusal(small, folder)
            # In the manifest, some letters could be others: then it is another bundle, and says so by its name.
            check(refusal is not None or file.name == "bundle.json", f"a flipped byte of {file} was not noticed")
            noticed += refusal is not None
            answers = {httpx.get(served.address + each, timeout=30).status_code for each in ("/readyz", SEARCH)}
            check(answers == {200}, "a service that ran was disturbed")
            file.write_bytes(whole[file])
    check(_found(small, folder) == expected, "with the bundle whole again, others are found")
    tell("bundles", f"{size} flipped bytes, {noticed} refused at the start; a running service went on")


def _flip(rng: random.Random, files: list[Path]) -> Path:
    """Flip a byte of one of these files; returns which."""
    file = rng.choice(files)
    content = bytearray(file.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)
    return file


def _refusal(small: SmallCatalogue, folder: Path) -> str | None:
    """What a service says that does not start now; None if it starts, and then it is ended."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        try:
            with serving(Path(own), small.environment):
                return None
        except RuntimeError as error:
            refusal = str(error)
    check("ended with status 1:" in refusal and "Traceback" not in refusal, refusal)
    return refusal


def _found(small: SmallCatalogue, folder: Path) -> list[str]:
    """What a service that starts now finds."""
    with serving(folder, small.environment) as served:
        answer = httpx.get(served.address + SEARCH, timeout=30)
        check(answer.status_code == 200, answer.text)
        return [item["track"]["id"] for item in answer.json()["items"]]
