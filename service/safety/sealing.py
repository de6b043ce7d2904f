"""What the service gives out for a while in place of a key: a browser's session, and addresses that a player can play.

Both are sealed with the secret of the catalogue, so they hold in every process of the service, and nobody makes one up.
A session is worth no more than its key, and only for reading; an address plays one track. `callers` recognises them.
"""

import hashlib
import hmac
import json
import re
from datetime import datetime
from urllib.parse import parse_qs

from service.safety.api_keys import ApiKey
from service.safety.key_ring import Keys

COOKIE = "facet_session"
# A working day and a half. Whoever comes back later gives the key again.
SESSION_SECONDS = 12 * 3600
# A playlist is for this evening, or for a day at work.
ADDRESS_SECONDS = 24 * 3600

_SESSION = re.compile(r"([0-9]{1,12})\.([0-9a-f]{32})\.(.+)", re.ASCII)
_SOUND = re.compile(r"/tracks/([0-9a-f-]{36})/audio", re.ASCII)
_UNTIL = re.compile(r"[0-9]{1,12}", re.ASCII)


def new_session(key: ApiKey, *, secret: bytes, now: datetime) -> str:
    """What a browser is to send as the cookie, so that it may ask what a key may."""
    until = int(now.timestamp()) + SESSION_SECONDS
    return f"{until}.{_session_seal(key, until, secret)}.{key.name}"


def session_owner(cookie: str, keys: Keys, *, secret: bytes, now: datetime) -> ApiKey | None:
    """The key that a session was begun with; None if it is none, has run out, or its key opens nothing any more."""
    found = _SESSION.fullmatch(cookie)
    key = None if found is None else keys.named(found[3])
    if found is None or key is None or key.state(now) != "active" or int(found[1]) <= now.timestamp():
        return None
    return key if hmac.compare_digest(found[2], _session_seal(key, int(found[1]), secret)) else None


def sealed_query(track_id: str, *, secret: bytes, now: datetime) -> str:
    """What to put behind the `?` of the address of a track's sound, so that it plays without a key for a day."""
    until = int(now.timestamp()) + ADDRESS_SECONDS
    return f"until={until}&seal={_seal(secret, 'sound', track_id, str(until))}"


def is_sealed_address(path: str, query: str, *, secret: bytes, now: datetime) -> bool:
    """Whether an address of a track's sound was given out by the service, less than a day ago."""
    track, fields = _SOUND.fullmatch(path), parse_qs(query)
    until, seal = fields.get("until", [""])[0], fields.get("seal", [""])[0]
    if track is None or _UNTIL.fullmatch(until) is None or int(until) <= now.timestamp():
        return False
    return hmac.compare_digest(seal.encode(), _seal(secret, "sound", track[1], until).encode())


def _session_seal(key: ApiKey, until: int, secret: bytes) -> str:
    # Of the key, not of its name: a key that was forgotten and made anew under its name knows no session of before.
    return _seal(secret, "session", key.name, key.digest.hex(), str(until))


def _seal(secret: bytes, *parts: str) -> str:
    """128 bits; the first part says what is sealed, so that no seal passes for one of another kind."""
    return hmac.new(secret, json.dumps(parts).encode(), hashlib.sha256).hexdigest()[:32]
