"""Files whose names are of every script, of broken encodings, or of what quotes and terminals trip over.

They are ingested, listed, searched, heard and exported, and each must come back as the very bytes that it is called.
"""

import json
import os
import random
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np

from proofs.processes import run_facet, serving
from proofs.proving import check, folder_in, tell
from proofs.small_catalogue import small_catalogue
from tests.service.http.running import encoded, tune

ODD = [
    *(b" leading", b"trailing ", b"-rf", b"--report", b"#hash", b"100%41", b"a'b\"c", b"back\\slash", b"new\nline"),
    *(b"tab\tbell\x07escape\x1b[31m", b"\xe2\x80\xaeright to left", b"CON", b"name.", b"a;b&c|d$e`f", b"*?[x]"),
    *("e\u0301".encode(), "\u00e9".encode(), "\ufeffmark".encode(), "\u2028separator".encode(), b"<b>&amp;"),
    *(b"\xff", b"\xfe\xff\x00a".replace(b"\0", b""), b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"caf\xe9"),
    *("\u65e5\u672c".encode("shift_jis"), "\u041c\u0438\u0440".encode("koi8-r"), b"\x80" * 200, b"n" * 251),
]


def prove(size: int, folder: Path) -> None:
    """Use `size` names of every script, and all odd ones.

    Raises:
        NotProvenError: If one is lost or comes back as another.
    """
    small = small_catalogue(folder, files=0)
    rng = np.random.default_rng(3)
    sound = [encoded(tune(rng, seconds=0.5 + 0.001 * number)) for number in range(7)]
    expected: dict[bytes, bytes] = {}
    scripts = set()
    for script, name in (*_scripts(size), *(("odd", each) for each in ODD)):
        path = os.fsencode(small.music) + b"/" + name + b".wav"
        # A sound of its own for each: the same content twice would still be two tracks, but prove less.
        content = sound[len(expected) % len(sound)] + len(expected).to_bytes(4, "little")
        with open(path, "wb") as file:  # noqa: PTH123  bytes, as the system has them
            file.write(content)
        expected[path] = content
        scripts.add(script)
    done = run_facet("ingest", small.music, environment=small.environment)
    check(done.returncode == 0, f"not everything was ingested: {done.stdout}{done.stderr}")
    again = run_facet("ingest", small.music, environment=small.environment)
    check(f"unchanged {len(expected)}" in " ".join(again.stdout.split()), f"not all is unchanged: {again.stdout}")
    listed = [
        json.loads(line) for line in run_facet("list", "--json", environment=small.environment).stdout.splitlines()
    ]
    paths = {os.fsencode(track["path"]): track["id"] for track in listed}
    check(paths.keys() == expected.keys(), f"{len(paths.keys() ^ expected.keys())} paths came back as others")
    shown = run_facet("list", environment=small.environment).stdout
    check("\x1b" not in shown and len(shown.splitlines()) == len(expected), "a name moved the terminal")
    with serving(folder, small.environment) as served, httpx.Client(base_url=served.address, timeout=30) as client:
        for path, track_id in paths.items():
            heard = client.get(f"/tracks/{track_id}/audio")
            check(heard.content == expected[path], f"{path!r} is heard as something else: {heard.status_code}")
            check(client.get(f"/tracks/{track_id}").json()["id"] == track_id, f"{path!r} is told as something else")
            name = path.rpartition(b"/")[2]
            clip = client.post("/tags", files={"file": (name.decode("latin-1").replace("\n", " "), sound[0])})
            check(clip.status_code == 200, f"a clip called {name!r} is refused: {clip.text}")
        found = client.get("/search?tag=rock&limit=100", headers={"accept": "audio/x-mpegurl"})
        lines = [line for line in found.text.splitlines() if line and not line.startswith("#")]
        check(found.status_code == 200 and len(lines) == min(100, len(expected)), "a name broke the playlist's lines")
    check(run_facet("backup", folder / "names.facet", environment=small.environment).returncode == 0, "no backup")
    elsewhere = {**small.environment, "FACET_DATA_DIR": str(folder_in(folder, "elsewhere"))}
    check(run_facet("restore", folder / "names.facet", environment=elsewhere).returncode == 0, "no restore")
    restored = run_facet("list", "--json", environment=elsewhere).stdout
    check(
        {os.fsencode(json.loads(line)["path"]) for line in restored.splitlines()} == expected.keys(), "a name changed"
    )
    tell("names", f"{len(expected)}, of {len(scripts) - 1} scripts, and {len(ODD)} that are odd or broken")


def _scripts(names_each: int) -> Iterator[tuple[str, bytes]]:
    """Names of letters of one script; by the first word of their names, a script is what Unicode calls it."""
    letters: dict[str, list[str]] = defaultdict(list)
    for point in range(0xA0, 0x323B0):
        letter = chr(point)
        if unicodedata.category(letter)[0] in "LMN" and (name := unicodedata.name(letter, "")):
            letters[name.split()[0]].append(letter)
    rng = random.Random(2)
    for script, known in sorted(letters.items()):
        if len(known) < 10:
            continue
        for _ in range(names_each):
            # At most 30 * 4 bytes, of the 255 that a name may have with its ending.
            text = "".join(rng.choices(known, k=rng.randint(1, 30)))
            yield script, text.encode()
