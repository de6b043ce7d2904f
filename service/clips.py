"""Uploaded clips become vectors, a few at a time. Clips come from `uploads`, what is heard goes to the endpoints.

The next page of a clip's answer comes with the same clip again: what was heard in the latest clips is kept, so that it
is neither decoded nor embedded twice, and its pages agree to the last bit.
"""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from index.analysis import Analyser
from index.audio import AudioError
from index.memory import give_back_memory
from index.subspaces import Vectors
from service.http.refusals import TooBusyError
from service.http.uploads import Clip

# Some 2 kB each.
REMEMBERED = 256
# A clip takes about a second: whoever came after this many would wait longer than people do.
WAITING_AT_MOST = 32


@dataclass(frozen=True, eq=False)
class Heard:
    """What the model hears in a clip.

    Attributes:
        vector: `(width,)`, unit slices.
        tag_probabilities: `(tags,)`.
    """

    vector: Vectors
    tag_probabilities: Vectors


class ClipListener:
    """Analyses clips in worker threads, a limited number at once; for use on one event loop."""

    def __init__(self, analyser: Analyser, *, at_once: int) -> None:
        """Prepare.

        Args:
            analyser: Does the work.
            at_once: How many clips are analysed at the same time; the others wait.
        """
        self._analyser = analyser
        self._places = anyio.CapacityLimiter(at_once)
        self._heard: OrderedDict[str, Heard] = OrderedDict()

    def refuse_if_busy(self) -> None:
        """Say so before a clip is uploaded that could not be analysed soon.

        Raises:
            TooBusyError: If too many clips wait.
        """
        waiting = self._places.statistics().tasks_waiting
        if waiting >= WAITING_AT_MOST:
            raise TooBusyError(f"{waiting} clips wait for their analysis; try again in a moment")

    async def listen(self, clip: Clip) -> Heard:
        """What the model hears in a clip.

        Raises:
            AudioError: If it is not audio that can be decoded and embedded.
            TooBusyError: If too many clips wait.
        """
        if clip.content_hash not in self._heard:
            self.refuse_if_busy()
            heard = await anyio.to_thread.run_sync(self._analyse, clip.path, limiter=self._places)
            self._heard[clip.content_hash] = heard
        self._heard.move_to_end(clip.content_hash)
        if len(self._heard) > REMEMBERED:
            self._heard.popitem(last=False)
        return self._heard[clip.content_hash]

    def _analyse(self, path: Path) -> Heard:
        try:
            analysis = self._analyser.analyse(path)
        except AudioError as error:
            # Its name here means nothing to whoever sent it.
            raise AudioError(error.code, error.message.replace(path.name, "the clip")) from error
        finally:
            give_back_memory()
        return Heard(vector=analysis.vector, tag_probabilities=analysis.tag_probabilities)
