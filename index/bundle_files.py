"""The files beside a bundle's manifest: read once, and held against what it says of them. `model` opens a bundle."""

import hashlib
import io
from pathlib import Path

import numpy as np

from index.bundle_manifest import (
    MANIFEST_FILE,
    BundleCorruptedError,
    BundleManifest,
    BundleMismatchError,
    BundleMissingError,
)
from index.subspaces import Vectors


def verified(path: Path, expected: str) -> bytes:
    """The file's bytes, hashed: what was verified is what is used, whatever becomes of the file meanwhile.

    Args:
        path: Of the file.
        expected: Its sha256 in hex digits, as the manifest has it.

    Raises:
        BundleMissingError: If there is no such file.
        BundleCorruptedError: If its content is another.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise BundleMissingError(f"{path} does not exist, but {MANIFEST_FILE} lists it") from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise BundleCorruptedError(
            f"{path}: sha256 is {found[:12]}, {MANIFEST_FILE} says {expected[:12]}; fetch or export the bundle again"
        )
    return content


def proxies_in(content: bytes, manifest: BundleManifest, path: Path) -> Vectors:
    """The tags' vectors `(tags, width)` float32, read-only.

    Args:
        content: Of `proxies.npy`.
        manifest: Which tags there are, and the slice of each one's dimension.
        path: Where the content is from, for errors.

    Raises:
        BundleMismatchError: If they are not what the manifest tells of.
    """
    subspaces = manifest.subspaces
    try:
        proxies = np.load(io.BytesIO(content), allow_pickle=False)
    except ValueError as error:
        raise BundleMismatchError(f"{path} is not an array: {error}") from error
    expected = (len(manifest.tags), subspaces.width)
    if proxies.shape != expected or proxies.dtype != np.float32:
        raise BundleMismatchError(
            f"{path} holds {proxies.dtype} {proxies.shape}, {MANIFEST_FILE} tells of float32 {expected} (tags, width)"
        )
    if not np.isfinite(proxies).all():
        raise BundleMismatchError(f"{path} holds numbers that are not finite")
    for tag, proxy in zip(manifest.tags, proxies, strict=True):
        outside = proxy.copy()
        outside[subspaces[tag.dimension].slice] = 0.0
        if outside.any():
            raise BundleMismatchError(
                f"{path}: the proxy of tag {tag.name!r} is not zero outside its dimension {tag.dimension!r}"
            )
    proxies.setflags(write=False)
    return np.asarray(proxies)
