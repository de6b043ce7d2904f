"""The log: events in the past tense with fields, one line each, on stderr. Every module of `service` logs through this.

    log = get_logger(__name__)
    log.info("snapshot_opened", snapshot=path.name, tracks=n)

For a person at a terminal they are laid out to be read, for everything else they are JSON. What other libraries log
comes out in the same form. What is bound while a request is answered (`request_id`) stands in every event of it.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import Literal, cast

import structlog
from structlog.stdlib import BoundLogger, ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

LogFormat = Literal["auto", "json", "text"]

# An event becomes a record of the standard library, whose handlers decide where it goes and how it looks: so that
# nothing is configured at import, and a test, or a program that imports Facet, sees records as it is used to.
_TO_RECORD: tuple[Processor, ...] = (
    structlog.stdlib.filter_by_level,
    structlog.contextvars.merge_contextvars,
    ProcessorFormatter.wrap_for_formatter,
)


def get_logger(name: str) -> BoundLogger:
    """The logger of a module."""
    wrapped = structlog.wrap_logger(logging.getLogger(name), processors=_TO_RECORD, wrapper_class=BoundLogger)
    return cast(BoundLogger, wrapped)


def write_logs(log_format: LogFormat, *, level: int) -> None:
    """Write what is logged to stderr from now on.

    Args:
        log_format: "auto" is text for a terminal and JSON for anything else.
        level: Of the standard library; what is below is dropped.
    """
    is_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler()
    handler.setFormatter(log_formatter(is_text=is_text, has_colours=is_text and sys.stderr.isatty()))
    root = logging.getLogger()
    for before in root.handlers[:]:
        root.removeHandler(before)
    root.addHandler(handler)
    root.setLevel(level)


def log_formatter(*, is_text: bool, has_colours: bool = False) -> logging.Formatter:
    """What makes a line of a record."""
    shown: list[Processor]
    if is_text:
        shown = [structlog.dev.ConsoleRenderer(colors=has_colours)]
    else:
        shown = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    return ProcessorFormatter(processors=[_say_when_and_where, ProcessorFormatter.remove_processors_meta, *shown])


def _say_when_and_where(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001
    record: logging.LogRecord = event["_record"]
    event["timestamp"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    event["level"] = record.levelname.lower()
    event["logger"] = record.name
    return event
