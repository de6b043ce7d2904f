"""The `facet` command: every verb is there, and costs only what it needs."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from facet import VERBS, main

ROOT = Path(__file__).parents[1]


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_of_its_own(verb: str) -> None:
    result = CliRunner().invoke(main, [verb, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage" in result.output


def test_help_names_every_verb_and_imports_none() -> None:
    done = python(
        "import sys, facet\n"
        "facet.main(['--help'], standalone_mode=False)\n"
        "heavy = {'numpy', 'fastapi', 'sqlalchemy', 'torch', 'service', 'training', 'index'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    assert done.returncode == 0, done.stderr
    for name, verb in VERBS.items():
        assert f"  {name} " in done.stdout
        assert verb.help in done.stdout


def test_serving_imports_neither_torch_nor_training() -> None:
    done = python(
        "import sys, service.http.serving, service.commands.serving\n"
        "heavy = {'torch', 'training', 'onnx', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    assert done.returncode == 0, done.stderr


def test_a_verb_whose_extra_is_not_installed_says_which_one_it_is(tmp_path: Path) -> None:
    done = python(
        "import sys, facet\n"
        "sys.modules['torch'] = None\n"
        f"facet.main(['export', 'musicnn-msd', {str(tmp_path / 'out')!r}])"
    )
    assert done.returncode == 1
    assert "pip install 'facet[training]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_verb_is_refused() -> None:
    result = CliRunner().invoke(main, ["bogus"])
    assert result.exit_code == 2
    assert "No such command 'bogus'" in result.output
