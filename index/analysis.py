"""A file of music becomes vectors: `decoder` gives excerpts, `model` embeds them block by block.

Ingest and the service's clip queries both come through here, so a track and a clip are treated alike. Memory stays flat
however long the file is: of every excerpt only its vector is kept.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.audio import AudioMetadata, ExcerptPlan
from index.decoder import Decoder
from index.model import ModelBundle
from index.subspaces import Vectors


@dataclass(frozen=True, eq=False)
class Analysis:
    """What a bundle hears in a file.

    Attributes:
        metadata: Title, artist and so on, as the file has them.
        duration_seconds: Of the audio.
        skipped_packets: Packets the decoder could not read.
        vector: `(width,)`: the mean of the excerpts, unit slices.
        excerpt_vectors: `(n, width)`, unit slices.
        excerpt_starts: `(n,)` seconds from the beginning.
        excerpt_tag_probabilities: `(n, tags)`.
    """

    metadata: AudioMetadata
    duration_seconds: float
    skipped_packets: int
    vector: Vectors
    excerpt_vectors: Vectors
    excerpt_starts: NDArray[np.float32]
    excerpt_tag_probabilities: Vectors

    @property
    def tag_probabilities(self) -> Vectors:
        """`(tags,)`: the mean over the excerpts."""
        mean: Vectors = self.excerpt_tag_probabilities.mean(axis=0, dtype=np.float32)
        return mean


class Analyser:
    """Turns files into vectors of one bundle. Many threads may call it at once, each gets a decoder process."""

    def __init__(self, bundle: ModelBundle, decoder: Decoder, *, excerpts_per_track: int | None) -> None:
        """Both stay the caller's to close.

        Args:
            bundle: What embeds.
            decoder: What decodes.
            excerpts_per_track: Evenly spread; None for every one.
        """
        self.bundle = bundle
        self._decoder = decoder
        self._plan = ExcerptPlan(bundle.sample_rate, bundle.excerpt_samples, excerpts_per_track)

    def analyse(self, path: Path) -> Analysis:
        """What the bundle hears in a file.

        Raises:
            AudioError: With its code, if the file gives no excerpt worth embedding.
            OSError: If the file is not there or may not be read.
        """
        starts, vectors, probabilities = [], [], []
        with self._decoder.decode(path, self._plan) as excerpts:
            for block in excerpts:
                embeddings = self.bundle.embed(block.samples)
                starts.append(block.starts_seconds.astype(np.float32))
                vectors.append(embeddings.vectors)
                probabilities.append(embeddings.tag_probabilities)
            metadata, skipped_packets = excerpts.metadata, excerpts.skipped_packets
        excerpt_starts, excerpt_vectors = np.concatenate(starts), np.concatenate(vectors)
        known_end = float(excerpt_starts[-1]) + self.bundle.excerpt_seconds
        return Analysis(
            metadata=metadata,
            # A file that claims no length has been read to its end by now, so that its last excerpt tells.
            duration_seconds=known_end if metadata.duration_seconds is None else metadata.duration_seconds,
            skipped_packets=skipped_packets,
            vector=self.bundle.subspaces.mean(excerpt_vectors),
            excerpt_vectors=excerpt_vectors,
            excerpt_starts=excerpt_starts,
            excerpt_tag_probabilities=np.concatenate(probabilities),
        )
