"""The log-mel front end of each backbone. `mel_cache` computes frames with it, `checkpoint_export` ships it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from torch import nn

from training.log_mel import MUSICNN_LOG_MEL, LogMel, LogMelProducts, LogMelSettings
from training.paper_log_mel import DEVIATION, MEAN, PAPER_LOG_MEL, PaperLogMel, PaperLogMelProducts


@dataclass(frozen=True)
class FrontEnd:
    """One function from waveforms to frames, in its two forms.

    Attributes:
        settings: What both are made with.
        plain: By torchaudio.
        products: By matrix products, for a bundle's graph.
        constants: What else decides the frames.
    """

    settings: LogMelSettings
    plain: Callable[[LogMelSettings], nn.Module]
    products: Callable[[LogMelSettings], nn.Module]
    constants: tuple[float, ...] = ()

    @property
    def fingerprint(self) -> dict[str, Any]:
        """All that decides the frames: those of equal ones can be exchanged."""
        return {"function": str(getattr(self.plain, "__name__", "")), "constants": self.constants} | asdict(
            self.settings
        )


FRONT_ENDS: dict[Literal["inception", "musicnn"], FrontEnd] = {
    "inception": FrontEnd(PAPER_LOG_MEL, PaperLogMel, PaperLogMelProducts, (MEAN, DEVIATION)),
    "musicnn": FrontEnd(MUSICNN_LOG_MEL, LogMel, LogMelProducts),
}
