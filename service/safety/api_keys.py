"""The text of an API key, and what of it is kept. `facet keys` makes them, `key_ring` recognises them.

A key is `facet_`, 256 random bits in 43 digits to the base 62, and six digits of CRC-32 over all that, so that a key
which was cut off or mistyped is told from one that nobody has.

What is kept is the key's SHA-256. A slow hash is for secrets that people choose: it makes each guess dear because few
guesses are needed. Nobody guesses 256 random bits, however quick the hash, and a slow one would only slow every request
down.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

PREFIX = "facet_"
DIGITS = string.digits + string.ascii_letters
SECRET_BITS = 256
# 62^43 > 2^256, 62^6 > 2^32.
SECRET_DIGITS = 43
CHECK_DIGITS = 6
# Shown of a key afterwards. Behind the prefix they are 24 of its 256 bits.
HINT_DIGITS = len(PREFIX) + 4

_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{SECRET_DIGITS + CHECK_DIGITS}}}")


class Scope(StrEnum):
    """What a key opens. Each one opens what those before it do."""

    READ = "read"
    """Searches, and whatever else only looks."""
    WRITE = "write"
    """What changes the catalogue, or tells where its files lie."""
    ADMIN = "admin"
    """What looks after the service itself."""

    def includes(self, other: "Scope") -> bool:
        """Whether this scope opens what `other` opens."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True)
class ApiKey:
    """What is known of a key.

    Attributes:
        name: Unique, among revoked ones too.
        scope: What it opens.
        digest: sha256 of the whole key.
        hint: Its first characters.
        created_at: When it was made.
        expires_at: From then on it opens nothing; None for never.
        revoked_at: When it was revoked, or None.
        last_used_at: When it was last used, to the hour; None for never.
    """

    name: str
    scope: Scope
    digest: bytes
    hint: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def state(self, now: datetime) -> str:
        """In a word: active, revoked or expired."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"

    def is_of(self, digest: bytes) -> bool:
        """Whether a key with this digest is this one; takes as long whichever bytes differ."""
        return hmac.compare_digest(self.digest, digest)


def new_key() -> str:
    """A key that nobody has yet."""
    body = PREFIX + _to_base_62(secrets.randbits(SECRET_BITS), SECRET_DIGITS)
    return body + _check(body)


def is_well_formed(text: str) -> bool:
    """Whether a text could be a key: its form is that of one, and its check digits are right."""
    return _FORM.fullmatch(text) is not None and text[-CHECK_DIGITS:] == _check(text[:-CHECK_DIGITS])


def digest_of(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).digest()


def _check(body: str) -> str:
    return _to_base_62(zlib.crc32(body.encode()), CHECK_DIGITS)


def _to_base_62(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, len(DIGITS))
        text = DIGITS[digit] + text
    return text
