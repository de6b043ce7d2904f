"""Every measure asked of one set of embedded tracks: `suite` brings those as recorded, and those of each condition."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from training.evaluation.artists import artist_figures
from training.evaluation.disentanglement import (
    HARD,
    RANDOM,
    factor_pair_figures,
    factor_pairs,
    factor_triplet_figures,
    factor_triplets,
    factors_of,
    leakage_figures,
)
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import EvaluationError, Figure, ReliabilityBin
from training.evaluation.hubness import hubness_figures
from training.evaluation.retrieval import retrieval_figures
from training.evaluation.suite_settings import SuiteSettings
from training.evaluation.tag_calibration import own_calibration
from training.evaluation.tagging import Tagging, own_tagging, prototype_tagging
from training.evaluation.triplet_files import read_triplets
from training.evaluation.triplets import (
    SAME_ALBUM,
    STRETCH_SECONDS,
    WITHIN_STRETCH,
    Triplets,
    one_stretch,
    tag_triplets,
    track_triplets,
    triplet_figures,
)


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found so far.

    Attributes:
        figures: In the order of asking.
        notes: What could not be asked, and why; what was asked of less than all.
        reliability: By tag, what the bundle's probabilities said and what was so.
    """

    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reliability: dict[str, tuple[ReliabilityBin, ...]] = field(default_factory=dict)

    def ask(self, what: str, measure: Callable[[], Sequence[Figure]]) -> None:
        """Take a measure's figures, or the reason why the data have none."""
        try:
            self.figures.extend(measure())
        except EvaluationError as error:
            self.note(f"{what}: {error}")

    def note(self, note: str) -> None:
        """Write down what a reader of the figures must know; once."""
        if note not in self.notes:
            self.notes.append(note)


def ask_all(
    findings: Findings,
    tracks: EmbeddedTracks,
    training: EmbeddedTracks | None,
    *,
    settings: SuiteSettings,
    triplet_files: Sequence[Path],
) -> tuple[Triplets, ...]:
    """Ask every measure that needs no more than tracks and labels.

    Args:
        findings: Where figures and notes go.
        tracks: What is asked about.
        training: What prototypes are made of; None: there are no training tracks.
        settings: How to ask.
        triplet_files: Triplets to ask in place of drawn ones.

    Returns:
        The triplets that were asked.

    Raises:
        EvaluationError: If a file of triplets is not as it should be.
    """
    triplets = _read(findings, tracks, triplet_files) if triplet_files else _drawn(findings, tracks, settings)
    factors = _factors(findings, tracks, settings)
    without_subspace = [notion for notion in tracks.dimensions if notion not in tracks.subspaces.names]
    if len(tracks.subspaces) > 1 and without_subspace:
        findings.note(f"the bundle has no sub-space for {', '.join(without_subspace)}: asked in those it has")
    measures: tuple[tuple[str, Callable[..., Sequence[Figure]]], ...] = (
        ("retrieval", partial(retrieval_figures, tracks)),
        ("triplets", partial(triplet_figures, tracks, triplets)),
        ("leakage", partial(leakage_figures, tracks, triplets)),
        ("factor triplets", partial(factor_triplet_figures, tracks, factors[RANDOM], variant=RANDOM)),
        ("hard factor triplets", partial(factor_triplet_figures, tracks, factors[HARD], variant=HARD)),
        ("factor pairs", partial(factor_pair_figures, tracks, factors[_PAIRS])),
        ("hubness", partial(hubness_figures, tracks)),
        ("same artist", partial(artist_figures, tracks)),
    )
    for similarity in settings.similarities:
        for what, measure in measures:
            findings.ask(
                what,
                partial(measure, similarity=similarity, complete=settings.complete, settings=settings.bootstrap),
            )
    _ask_tagging(findings, tracks, training, settings)
    return triplets


_PAIRS = "pairs"


def _ask_tagging(
    findings: Findings, tracks: EmbeddedTracks, training: EmbeddedTracks | None, settings: SuiteSettings
) -> None:
    """Tag scores are the bundle's, and prototypes are compared by the cosine: no other similarity comes into it."""
    bootstrap = settings.bootstrap

    def take(what: str, tagging: Tagging) -> list[Figure]:
        for reason in dict.fromkeys(tagging.left_out.values()):
            tags = [tag for tag, each in tagging.left_out.items() if each == reason]
            findings.note(f"{what}: {len(tags)} of {len(tracks.tags)} tags left out, {reason}: {', '.join(tags)}")
        return tagging.figures

    own, prototypes = "tagging by the bundle's own scores", "tagging by prototypes"

    def take_calibration() -> list[Figure]:
        calibration = own_calibration(tracks, settings=bootstrap)
        findings.reliability.update(calibration.reliability)
        return calibration.figures

    findings.ask(own, lambda: take(own, own_tagging(tracks, settings=bootstrap)))
    findings.ask("calibration", take_calibration)
    if training is None:
        findings.note(f"{prototypes}: left out, for there are no training tracks beside those that are asked about")
        return
    findings.ask(
        prototypes,
        lambda: take(prototypes, prototype_tagging(tracks, training, complete=settings.complete, settings=bootstrap)),
    )


def _drawn(findings: Findings, tracks: EmbeddedTracks, settings: SuiteSettings) -> tuple[Triplets, ...]:
    drawn = []
    for notion in tracks.dimensions:
        try:
            drawn.append(tag_triplets(tracks, notion, settings.triplets, settings.rng(f"tag triplets {notion}")))
        except EvaluationError as error:
            findings.note(f"tag triplets of {notion}: {error}")
    for variant in (None, WITHIN_STRETCH, SAME_ALBUM):
        what = "track triplets" if variant is None else f"track triplets, {variant}"
        rng = settings.rng(what)
        try:
            among = one_stretch(tracks, STRETCH_SECONDS, rng) if variant == WITHIN_STRETCH else None
            drawn.append(
                track_triplets(
                    tracks, settings.triplets, rng, variant=variant, among=among, same_album=variant == SAME_ALBUM
                )
            )
        except EvaluationError as error:
            findings.note(f"{what}: {error}")
    return tuple(drawn)


def _read(findings: Findings, tracks: EmbeddedTracks, files: Sequence[Path]) -> tuple[Triplets, ...]:
    """The triplets of all files, those of one notion and variant together."""
    sets: dict[tuple[str | None, str | None], list[Triplets]] = {}
    for path in files:
        content = read_triplets(path, tracks)
        if content.left_out:
            findings.note(f"{path.name}: {content.left_out} triplets left out, of tracks or excerpts that are not here")
        for each in content.triplets:
            sets.setdefault((each.notion, each.variant), []).append(each)
    return tuple(
        Triplets(
            anchor=np.concatenate([each.anchor for each in same]),
            positive=np.concatenate([each.positive for each in same]),
            negative=np.concatenate([each.negative for each in same]),
            notion=notion,
            variant=variant,
        )
        for (notion, variant), same in sets.items()
    )


def _factors(findings: Findings, tracks: EmbeddedTracks, settings: SuiteSettings) -> dict[str, list[Triplets]]:
    """Triplets and pairs for tracks whose factors are all known; none for others."""
    drawn: dict[str, list[Triplets]] = {RANDOM: [], HARD: [], _PAIRS: []}
    try:
        factors_of(tracks)
    except EvaluationError as error:
        findings.note(f"factor triplets and pairs: {error}")
        return drawn
    for notion in tracks.dimensions:
        for kind, sets in drawn.items():
            rng = settings.rng(f"factors {kind} {notion}")
            try:
                if kind == _PAIRS:
                    sets.append(factor_pairs(tracks, notion, settings.triplets, rng))
                else:
                    sets.append(factor_triplets(tracks, notion, settings.triplets, rng, variant=kind))
            except EvaluationError as error:
                findings.note(f"factors, {kind}, {notion}: {error}")
    return drawn
