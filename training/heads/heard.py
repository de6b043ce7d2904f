"""Music becomes features: the evaluation's store of embeddings with what hears as its encoder. `fitting` learns of it.

A bundle of the features is written beside the store. So music is decoded and heard as the service will, once, and who
was interrupted goes on hearing where they were.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from index.decoder import Decoder
from index.model import ModelBundle, Tag
from index.subspaces import Subspace, Subspaces
from training.backbones.hearing import Hearing
from training.backbones.kept_filters import read_kept_filters
from training.backbones.musicnn import PretrainedMusicnn, load_musicnn
from training.backbones.pruned_musicnn import PrunedMusicnn
from training.datasets.labels import labels_of
from training.datasets.manifest import Manifest
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.embedding_store import LeftOut, Watch, embed_tracks
from training.export import PRETRAINED, BundleParts, write_bundle
from training.heads.encoder import HearingEncoder
from training.log_mel import MUSICNN_LOG_MEL, LogMel, LogMelProducts
from training.vocabulary import Vocabulary

TAGGERS = ("msd", "mtt")
# Of the second tagger five times as many filters move as of the first. Those that matter most are computed.
KEPT = {"mtt": PRETRAINED / "musicnn-mtt-kept.safetensors"}

# Pooled channels reach some hundreds.
FEATURE_TOLERANCE = 2e-2


def load_taggers() -> dict[str, PretrainedMusicnn]:
    """The taggers whose weights ship, by name."""
    return {name: load_musicnn(PRETRAINED / f"musicnn-{name}.safetensors") for name in TAGGERS}


def served_hearing(taggers: Mapping[str, PretrainedMusicnn]) -> Hearing:
    """What hears, made fast: as a bundle's graph has it.

    Raises:
        KeptFiltersError: If the file of kept filters does not fit the weights.
    """
    return _hearing(LogMelProducts(MUSICNN_LOG_MEL), taggers)


def plain_hearing(taggers: Mapping[str, PretrainedMusicnn]) -> Hearing:
    """The same with torchaudio's front end, to hold the other against."""
    return _hearing(LogMel(MUSICNN_LOG_MEL), taggers)


def _hearing(front_end: nn.Module, taggers: Mapping[str, PretrainedMusicnn]) -> Hearing:
    pruned = []
    for name, tagger in taggers.items():
        kept = read_kept_filters(KEPT[name], weights_sha256=tagger.sha256) if name in KEPT else None
        pruned.append((name, PrunedMusicnn(tagger.network, n_frames=MUSICNN_LOG_MEL.n_frames, kept=kept)))
    return Hearing(front_end, MUSICNN_LOG_MEL, pruned).eval()


@dataclass(frozen=True)
class Heard:
    """Features of some music.

    Attributes:
        tracks: With features as their embeddings.
        left_out: Rows that gave none.
    """

    tracks: EmbeddedTracks
    left_out: tuple[LeftOut, ...]


class Ears:
    """Hears manifests, each row once."""

    def __init__(self, taggers: Mapping[str, PretrainedMusicnn], work: Path, *, threads: int) -> None:
        """Write the features' bundle.

        Args:
            taggers: By name.
            work: Folder of the bundle and of all features.
            threads: Rows heard at once.

        Raises:
            ParityError: If the graph computes other features than torch.
        """
        self.hearing = served_hearing(taggers)
        self.work = work
        self.threads = threads
        folder = work / "hearing"
        write_bundle(
            folder,
            encoder=HearingEncoder(self.hearing),
            reference=HearingEncoder(plain_hearing(taggers)),
            parts=BundleParts(
                name="hearing",
                sample_rate=MUSICNN_LOG_MEL.sample_rate,
                excerpt_samples=MUSICNN_LOG_MEL.excerpt_samples,
                subspaces=Subspaces((Subspace("features", 0, self.hearing.width),)),
                tags=(Tag("none", "features"),),
                proxies=np.zeros((1, self.hearing.width), dtype=np.float32),
                recipe={},
                provenance=(),
                card="Features, not an embedding.",
            ),
            tolerance=FEATURE_TOLERANCE,
        )
        self.bundle = ModelBundle.open(folder)

    def hear(
        self,
        manifest: Manifest,
        vocabulary: Vocabulary,
        *,
        excerpts_per_track: int | None = None,
        watch: Watch | None = None,
    ) -> Heard:
        """Hear a manifest's rows.

        Args:
            manifest: The rows.
            vocabulary: Of their labels.
            excerpts_per_track: Evenly spread; None for every one.
            watch: Called as rows are done.

        Raises:
            EvaluationError: If the folder cannot be written, or not one row gives an excerpt.
        """
        with Decoder(processes=self.threads) as decoder:
            embedded = embed_tracks(
                self.bundle,
                decoder,
                manifest,
                labels_of(manifest, vocabulary),
                folder=self.work / "features",
                excerpts_per_track=excerpts_per_track,
                threads=self.threads,
                watch=watch,
            )
        return Heard(embedded.tracks, embedded.left_out)
