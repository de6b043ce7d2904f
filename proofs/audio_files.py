"""Damaged and truncated audio of every format, sent to a running service: it answers each, with a code, and lives.

Of each format that the tests can write, copies are cut off, flipped, blanked, doubled, mixed and lied about. Every one
is asked about at `POST /tags`: what is answered is the tags, or a problem with one of the decoder's codes.
"""

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx

from index.audio import AudioErrorCode
from proofs.processes import memory_bytes, run_facet, serving
from proofs.proving import check, tell
from proofs.small_catalogue import small_catalogue
from tests.index.audio_files import FORMATS, music, write

SOUND_SECONDS = 4.0
DECODE_SECONDS = 10.0
# Beside the decoder's time limit: the upload, the wait for a place, and a machine that does other things as well.
ANSWER_SECONDS = DECODE_SECONDS + 60
CODES = {code.value for code in AudioErrorCode} | {"empty_file"}

Damage = Callable[[bytes, random.Random], bytes]


def prove(size: int, folder: Path) -> None:
    """Send `size` damaged files.

    Raises:
        NotProvenError: If one is not answered as it should be, or harms the service.
    """
    small = small_catalogue(folder, files=3)
    check(run_facet("ingest", small.music, environment=small.environment).returncode == 0, "nothing was ingested")
    sound = music(SOUND_SECONDS, channels=1)
    whole = {name: write(folder / f"whole{kind.suffix}", sound, kind).read_bytes() for name, kind in FORMATS.items()}
    answers: Counter[str] = Counter()
    seconds = []
    ways: set[str] = set()
    environment = {**small.environment, "FACET_DECODE_SECONDS": str(DECODE_SECONDS)}
    with (
        serving(folder, environment) as served,
        httpx.Client(base_url=served.address, timeout=ANSWER_SECONDS) as client,
    ):
        memory_before = memory_bytes(served.process.pid)
        for name, content in whole.items():
            answer = client.post("/tags", files={"file": content})
            check(answer.status_code == 200, f"{name} was not heard though it is whole: {answer.text}")
        rng = random.Random(7)
        for number in range(size):
            name = list(whole)[number % len(whole)]
            damage = DAMAGES[number // len(whole) % len(DAMAGES)]
            ways.add(damage.__name__)
            content = damage(whole[name], rng)
            began = time.monotonic()
            try:
                answer = client.post("/tags", files={"file": content})
            except httpx.HTTPError as error:
                check(False, f"file {number}, {name}, {damage.__name__}: no answer: {error!r}")
            seconds.append(time.monotonic() - began)
            code = "heard" if answer.status_code == 200 else str(answer.json().get("code"))
            check(code == "heard" or code in CODES, f"file {number}, {name}, {damage.__name__}: {answer.text}")
            answers[code] += 1
        check(served.process.poll() is None, "the service ended")
        check(client.get("/readyz").status_code == 200, "the service is not ready afterwards")
        check(
            client.post("/tags", files={"file": whole["flac"]}).status_code == 200, "a whole file is not heard any more"
        )
        grown = memory_bytes(served.process.pid) - memory_before
    tell("files", f"{size} of {min(size, len(whole))} formats, damaged in {len(ways)} ways")
    tell("answers", ", ".join(f"{count} {code}" for code, count in answers.most_common()))
    tell("slowest answer", f"{max(seconds):.2f} s; median {sorted(seconds)[len(seconds) // 2] * 1000:.0f} ms")
    tell("memory of the service grew by", f"{grown / 1e6:.0f} MB")


def _cut_off(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def _cut_off_in_its_head(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(min(200, len(content)))]


def _without_its_head(content: bytes, rng: random.Random) -> bytes:
    return content[rng.randrange(1, 2000) :]


def _with_flipped_bits(content: bytes, rng: random.Random) -> bytes:
    return _changed(content, rng, places=range(len(content)), share=rng.choice([0.0001, 0.001, 0.01, 0.1]))


def _with_a_flipped_head(content: bytes, rng: random.Random) -> bytes:
    return _changed(content, rng, places=range(min(200, len(content))), share=0.05)


def _with_a_wild_number(content: bytes, rng: random.Random) -> bytes:
    """One of the numbers of the head, lengths among them, says the least or the most it can."""
    at = rng.randrange(4, 100)
    return content[:at] + rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"]) + content[at + 4 :]


def _blanked(content: bytes, rng: random.Random) -> bytes:
    at, length = rng.randrange(len(content)), rng.randrange(1, len(content) // 2)
    return content[:at] + bytes(len(content[at : at + length])) + content[at + length :]


def _with_a_part_twice(content: bytes, rng: random.Random) -> bytes:
    at, length = rng.randrange(len(content)), rng.randrange(1, len(content) // 2)
    return content[: at + length] + content[at:]


def _with_a_part_missing(content: bytes, rng: random.Random) -> bytes:
    at, length = rng.randrange(len(content)), rng.randrange(1, len(content) // 2)
    return content[:at] + content[at + length :]


def _of_noise_behind_its_head(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(8, 600)
    return content[:at] + rng.randbytes(len(content) - at)


def _repeated_many_times(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(1000, 20_000)] * 20


def _changed(content: bytes, rng: random.Random, *, places: range, share: float) -> bytes:
    changed = bytearray(content)
    for at in rng.sample(places, max(1, int(len(places) * share))):
        changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)


DAMAGES: tuple[Damage, ...] = (
    *(_cut_off, _cut_off_in_its_head, _without_its_head, _with_flipped_bits, _with_a_flipped_head),
    *(_with_a_wild_number, _blanked, _with_a_part_twice, _with_a_part_missing, _of_noise_behind_its_head),
    _repeated_many_times,
)
