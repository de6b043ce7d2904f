"""`facet keys`: API keys made, shown and revoked. What takes long to import is imported when a command runs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from service.commands.command_line import command_settings, in_plain_words

if TYPE_CHECKING:
    from service.safety.key_store import KeyStore

LONGEST_DAYS = 36_500


@click.group()
def keys() -> None:
    """Make, show and revoke API keys.

    Once there is a key, the service asks for one, unless FACET_ALLOW_ANONYMOUS says otherwise. A running service
    notices what is done here within two seconds.
    """


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["read", "write", "admin"]),
    required=True,
    help="What it opens: searching; changing the catalogue too; looking after the service too.",
)
@click.option(
    "--expires",
    "days",
    type=click.IntRange(1, LONGEST_DAYS),
    metavar="DAYS",
    help="After so many days it opens nothing.",
)
def create(name: str, scope: str, days: int | None) -> None:
    """Make a key and show it, this once. It is kept nowhere."""
    from service.safety.api_keys import Scope

    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with _store() as store:
        key = store.create(name, Scope(scope), expires_at=expires_at)
    # To stdout the key alone, so that it can be piped into where it is kept.
    click.echo(key)
    until = "" if expires_at is None else f", until {_day(expires_at)}"
    click.echo(
        f"That is the key {name!r} with scope {scope}{until}. Keep it now: it is not shown again. Send it as "
        "`Authorization: Bearer KEY` or `X-API-Key: KEY`.",
        err=True,
    )


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(*, as_json: bool) -> None:
    """Show all keys: name, scope, state, first characters, and when each was made, runs out and was last used."""
    now = datetime.now(UTC)
    with _store() as store:
        every = store.every()
    for key in every:
        days = {
            "created": _day(key.created_at),
            "expires": _day(key.expires_at),
            "revoked": _day(key.revoked_at),
            "last_used": _day(key.last_used_at),
        }
        if as_json:
            fields = {"name": key.name, "scope": key.scope.value, "state": key.state(now), "begins": key.hint, **days}
            click.echo(json.dumps(fields))
        else:
            words = "\t".join(f"{name.replace('_', ' ')} {day}" for name, day in days.items() if day is not None)
            click.echo(f"{key.name}\t{key.scope.value}\t{key.state(now)}\t{key.hint}…\t{words}")
    if not every:
        click.echo("there are no keys", err=True)


@keys.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Have a key open nothing from now on. Its name stays in the list."""
    with _store() as store:
        is_news = store.revoke(name)
    click.echo(f"the key {name!r} {'opens nothing any more' if is_news else 'was revoked before'}")


@keys.command()
@click.argument("name")
def forget(name: str) -> None:
    """Take a revoked or expired key out of the list.

    On a loopback address, a service whose list is empty answers without keys again.
    """
    with _store() as store:
        store.forget(name)
    click.echo(f"the key {name!r} is forgotten")


@contextmanager
def _store() -> Iterator["KeyStore"]:
    settings = command_settings()
    with in_plain_words():
        from service.safety.key_store import KeyStore

        store = KeyStore.open(settings.catalogue_url)
        try:
            yield store
        finally:
            store.close()


def _day(moment: datetime | None) -> str | None:
    return None if moment is None else moment.date().isoformat()
