"""What the images are made of is there and is sent to the builder. `containers/check` builds and runs them for real."""

import http.server
import os
import re
import shlex
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import click
import pytest

from facet import main
from service.settings import Settings

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = (ROOT / "docker-compose.yml").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def sent_to_the_builder() -> set[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return {line.removeprefix("!") for line in lines if line.startswith("!")}


def copied_from_the_context() -> set[str]:
    copies = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, flags=re.MULTILINE)
    return {source for copy in copies for source in copy.split()[:-1]}


def is_ready(port: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(ROOT / "containers" / "is_ready.py")]
    return subprocess.run(
        command, env=os.environ | {"FACET_PORT": str(port)}, capture_output=True, text=True, check=False
    )


def test_all_that_is_copied_into_an_image_is_there_and_sent_to_the_builder() -> None:
    for source in copied_from_the_context():
        assert (ROOT / source.replace("${SERVE_LOCK}", "postgres")).exists(), source
        assert source in sent_to_the_builder() or source.split("/")[0] in sent_to_the_builder(), source


def test_all_that_a_wheel_holds_is_copied() -> None:
    assert set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]) <= copied_from_the_context()
    assert {"README.md", *PROJECT["project"]["license-files"]} <= copied_from_the_context()


def test_the_images_are_labelled_with_the_version_they_hold() -> None:
    assert f"ARG VERSION={PROJECT['project']['version']}\n" in DOCKERFILE


def test_only_the_training_image_has_torch() -> None:
    for name, has_torch in (("serving", False), ("postgres", False), ("evaluate", False), ("training", True)):
        lock = (ROOT / "locks" / f"{name}.txt").read_text()
        assert (re.search(r"^torch==", lock, flags=re.MULTILINE) is not None) is has_torch, name


@pytest.mark.parametrize("document", [DOCKERFILE, COMPOSE])
def test_every_setting_that_is_named_is_one(document: str) -> None:
    named = set(re.findall(r"^\s+(?:ENV )?FACET_(\w+)[=:]", document, flags=re.MULTILINE))
    assert named
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_the_job_asks_facet_evaluate_for_what_it_knows() -> None:
    job = COMPOSE.partition("\n  evaluate:\n")[2].partition("\n\n")[0]
    verb, *options = shlex.split(" ".join(re.findall(r"^      - (evaluate|--\S+)$", job, flags=re.MULTILINE)))
    command = main.get_command(click.Context(main), verb)
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    assert {option.partition("=")[0] for option in options} <= known
    assert "--out=/data/default" in options


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (503, 1)])
def test_the_health_check_says_what_readyz_says(status: int, expected: int) -> None:
    asked = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"so it is")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        done = is_ready(server.server_port)
        thread.join()
    assert (done.returncode, done.stdout, asked) == (expected, "so it is\n", ["/readyz"])


def test_the_health_check_fails_where_nobody_answers() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        port = server.server_port
    done = is_ready(port)
    assert done.returncode == 1
    assert f"no answer from port {port}" in done.stdout


def test_what_needs_no_key_is_published_to_this_machine_alone() -> None:
    assert "FACET_ALLOW_ANONYMOUS: ${FACET_ALLOW_ANONYMOUS-only-this-machine-reaches-it}" in COMPOSE
    assert "FACET_ALLOW_ANONYMOUS" not in re.sub(r"^#.*$", "", DOCKERFILE, flags=re.MULTILINE)
    published = re.findall(r"^ +ports: \[(.+)\]$", COMPOSE, flags=re.MULTILINE)
    assert len(published) == COMPOSE.count("ports:") > 0
    assert all(port.startswith('"127.0.0.1:') for port in published)
