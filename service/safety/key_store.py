"""API keys in the catalogue's database. `facet keys` writes them, `key_ring` reads them while the service runs."""

import re
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Self

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from service.catalogue.database import BUSY_SECONDS, Database
from service.catalogue.errors import CatalogueError
from service.catalogue.repository import Catalogue
from service.catalogue.tables import ApiKeyRow
from service.safety.api_keys import HINT_DIGITS, ApiKey, Scope, digest_of, new_key

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class KeyNameError(CatalogueError):
    """The name is none, is taken, or is that of no key."""


class KeyStore:
    """The keys of one catalogue; safe to share between threads. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        """Take over a database whose tables are in order; `open` sees to that."""
        self._database = database

    @classmethod
    def open(cls, url: str, *, busy_seconds: float = BUSY_SECONDS) -> Self:
        """The keys of the catalogue at a URL.

        Raises:
            CatalogueError: As `Catalogue.open`.
        """
        Catalogue.open(url, busy_seconds=busy_seconds).close()
        return cls(Database(url, busy_seconds=busy_seconds))

    def close(self) -> None:
        """Give every connection back."""
        self._database.close()

    def create(self, name: str, scope: Scope, *, expires_at: datetime | None = None) -> str:
        """A new key.

        Args:
            name: What to call it.
            scope: What it opens.
            expires_at: From then on it opens nothing.

        Returns:
            The key, which is kept nowhere.

        Raises:
            KeyNameError: If there is a key of this name, or it is no name.
        """
        if NAME.fullmatch(name) is None:
            raise KeyNameError(
                f"{name!r} is no name for a key: up to 64 letters of ASCII, digits, dots, dashes and underscores"
            )
        key = new_key()
        row = ApiKeyRow(
            name=name,
            scope=scope.value,
            digest=digest_of(key),
            hint=key[:HINT_DIGITS],
            created_at=datetime.now(UTC),
            expires_at=expires_at,
        )
        try:
            with self._database.writing() as session:
                session.add(row)
        except IntegrityError as error:
            raise KeyNameError(
                f"there is a key {name!r} already; `facet keys list` shows it, `facet keys forget` frees the name of "
                "one that is revoked or expired"
            ) from error
        return key

    def every(self) -> list[ApiKey]:
        """All keys, revoked and expired ones too, in the order of names."""
        with self._database.reading() as session:
            return [
                ApiKey(
                    name=row.name,
                    scope=Scope(row.scope),
                    digest=row.digest,
                    hint=row.hint,
                    created_at=row.created_at,
                    expires_at=row.expires_at,
                    revoked_at=row.revoked_at,
                    last_used_at=row.last_used_at,
                )
                for row in session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.name))
            ]

    def revoke(self, name: str) -> bool:
        """Have a key open nothing from now on.

        Returns:
            Whether it was not revoked before.

        Raises:
            KeyNameError: If there is none of this name.
        """
        with self._database.writing() as session:
            row = _row(session.get(ApiKeyRow, name), name)
            if row.revoked_at is not None:
                return False
            row.revoked_at = datetime.now(UTC)
            return True

    def forget(self, name: str) -> None:
        """Keep nothing of a key that opens nothing any more.

        Raises:
            KeyNameError: If there is none of this name, or it is still good.
        """
        with self._database.writing() as session:
            row = _row(session.get(ApiKeyRow, name), name)
            is_expired = row.expires_at is not None and row.expires_at <= datetime.now(UTC)
            if row.revoked_at is None and not is_expired:
                raise KeyNameError(f"the key {name!r} is still good; `facet keys revoke {name}` first")
            session.delete(row)

    def mark_used(self, names: Collection[str], at: datetime) -> None:
        """Keep when keys were last used; unknown ones are passed over."""
        with self._database.writing() as session:
            session.execute(update(ApiKeyRow).where(ApiKeyRow.name.in_(names)).values(last_used_at=at))


def _row(row: ApiKeyRow | None, name: str) -> ApiKeyRow:
    if row is None:
        raise KeyNameError(f"there is no key {name!r}; `facet keys list` shows all")
    return row
