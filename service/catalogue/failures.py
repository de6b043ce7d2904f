"""Files whose latest ingest failed: `Catalogue.failures`. Every method is one transaction of its own."""

from collections.abc import Collection
from pathlib import Path

from sqlalchemy import func, select

from service.catalogue.database import Database
from service.catalogue.records import IngestResult, Outcome
from service.catalogue.tables import ResultRow
from service.catalogue.writing import Writing


class Failures:
    """What is asked about them, and how they are forgotten; ingest itself notes them."""

    def __init__(self, database: Database) -> None:
        """Ask this database."""
        self._database = database

    def every(self) -> list[IngestResult]:
        """All of them, in the order of paths."""
        question = select(ResultRow).where(ResultRow.outcome == Outcome.FAILED).order_by(ResultRow.path)
        with self._database.reading() as session:
            return [row.as_result() for row in session.scalars(question)]

    def count(self) -> dict[str, int]:
        """Number of files, by code."""
        question = (
            select(ResultRow.code, func.count())
            .where(ResultRow.outcome == Outcome.FAILED)
            .group_by(ResultRow.code)
            .order_by(ResultRow.code)
        )
        with self._database.reading() as session:
            return {code or "": count for code, count in session.execute(question)}

    def forget(self, paths: Collection[Path]) -> None:
        """Keep no longer that these files failed.

        Raises:
            CatalogueUnavailableError: If the database cannot be written.
        """
        with self._database.writing() as session:
            writing = Writing(session)
            for path in paths:
                writing.forget_result(path)
