"""`facet evaluate`: what it writes, what it refuses, and that it needs neither torch nor what only training needs."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from facet import main
from tests.training.evaluation.small_bundle import write_bundle, write_catalogue
from training.evaluation.conditions import CONDITIONS
from training.evaluation.evaluation import Evaluation, Task, read_evaluation

ROOT = Path(__file__).parents[2]
WRITTEN = ("evaluation.json", "evaluation.md", "evaluation-plots.png", "evaluation-space.png")
QUICK = ("--triplets", "200", "--resamples", "20")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle") / "small")


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalogue(tmp_path_factory.mktemp("music"), split=True)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


def run(*arguments: object, fails: bool = False) -> str:
    result = CliRunner().invoke(main, ["evaluate", *map(str, arguments)], catch_exceptions=False)
    assert (result.exit_code != 0) == fails, result.output
    return result.output


@pytest.mark.timeout(300)
def test_the_shipped_bundle_reaches_its_thresholds_on_the_samples(tmp_path: Path) -> None:
    begun = time.process_time()
    output = run(
        *("--model", ROOT / "models" / "default"),
        *("--data", ROOT / "samples" / "manifest.csv"),
        *("--vocabulary", "rendered"),
        *("--out", tmp_path / "out"),
        *("--work", tmp_path / "work"),
        *("--at-least", ROOT / "samples" / "thresholds.toml"),
    )
    # The decoder's process comes on top of this one: some seconds for 96 short files.
    assert time.process_time() - begun < 60
    assert re.search(r"all \d+ thresholds are reached", output)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(WRITTEN)


def test_everything_that_is_written_is_told_and_there(bundle: Path, music: Path, work: Path, tmp_path: Path) -> None:
    options = ("--model", bundle, "--data", music, "--work", work, *QUICK)
    output = run(*options, "--out", tmp_path / "a" / "b", "--write-triplets", tmp_path / "asked")
    told = [Path(line.removeprefix("written: ")) for line in output.splitlines() if line.startswith("written: ")]
    assert [path.relative_to(tmp_path).as_posix() for path in told] == [
        *(f"a/b/{name}" for name in WRITTEN),
        "asked/tag-triplets.csv",
        "asked/track-triplets.csv",
    ]
    assert all(path.stat().st_size > 500 for path in told)
    first = read_evaluation(tmp_path / "a" / "b" / "evaluation.json")
    files = [argument for path in told[-2:] for argument in ("--triplet-file", path)]
    run(*options, "--out", tmp_path / "c", "--seed", 5, *files)
    second = read_evaluation(tmp_path / "c" / "evaluation.json")
    for found in (first, second):
        figure = found.find(Task.TAG_TRIPLETS, "accuracy", notion="groove", subspace="timbre")
        assert figure is not None
    assert accuracies(first) == accuracies(second)


def accuracies(evaluation: Evaluation) -> list[float]:
    return [figure.value for figure in evaluation.figures if figure.task in (Task.TAG_TRIPLETS, Task.TRACK_TRIPLETS)]


def test_without_a_folder_the_bundle_gets_its_evaluation_and_a_section_in_its_card(
    music: Path, work: Path, tmp_path: Path
) -> None:
    folder = write_bundle(tmp_path / "bundle")
    (folder / "CARD.md").write_text("# small\n\nMade for a test.\n")
    run("--model", folder, "--data", music, "--work", work, *QUICK)
    assert {path.name for path in folder.iterdir()} >= {*WRITTEN, "CARD.md"}
    card = (folder / "CARD.md").read_text()
    assert "Made for a test." in card
    assert "## Measured" in card
    # Measured again, it has one section still, and is still the same bundle.
    run("--model", folder, "--data", music, "--work", work, *QUICK)
    assert (folder / "CARD.md").read_text() == card


def test_every_option_reaches_the_suite(bundle: Path, music: Path, work: Path, tmp_path: Path) -> None:
    output = run(
        *("--model", bundle, "--data", music, "--work", work, "--out", tmp_path),
        *("--side", "train", "--similarity", "dot", "--similarity", "cosine", "--complete", "whole"),
        *("--excerpts-per-track", 2, "--seed", 3, "--threads", 2, "--robustness", "--agreement", 0.9),
        *("--weight", "timbre=2", "--weight", "groove=0.5", "--ignore-case", "--agree-with", bundle, *QUICK),
    )
    assert "18 rows" in output
    assert "side train" in output
    found = read_evaluation(tmp_path / "evaluation.json")
    assert found.settings == found.settings | {
        "similarities": ["dot", "cosine"],
        "complete_space": "whole",
        "triplets": 200,
        "resamples": 20,
        "seed": 3,
        "excerpts_per_track": 2,
        "conditions": list(CONDITIONS),
    }
    assert found.data["excerpts"] == 36
    assert {figure.condition for figure in found.figures} == {"as recorded", *CONDITIONS}
    assert found.find(Task.AGREEMENT, "roc_auc", variant="probabilities, top 5 %") is not None
    assert str(found.settings["agreement_with"]).startswith("small ")


def test_what_falls_short_fails_and_is_named(bundle: Path, music: Path, work: Path, tmp_path: Path) -> None:
    thresholds = tmp_path / "thresholds.toml"
    thresholds.write_text(
        '[[at_least]]\ntask = "retrieval"\nmetric = "R@1"\nvalue = 0.5\n'
        '[[at_least]]\ntask = "tag triplets"\nmetric = "accuracy"\nvalue = 0.99\n'
        'notion = "timbre"\nsubspace = "groove"\n'
    )
    options = ("--model", bundle, "--data", music, "--work", work, "--out", tmp_path / "out", *QUICK)
    output = run(*options, "--at-least", thresholds, fails=True)
    assert "1 of 2 thresholds are not reached:" in output
    assert re.search(
        r"tag triplets accuracy of timbre in the sub-space groove is 0\.\d+, 0\.\d+ short of the 0\.99", output
    )
    # The figures are there all the same: a person wants to look at them.
    assert (tmp_path / "out" / "evaluation.json").is_file()


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        (("--model", "{bundle}/nothing"), "is not a folder"),
        (("--data", "{bundle}/nothing.csv"), "does not exist"),
        (("--vocabulary", "renderd"), "Did you mean 'rendered'?"),
        (("--at-least", "{bundle}/nothing.toml"), "does not exist; it is to hold the thresholds"),
        (("--side", "valid"), "no row on side 'valid'"),
        (("--weight", "timbre"), "expected DIMENSION=WEIGHT"),
        (("--weight", "timbre=nan"), "expected DIMENSION=WEIGHT"),
        (("--weight", "timbre=-1"), "no weight below 0"),
        (("--weight", "timbre=0"), "every weight is 0"),
        (("--weight", "tibmre=1"), "'tibmre'"),
        (("--out", "{bundle}/bundle.json/x"), "name another folder with --out"),
        (("--dim-sim", "{bundle}/nothing.csv"), "Zenodo"),
        (("--triplet-file", "{bundle}/nothing.csv"), "does not exist"),
        (("--work", "{bundle}/bundle.json/x"), "name another folder with --work"),
    ],
)
def test_what_cannot_be_done_is_told_without_a_trace(
    bundle: Path, music: Path, tmp_path: Path, option: tuple[str, str], complaint: str
) -> None:
    options = {"--model": bundle, "--data": music, "--work": tmp_path / "work", "--out": tmp_path / "out"}
    options[option[0]] = option[1].format(bundle=bundle)
    output = run(*(word for each in options.items() for word in each), *QUICK, fails=True)
    assert complaint in output
    assert not (tmp_path / "out").exists()


WITHOUT_TRAINING = """
import sys
from importlib.util import find_spec

MISSING = {"torch", "torchaudio", "onnx", "onnxscript", "pyarrow", "safetensors", "tensorboard", "tinysoundfont"}
assert all(map(find_spec, MISSING))


class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, NotInstalled())
import facet

facet.main(["evaluate", *sys.argv[1:]])
"""


def without_training(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command where what only training needs cannot be imported, as in the serving image."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_TRAINING, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_runs_where_only_serving_and_its_own_extra_are_installed(
    bundle: Path, music: Path, work: Path, tmp_path: Path
) -> None:
    done = without_training("--help")
    assert done.returncode == 0, done.stderr
    assert "Measure a bundle" in done.stdout
    options = ("--model", bundle, "--work", work, "--out", tmp_path, *QUICK)
    done = without_training(*options, "--data", music)
    assert done.returncode == 0, done.stderr
    assert read_evaluation(tmp_path / "evaluation.json").find(Task.RETRIEVAL, "R@1") is not None
    (tmp_path / "manifest.parquet").write_bytes(b"PAR1")
    done = without_training(*options, "--data", tmp_path / "manifest.parquet")
    assert done.returncode == 1
    assert "write it as CSV instead" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_extra_that_is_missing_is_named_before_the_work_begins(bundle: Path, music: Path, tmp_path: Path) -> None:
    program = WITHOUT_TRAINING.replace("MISSING = {", "MISSING = {'matplotlib', ")
    options = ("--model", bundle, "--data", music, "--work", tmp_path / "work", "--out", tmp_path / "out")
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, options)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "pip install 'facet[evaluate]'" in done.stderr
    assert not (tmp_path / "work").exists()


def test_a_command_that_is_killed_goes_on_from_the_embeddings_it_has(bundle: Path, tmp_path: Path) -> None:
    music = write_catalogue(tmp_path / "music", split=False, copies=16)
    options = ["--model", bundle, "--data", music, *QUICK]
    process = subprocess.Popen(
        [sys.executable, "-m", "facet", "evaluate", *map(str, options), "--work", str(tmp_path / "killed")],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    begun = time.monotonic()
    while not list((tmp_path / "killed").glob("*/*.npz")):
        assert time.monotonic() - begun < 60
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").glob("*/*.npz")}
    assert 1 <= len(kept) < 3
    run(*options, "--work", tmp_path / "killed", "--out", tmp_path / "out")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert read_evaluation(tmp_path / "out" / "evaluation.json").data["tracks"] == 96
