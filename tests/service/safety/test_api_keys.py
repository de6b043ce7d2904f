"""Keys: their form, their check digits, and how they are compared."""

import hashlib
import hmac
import operator
import zlib
from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.safety import api_keys
from service.safety.api_keys import DIGITS, ApiKey, Scope, digest_of, is_well_formed, new_key
from service.safety.key_ring import Keys

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def made(name: str, text: str, **fields: datetime) -> ApiKey:
    return ApiKey(name=name, scope=Scope.READ, digest=digest_of(text), hint=text[:10], created_at=NOW, **fields)


def test_a_new_key_has_the_form_of_one_and_256_bits_of_chance() -> None:
    keys = {new_key() for _ in range(200)}
    assert len(keys) == 200
    numbers = []
    for key in keys:
        assert is_well_formed(key)
        secret, check = key[6:-6], key[-6:]
        assert key.startswith("facet_")
        number = sum(DIGITS.index(digit) * 62**place for place, digit in enumerate(reversed(secret)))
        numbers.append(number)
        assert sum(DIGITS.index(d) * 62**n for n, d in enumerate(reversed(check))) == zlib.crc32(key[:-6].encode())
    # Of 200 numbers of 256 bits, each bit is set in some and clear in others.
    assert reduce(operator.or_, numbers) == 2**256 - 1
    assert reduce(operator.and_, numbers) == 0


@given(st.data())
def test_a_key_with_another_character_in_it_is_none(data: st.DataObject) -> None:
    key = new_key()
    place = data.draw(st.integers(0, len(key) - 1))
    other = data.draw(st.characters().filter(lambda character: character != key[place]))
    assert not is_well_formed(key[:place] + other + key[place + 1 :])


@given(st.integers(0, 54), st.text())
def test_what_was_cut_off_or_is_of_something_else_is_no_key(length: int, text: str) -> None:
    assert not is_well_formed(new_key()[:length])
    assert not is_well_formed(text)
    assert not is_well_formed(new_key() + "\n")


def test_what_is_kept_is_the_sha_256() -> None:
    key = new_key()
    assert digest_of(key) == hashlib.sha256(key.encode("ascii")).digest()


def test_every_scope_opens_what_those_before_it_do() -> None:
    opens = {scope: [other for other in Scope if scope.includes(other)] for scope in Scope}
    assert opens == {
        Scope.READ: [Scope.READ],
        Scope.WRITE: [Scope.READ, Scope.WRITE],
        Scope.ADMIN: [Scope.READ, Scope.WRITE, Scope.ADMIN],
    }


def test_a_key_is_compared_with_every_other_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [new_key() for _ in range(5)]
    keys = Keys(tuple(made(str(number), text) for number, text in enumerate(texts)))
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    class Watched:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(api_keys, "hmac", Watched)
    found = keys.key(texts[0])
    assert found is not None
    assert found.name == "0"
    # Where the key stands makes no difference to how many are looked at.
    assert compared == [(digest_of(text), digest_of(texts[0])) for text in texts]
    assert keys.key(new_key()) is None


def test_a_key_runs_out_at_its_moment_and_not_before() -> None:
    key = made("a", new_key(), expires_at=NOW)
    assert key.state(NOW - timedelta(microseconds=1)) == "active"
    assert key.state(NOW) == "expired"
    revoked = made("a", new_key(), expires_at=NOW, revoked_at=NOW)
    assert revoked.state(NOW) == "revoked"
