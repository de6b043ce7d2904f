"""Puts tracks into a catalogue and compacts its index, on and on for a while: what `killed_snapshots` has killed.

`python -m proofs.victim URL MODEL DATA_DIR`
"""

import sys
import time
from pathlib import Path

import numpy as np

from index.model import ModelBundle
from proofs.killed_snapshots import BATCH
from proofs.small_catalogue import add_made_up_tracks
from service.catalogue.repository import Catalogue
from service.indexing import compacting
from service.indexing.follower import IndexFollower
from service.indexing.rebuilding import snapshots_root

COMPACTIONS = 4


def main() -> None:
    """Compact some times."""
    url, model, data = sys.argv[1:]
    compacting.COMPACT_FROM_TRACKS = BATCH - 1
    compacting.COMPACT_FROM_SHARE = 0.0
    bundle = ModelBundle.open(Path(model))
    rng = np.random.default_rng()
    with Catalogue.open(url) as catalogue:
        root = snapshots_root(Path(data) / "snapshots", catalogue=catalogue, encoder_id=bundle.encoder_id)
        following = IndexFollower(
            catalogue, root, encoder_id=bundle.encoder_id, subspaces=bundle.subspaces, poll_seconds=0.01
        )
        following.start()
        for _ in range(COMPACTIONS):
            published = following.index.snapshot
            add_made_up_tracks(catalogue, bundle, BATCH, rng=rng)
            while following.index.snapshot is published or following.index.uncompacted:
                time.sleep(0.01)
                if following.index_problem is not None and following.caught_up.is_set():
                    raise SystemExit(following.index_problem.reason)
        following.close()


if __name__ == "__main__":
    main()
