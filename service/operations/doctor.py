"""What is wrong with this Facet, in words. `facet doctor` prints what is found here.

Each check is a function of the settings that tells what it finds, and changes nothing. They stand in the order in which
one thing rests on another.
"""

from collections.abc import Iterator

from service.operations import answering_checks, catalogue_checks, machine_checks, work_checks
from service.operations.findings import Check, Finding, Verdict, problem
from service.settings import Settings

__all__ = ["CHECKS", "THOROUGH_CHECKS", "Finding", "Verdict", "examine"]

CHECKS: tuple[Check, ...] = (
    machine_checks.processor,
    machine_checks.memory,
    machine_checks.open_files,
    machine_checks.disks,
    catalogue_checks.catalogue,
    answering_checks.model,
    answering_checks.index,
    work_checks.takeover,
    work_checks.uploads,
    answering_checks.service,
)
# These read everything there is.
THOROUGH_CHECKS: tuple[Check, ...] = (catalogue_checks.whole_database, answering_checks.whole_index)


def examine(settings: Settings, *, thorough: bool = False) -> Iterator[Finding]:
    """What every check finds, as it is found.

    Args:
        settings: Of the Facet that is looked at.
        thorough: Whether the database and the snapshots are read through as well.
    """
    for check in (*CHECKS, *(THOROUGH_CHECKS if thorough else ())):
        try:
            yield from check(settings)
        except Exception as error:  # one check that fails must not hide what the others find
            yield problem(
                check.__name__.replace("_", " "),
                "not_examined",
                f"this could not be looked at: {type(error).__name__}: {error}",
                "if the others do not explain it, please report this",
            )
