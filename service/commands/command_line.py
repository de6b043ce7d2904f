"""What commands do around their work: settings from the environment, errors in plain words, an end on Ctrl-C."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click
from pydantic import ValidationError

from index.threads import cap_threads
from service.settings import Settings


class Stop(threading.Event):
    """Set when the process is asked to end.

    Attributes:
        signal_number: Of the signal that asked, or None.
    """

    signal_number: int | None = None


def command_settings(*, threads_per_library: int | None = None) -> Settings:
    """The settings of the environment; caps threads before FAISS and BLAS are imported.

    Args:
        threads_per_library: Of a command that does many things at once by itself; else as many as the settings say.

    Raises:
        ClickException: If the environment holds a setting that cannot be.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        complaints = (f"FACET_{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors())
        raise click.ClickException("; ".join(complaints)) from error
    cap_threads(threads_per_library or settings.threads)
    logging.basicConfig(handlers=[_FirstRecord(settings)], level=logging.WARNING, force=True)
    return settings


class _FirstRecord(logging.Handler):
    """Sets the log up when there is something to log: what lays it out takes longer to import than many a command."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def emit(self, record: logging.LogRecord) -> None:
        """Put the real handlers in this one's place, and hand the record on to them."""
        from service.operations.logs import write_logs

        write_logs(self._settings.log_format, level=logging.WARNING)
        logging.getLogger().handle(record)


@contextmanager
def in_plain_words() -> Iterator[None]:
    """Say an error of the catalogue, which a person can mend, without a traceback.

    Raises:
        ClickException: In its place; the exit status is then 1.
    """
    from service.catalogue.errors import CatalogueError

    try:
        yield
    except CatalogueError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def stopping_on_signals() -> Iterator[Stop]:
    """Turn the first Ctrl-C, or a SIGTERM, into a request. The second Ctrl-C is a KeyboardInterrupt again.

    Yields:
        The request.
    """
    stop = Stop()

    def ask(number: int, _: FrameType | None) -> None:
        stop.signal_number = number
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # Unbuffered: a handler may run in the middle of somebody's print.
        os.write(sys.stderr.fileno(), b"\nfinishing what is under way; Ctrl-C again drops it\n")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
