"""Opens what listens to music, as the settings say: the model bundle and the decoder. Ingest and service begin here."""

from collections.abc import Iterator
from contextlib import contextmanager

from index.analysis import Analyser
from index.decoder import DecodeLimits, Decoder
from index.model import ModelBundle
from service.settings import Settings


def open_bundle(settings: Settings, *, threads: int) -> ModelBundle:
    """The bundle that embeds and answers.

    Args:
        settings: Which one, and on which device.
        threads: That one call of its encoder may use.

    Raises:
        BundleError: If it cannot be used.
        DeviceUnavailableError: If the device is not to be had.
    """
    return ModelBundle.open(settings.model, threads=threads, device=settings.device)


def open_decoder(settings: Settings, *, processes: int, file_bytes: int, audio_seconds: float | None = None) -> Decoder:
    """A decoder whose children start when they are needed.

    Args:
        settings: What one file may cost.
        processes: Children at most.
        file_bytes: Largest file that is opened at all.
        audio_seconds: Longest sound, or None.
    """
    limits = DecodeLimits(
        seconds=settings.decode_seconds,
        audio_seconds=audio_seconds,
        memory_bytes=settings.decode_memory_bytes,
        file_bytes=file_bytes,
    )
    return Decoder(limits, processes=processes)


def open_clip_decoder(settings: Settings, *, processes: int) -> Decoder:
    """A decoder for clips, which strangers send: no more of sound and of time than the settings say is spent on one.

    Args:
        settings: What one upload may cost.
        processes: Children at most.
    """
    limits = DecodeLimits(
        seconds=settings.decode_seconds,
        whole_seconds=settings.decode_seconds,
        audio_seconds=settings.upload_seconds,
        memory_bytes=settings.decode_memory_bytes,
        file_bytes=settings.upload_bytes,
    )
    return Decoder(limits, processes=processes)


@contextmanager
def open_analyser(settings: Settings, *, workers: int) -> Iterator[Analyser]:
    """An analyser for a number of threads that listen at once, open until the block is left.

    Each of them has a decoder process and computes by itself: many files side by side need no thread to wait for
    another, as the parts of one computation would.

    Raises:
        BundleError: If the model bundle cannot be used.
    """
    bundle = open_bundle(settings, threads=1)
    with open_decoder(settings, processes=workers, file_bytes=settings.track_bytes) as decoder:
        yield Analyser(bundle, decoder, excerpts_per_track=settings.planned_excerpts)
