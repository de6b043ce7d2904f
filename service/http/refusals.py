"""Why a request is refused, in the words of the domain. `problems` alone knows which HTTP status each one is."""

from collections.abc import Collection
from typing import ClassVar, Self


class RefusalError(Exception):
    """The request cannot be answered as it was asked. `code` is stable, for programs."""

    code: ClassVar[str]


class UnknownNameError(RefusalError):
    """A name was given that does not exist, though similar ones may.

    Attributes:
        found: What was given.
        known: All names that exist.
    """

    def __init__(self, message: str, *, found: str, known: Collection[str]) -> None:
        super().__init__(message)
        self.found = found
        self.known = tuple(known)


class UnknownParameterError(UnknownNameError):
    """The call has no such query parameter."""

    code = "unknown_parameter"


class UnknownTagError(UnknownNameError):
    """The bundle has no such tag."""

    code = "unknown_tag"


class InvalidParameterError(RefusalError):
    """A query parameter's value means nothing."""

    code = "invalid_parameter"


class ConflictingParametersError(RefusalError):
    """Two parameters exclude each other."""

    code = "conflicting_parameters"


class UnknownFieldError(UnknownNameError):
    """The body has a field that the call does not take."""

    code = "unknown_field"


class ClipNotFoundError(RefusalError):
    """No clip is kept under this handle."""

    code = "clip_not_found"


class InvalidCursorError(RefusalError):
    """A cursor is damaged, or belongs to another question."""

    code = "invalid_cursor"


class NoMapError(RefusalError):
    """No map of the catalogue was drawn yet."""

    code = "no_map"


class NoDirectionError(RefusalError):
    """The example sounds of nothing in the dimensions asked for, so nothing is nearer to it than anything else."""

    code = "no_direction"


class TrackNotEmbeddedError(RefusalError):
    """The track is in the catalogue, but not in the embedding space of the bundle that answers."""

    code = "track_not_embedded"

    @classmethod
    def of(cls, track_id: str, *, model: str) -> Self:
        """The track has no embedding of this model."""
        return cls(f"track {track_id} is not analysed with the model {model!r}; GET /model says how far that is")


class NotReadyError(RefusalError):
    """The service cannot answer at this moment, and will by itself."""

    code = "not_ready"


class TooBusyError(RefusalError):
    """More work of this kind waits than can be done soon."""

    code = "too_busy"


class KeyNeededError(RefusalError):
    """The request carries no API key, and needs one."""

    code = "key_needed"


class InvalidKeyError(RefusalError):
    """The request carries something that is no API key, or one that opens nothing any more."""

    code = "invalid_key"


class ScopeError(RefusalError):
    """The request's key, or having none, does not open this."""

    code = "insufficient_scope"


class OtherSiteError(RefusalError):
    """A page of another site asks, through somebody's browser, a service that asks for no key."""

    code = "other_site"


class UnknownHostError(RefusalError):
    """The service is asked under a name that is not its own, and asks for no key."""

    code = "unknown_host"


class TooManyRequestsError(RefusalError):
    """One caller asks for more than its share.

    Attributes:
        retry_after_seconds: When to try again.
    """

    code = "too_many_requests"

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
