"""What a check of `doctor` finds: a verdict, in words, and what to do about it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from service.settings import Settings


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, but not as well as it could, or not for much longer."""
    PROBLEM = "problem"
    """Something does not work."""


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        check: What was looked at.
        code: Stable, for programs; "ok" if all is well.
        says: What is so, in words.
        remedy: What to do; None if all is well.
    """

    check: str
    verdict: Verdict
    code: str
    says: str
    remedy: str | None = None

    def as_fields(self) -> dict[str, str | None]:
        """For a program."""
        return {
            **{"check": self.check, "verdict": self.verdict.value, "code": self.code},
            **{"says": self.says, "remedy": self.remedy},
        }


Check = Callable[[Settings], Iterable[Finding]]


def well(check: str, says: str) -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, "ok", says)


def warning(check: str, code: str, says: str, remedy: str) -> Finding:
    """It could be better."""
    return Finding(check, Verdict.WARNING, code, says, remedy)


def problem(check: str, code: str, says: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(check, Verdict.PROBLEM, code, says, remedy)
