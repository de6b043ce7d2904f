"""The eight models of the poster, some seeds of each: trained, exported, measured, and set beside published figures.

Every step is the command a user would type, in a process of its own, and is skipped where its result is there already:
a reproduction that was stopped goes on. `facet reproduce` calls `reproduce`.
"""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from training.checkpoint import BEST, LATEST, EpochRecord, read_checkpoint
from training.evaluation.evaluation import (
    Evaluation,
    EvaluationError,
    Figure,
    Task,
    read_evaluation,
    write_evaluation,
)

# In the order of the poster's table 1.
POSTER = (
    "triplet",
    "disentangled_triplet",
    "disentangled_triplet_track",
    "proxy",
    "disentangled_proxy",
    "classification",
    "normalised_classification",
    "disentangled_classification",
)


class ReproductionError(Exception):
    """A step of a reproduction failed. The message ends with what the step said."""


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What is to be trained and measured.

    Attributes:
        folder: Of all results: `RECIPE/seed-N/` holds the run, the bundle and its evaluation.
        manifest: With train, valid and test sides.
        vocabulary: Name or file.
        recipes: Names or files.
        seeds: One run of each recipe with each.
        overrides: `key=value`, of every recipe alike.
        cache: Folder of log-mel frames; None for the user's cache folder.
        dim_sim: Files of listeners' judgements about tracks of the manifest.
        evaluation_options: What else `facet evaluate` is told.
        data_source: Of the data, for the bundles' provenance.
        processes: How many runs go on at once.
    """

    folder: Path
    manifest: Path
    vocabulary: str
    recipes: Sequence[str] = POSTER
    seeds: Sequence[int] = (0, 1, 2)
    overrides: Sequence[str] = ()
    cache: Path | None = None
    dim_sim: Sequence[Path] = ()
    evaluation_options: Sequence[str] = ()
    data_source: str
    processes: int = 1


def reproduce(plan: Reproduction, *, report: Callable[[str], None]) -> dict[str, list[Evaluation]]:
    """Do what is not done yet.

    Args:
        plan: What is wanted.
        report: Is told a line after every step.

    Returns:
        The evaluations of each recipe, in the order of the seeds, each with its training time among its figures.

    Raises:
        ReproductionError: If a step fails; the others are finished first, and nothing is lost.
    """
    runs = {
        (recipe, seed): _Run(plan, recipe, seed, report) for recipe, seed in itertools.product(plan.recipes, plan.seeds)
    }
    problems = []
    with ThreadPoolExecutor(plan.processes) as pool:
        # Seed by seed, so that one of every model is there first.
        order = sorted(runs, key=lambda key: plan.seeds.index(key[1]))
        try:
            for finished in as_completed([pool.submit(runs[key].finish) for key in order]):
                problem = finished.exception()
                if problem is not None:
                    problems.append(problem)
        except BaseException:
            # Ctrl-C ends the steps under way; without this, all that wait would still begin.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if problems:
        raise problems[0]
    return {recipe: [runs[recipe, seed].evaluation() for seed in plan.seeds] for recipe in plan.recipes}


class _Run:
    """One recipe with one seed: a folder of its own, and the three steps that fill it."""

    def __init__(self, plan: Reproduction, recipe: str, seed: int, report: Callable[[str], None]) -> None:
        self._plan, self._recipe, self._seed, self._report = plan, recipe, seed, report
        name = Path(recipe).stem
        self._folder = plan.folder / name / f"seed-{seed}"
        self._run = self._folder / "run"
        self._bundle = self._folder / f"{name}-seed-{seed}"
        self._evaluation = self._bundle / "evaluation.json"

    def finish(self) -> None:
        """Train, export and measure, as far as that is not done."""
        self._folder.mkdir(parents=True, exist_ok=True)
        plan = self._plan
        cache = () if plan.cache is None else ("--cache", str(plan.cache))
        settings = (f"training.seed={self._seed}", *plan.overrides)
        # A run that is over says so at once, and one with other settings refuses.
        self._step(
            "train",
            self._recipe,
            *("--manifest", str(plan.manifest), "--vocabulary", plan.vocabulary, "--run", str(self._run)),
            *itertools.chain.from_iterable(("--set", setting) for setting in settings),
            *cache,
        )
        if not _is_newer(self._bundle / "bundle.json", than=self._run / BEST):
            self._step("export", str(self._run), str(self._bundle), "--data-source", plan.data_source, *cache)
        if not (_is_newer(self._evaluation, than=self._bundle / "bundle.json") and self._is_complete()):
            self._step(
                "evaluate",
                *("--model", str(self._bundle), "--data", str(plan.manifest), "--vocabulary", plan.vocabulary),
                *itertools.chain.from_iterable(("--dim-sim", str(path)) for path in plan.dim_sim),
                *plan.evaluation_options,
            )
            evaluation = read_evaluation(self._evaluation)
            history = read_checkpoint(self._run / LATEST).standing.history
            figures = (*evaluation.figures, *training_figures(history))
            write_evaluation(evaluation.model_copy(update={"figures": figures}), self._evaluation)

    def _is_complete(self) -> bool:
        """Whether the evaluation has all that is asked for; its training time comes last."""
        try:
            evaluation = self.evaluation()
        except EvaluationError:
            return False
        notes = evaluation.data.get("notes")
        listeners_asked = any(figure.task is Task.DIM_SIM for figure in evaluation.figures) or (
            isinstance(notes, list) and any(str(note).startswith("Dim-Sim") for note in notes)
        )
        return evaluation.find(Task.TRAINING, "epochs") is not None and (listeners_asked or not self._plan.dim_sim)

    def evaluation(self) -> Evaluation:
        """What was measured."""
        return read_evaluation(self._evaluation)

    def _step(self, verb: str, *arguments: str) -> None:
        log = self._folder / f"{verb}.log"
        with log.open("w", encoding="utf-8") as file:
            done = subprocess.run(  # noqa: S603 - our own command
                [sys.executable, "-m", "facet", verb, *arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, "COLUMNS": "160"},
                check=False,
            )
        last = next((line for line in reversed(log.read_text(encoding="utf-8").splitlines()) if line.strip()), "")
        if done.returncode:
            raise ReproductionError(f"{verb} of {self._recipe}, seed {self._seed}, failed: {last} (all of it: {log})")
        self._report(f"{verb:8s} {self._recipe}, seed {self._seed}: {last.strip()}")


def training_figures(history: Sequence[EpochRecord]) -> tuple[Figure, ...]:
    """How long a run took: epochs, seconds, and seconds on the processors' clock, which other work does not change."""
    epochs = len(history)
    totals = {
        "epochs": float(epochs),
        "seconds": sum(record.seconds for record in history),
        "processor seconds": sum(record.processor_seconds for record in history),
    }
    return tuple(Figure(task=Task.TRAINING, metric=metric, value=value, n=epochs) for metric, value in totals.items())


def _is_newer(path: Path, *, than: Path) -> bool:
    return path.exists() and path.stat().st_mtime_ns > than.stat().st_mtime_ns
