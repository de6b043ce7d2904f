"""What is written is on the disk itself before it takes its place: snapshots, backups and manifests."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Bring a file or folder to the disk itself."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
