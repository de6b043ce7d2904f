"""Opens what listens to music, as the settings say: the model bundle and the decoder. Ingest begins here."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from index.analysis import Analyser
from index.decoder import DecodeLimits, Decoder
from index.model import Device, ModelBundle
from service.settings import Settings


@contextmanager
def open_analyser(settings: Settings, *, workers: int) -> Iterator[Analyser]:
    """An analyser for a number of threads that listen at once, open until the block is left.

    Each of them has a decoder process and computes by itself: many files side by side need no thread to wait for
    another, as the parts of one computation would.

    Raises:
        BundleError: If the model bundle cannot be used.
    """
    bundle = ModelBundle.open(settings.model, threads=1, device=cast("Device", settings.device))
    limits = DecodeLimits(
        seconds=settings.decode_seconds, memory_bytes=settings.decode_memory_bytes, file_bytes=settings.track_bytes
    )
    with Decoder(limits, processes=workers) as decoder:
        yield Analyser(bundle, decoder, excerpts_per_track=settings.planned_excerpts)
