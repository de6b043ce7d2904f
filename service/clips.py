"""Uploaded clips become vectors, a few at a time. Clips come from `uploads`, what is heard goes to the endpoints.

The next page of a clip's answer comes with the same clip again, or with the clip's handle: what was heard in the latest
clips is kept, so that none is decoded or embedded twice, and its pages agree to the last bit.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from index.analysis import Analyser, Analysis
from index.audio import AudioError
from index.memory import give_back_memory
from index.subspaces import Vectors
from service.http.refusals import ClipNotFoundError, TooBusyError
from service.http.uploads import Clip

# Some 4 kB each with ten excerpts of 100 tags; where every excerpt is analysed, an hour of music takes 240 kB.
REMEMBERED = 256
# 128 bits.
HANDLE_DIGITS = 32
# A clip takes about a second: whoever came after this many would wait longer than people do.
WAITING_AT_MOST = 32


@dataclass(frozen=True, eq=False)
class Heard:
    """What the model hears in a clip.

    Attributes:
        handle: What to call it in a question. It is told only to whoever sent the clip.
        content_hash: sha256 of the clip.
        vector: `(width,)`, unit slices.
        tag_probabilities: `(tags,)`: the mean over the excerpts.
        excerpt_starts: `(n,)` seconds from the beginning.
        excerpt_tag_probabilities: `(n, tags)` float16, three decimals of them: half the room.
        duration_seconds: Of the clip.
    """

    handle: str
    content_hash: str
    vector: Vectors
    tag_probabilities: Vectors
    excerpt_starts: NDArray[np.float32]
    excerpt_tag_probabilities: NDArray[np.float16]
    duration_seconds: float


class ClipListener:
    """Analyses clips in worker threads, a limited number at once; for use on one event loop."""

    def __init__(self, analyser: Analyser, *, places: anyio.CapacityLimiter) -> None:
        """Prepare.

        Args:
            analyser: Does the work.
            places: Of clips that are analysed at the same time; the others wait.
        """
        self._analyser = analyser
        self._places = places
        self._heard: OrderedDict[str, Heard] = OrderedDict()
        # A handle is the same for the same clip, but no one can make it of a file that another has sent.
        self._secret = secrets.token_bytes(32)

    def refuse_if_busy(self) -> None:
        """Say so before a clip is uploaded that could not be analysed soon.

        Raises:
            TooBusyError: If too many clips wait.
        """
        if self.waiting >= WAITING_AT_MOST:
            raise TooBusyError(f"{self.waiting} clips wait for their analysis; try again in a moment")

    @property
    def waiting(self) -> int:
        """Clips that wait for their analysis."""
        return self._places.statistics().tasks_waiting

    @property
    def under_way(self) -> int:
        """Clips being analysed."""
        return self._places.statistics().borrowed_tokens

    async def listen(self, clip: Clip) -> Heard:
        """What the model hears in a clip.

        Raises:
            AudioError: If it is not audio that can be decoded and embedded.
            TooBusyError: If too many clips wait.
        """
        handle = hmac.new(self._secret, clip.content_hash.encode(), hashlib.sha256).hexdigest()[:HANDLE_DIGITS]
        if handle not in self._heard:
            self.refuse_if_busy()
            analysis = await anyio.to_thread.run_sync(self._analyse, clip.path, limiter=self._places)
            self._heard[handle] = Heard(
                handle=handle,
                content_hash=clip.content_hash,
                vector=analysis.vector,
                tag_probabilities=analysis.tag_probabilities,
                excerpt_starts=analysis.excerpt_starts,
                excerpt_tag_probabilities=analysis.excerpt_tag_probabilities.astype(np.float16),
                duration_seconds=analysis.duration_seconds,
            )
            if len(self._heard) > REMEMBERED:
                self._heard.popitem(last=False)
        return self.recall(handle)

    def recall(self, handle: str) -> Heard:
        """What was heard in a clip before.

        Raises:
            ClipNotFoundError: If there is no such handle, or so many clips came since that it was forgotten.
        """
        if handle not in self._heard:
            raise ClipNotFoundError(
                f"there is no clip {handle!r}: clips are kept until {REMEMBERED} others were asked about since, and no "
                "longer than the service runs; POST /clips takes it again"
            )
        self._heard.move_to_end(handle)
        return self._heard[handle]

    def _analyse(self, path: Path) -> Analysis:
        try:
            return self._analyser.analyse(path)
        except AudioError as error:
            # Its name here means nothing to whoever sent it.
            raise AudioError(error.code, error.message.replace(path.name, "the clip")) from error
        finally:
            give_back_memory()
