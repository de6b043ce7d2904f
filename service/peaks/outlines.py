"""Gives a track's outline: the one kept, or one measured now, a limited number of files at a time."""

from functools import partial

import anyio.to_thread

from index.decoder import Decoder
from service.catalogue.records import Track
from service.http.refusals import TooBusyError
from service.peaks.kept import KeptPeaks
from service.peaks.measuring import Peaks, measured_peaks
from service.tracks.audio_file import open_audio

# A page asks for two at a time; whoever comes after this many would wait longer than people look.
WAITING_AT_MOST = 32


class Outlines:
    """Outlines of tracks, for use on one event loop. Those that wait hold no thread that other calls need."""

    def __init__(self, decoder: Decoder, kept: KeptPeaks, *, at_once: int) -> None:
        """Prepare.

        Args:
            decoder: Decodes whole files; the caller's to close.
            kept: What was measured before.
            at_once: How many files are decoded at the same time.
        """
        self._decoder = decoder
        self._kept = kept
        self._places = anyio.CapacityLimiter(at_once)

    async def of(self, track: Track) -> Peaks:
        """The outline of a track's file.

        Raises:
            TooBusyError: If too many outlines are waited for.
            AudioError: If the file gives no sound.
            RefusalError: If the file is gone, or is another one by now.
        """
        outline = await anyio.to_thread.run_sync(self._kept.get, track.content_hash)
        if outline is not None:
            return outline
        waiting = self._places.statistics().tasks_waiting
        if waiting >= WAITING_AT_MOST:
            raise TooBusyError(f"{waiting} waveforms wait to be drawn; try again in a moment")
        return await anyio.to_thread.run_sync(partial(self._measured, track), limiter=self._places)

    def _measured(self, track: Track) -> Peaks:
        # Whoever waited before this one may have asked for the same.
        outline = self._kept.get(track.content_hash)
        if outline is None:
            # Refuses a file that is gone, or is another one by now.
            open_audio(track).file.close()
            outline = measured_peaks(self._decoder, track.path, duration_seconds=track.duration_seconds)
            self._kept.put(track.content_hash, outline)
        return outline
