"""Whether a service may listen where it is told to: where strangers reach it, only with keys, or if told so in words.

`facet serve` asks before it listens.
"""

import shlex
from datetime import UTC, datetime

from service.safety.addresses import is_loopback
from service.safety.key_store import KeyStore
from service.settings import Settings


class OpenToStrangersError(Exception):
    """The service would answer whoever reaches it, and nobody said that this is meant."""


def refuse_to_be_open(settings: Settings) -> None:
    """Refuse an address of which others than this machine can ask, while there is no key.

    Args:
        settings: Where to listen, and which catalogue's keys count.

    Raises:
        OpenToStrangersError: If there is neither a key nor a word.
        CatalogueError: If the keys cannot be read.
    """
    if is_loopback(settings.host) or settings.allow_anonymous is not None:
        return
    store = KeyStore.open(settings.catalogue_url)
    try:
        now = datetime.now(UTC)
        has_key = any(key.state(now) == "active" for key in store.every())
    finally:
        store.close()
    if not has_key:
        # The demonstration has a catalogue of its own, which a plain command would not look at.
        elsewhere = settings.data_dir != Settings().data_dir
        where = f"FACET_DATA_DIR={shlex.quote(str(settings.data_dir))} " if elsewhere else ""
        raise OpenToStrangersError(
            f"{settings.host} can be reached from other machines, and there is no API key: whoever reaches it could "
            f"search the catalogue, hear its music and change it. Run `{where}facet keys create NAME --scope write`, "
            "or listen on 127.0.0.1; docs/settings.md#who-may-ask says how to do without keys"
        )


def warning(settings: Settings) -> str | None:
    """What to say of a service that asks others than this machine for no key; None if there is nothing to say."""
    if is_loopback(settings.host) or settings.allow_anonymous in (None, "only-this-machine-reaches-it"):
        return None
    may = (
        "search the catalogue and hear its music"
        if settings.allow_anonymous == "anyone-may-read"
        else ("search the catalogue, hear its music and change it")
    )
    return (
        f"Warning: FACET_ALLOW_ANONYMOUS is {settings.allow_anonymous}, so whoever reaches {settings.host} may {may}."
    )
