"""The whole evaluation of a bundle, from a manifest to figures: embed, ask every measure, note what could not be asked.

`embedding_store` hears the tracks, `asking` has every measure give figures, `report` and `gate` read what comes out.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from index.decoder import Decoder
from index.model import ModelBundle
from index.subspaces import Vectors
from training.datasets.labels import Labels, labels_of
from training.datasets.manifest import Manifest
from training.evaluation.agreement import PROBABILITIES, PROXIES, agreement_figures, proxy_scores
from training.evaluation.asking import Findings, ask_all
from training.evaluation.conditions import Condition
from training.evaluation.dim_sim import RatedTriplet, dim_sim_clips, dim_sim_figures, read_dim_sim
from training.evaluation.dim_sim_audio import clip_manifest, clip_vectors
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.embedding_store import Embedded, embed_tracks
from training.evaluation.evaluation import Evaluation, EvaluationError, Figure
from training.evaluation.measured_data import MeasuredData
from training.evaluation.suite_settings import SuiteSettings
from training.evaluation.triplets import Triplets

# What is embedded, rows looked at so far, and all.
Watch = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Measured:
    """What came of it.

    Attributes:
        evaluation: To write and to read.
        tracks: As recorded, for pictures.
        triplets: That were asked, as recorded, to write them down.
        notes: What could not be asked, and why.
    """

    evaluation: Evaluation
    tracks: EmbeddedTracks
    triplets: tuple[Triplets, ...]
    notes: tuple[str, ...]


def evaluate_bundle(
    bundle: ModelBundle,
    decoder: Decoder,
    data: MeasuredData,
    *,
    work: Path,
    settings: SuiteSettings | None = None,
    threads: int = 1,
    dim_sim: Sequence[Path] = (),
    triplet_files: Sequence[Path] = (),
    reference: ModelBundle | None = None,
    watch: Watch | None = None,
) -> Measured:
    """Embed what is not embedded yet, and measure it.

    A measure that the data do not allow is left out, with a note that says why.

    Args:
        bundle: What is measured.
        decoder: With as many processes as threads.
        data: On what.
        work: Folder of embeddings, to go on from.
        settings: How; None: the defaults.
        threads: Rows embedded at once.
        dim_sim: Files of listeners' judgements, raw or clean; their clips are of tracks of the manifest.
        triplet_files: Triplets to ask in place of drawn ones.
        reference: Another bundle, with whose tag scores those of this one are compared.
        watch: Told what is embedded, and how far it is.

    Raises:
        EvaluationError: If nothing can be embedded or measured, or a file is not as it should be.
    """
    settings = settings or SuiteSettings()
    listeners = _rated(dim_sim, settings)
    ears = _Ears(bundle, decoder, work, settings, threads, watch)
    findings = Findings()
    heard = ears.hear(data.asked, data.labels, "tracks", None)
    training = None
    # Training tracks are for prototypes; where there is no label, there is none of those.
    if data.taught is not None and data.taught_labels is not None and data.taught_labels.matrix.any():
        learnt = ears.hear(data.taught, data.taught_labels, "training tracks", None)
        training = learnt.tracks
        _note_left_out(findings, "training tracks", learnt)
    triplets = ask_all(findings, heard.tracks, training, settings=settings, triplet_files=triplet_files)
    _ask_listeners(findings, ears, data, listeners, None)
    if reference is not None:
        _ask_agreement(findings, ears, reference, data, heard.tracks)
    if not findings.figures:
        raise EvaluationError("nothing could be measured: " + "; ".join(findings.notes))
    _note_uncalibrated(findings, bundle)
    for condition in settings.conditions:
        changed = Findings()
        heard_changed = ears.hear(data.asked, data.labels, f"tracks after {condition.name}", condition)
        ask_all(changed, heard_changed.tracks, training, settings=settings, triplet_files=triplet_files)
        _ask_listeners(changed, ears, data, listeners, condition)
        if {(row.path, row.code) for row in heard_changed.left_out} != {(row.path, row.code) for row in heard.left_out}:
            _note_left_out(changed, "tracks", heard_changed)
        for note in changed.notes:
            # What is so of the audio as recorded, too, is told once.
            if note not in findings.notes:
                findings.note(f"after {condition.name}: {note}")
        # The table of every tag is long enough once.
        findings.figures.extend(
            figure.model_copy(update={"condition": condition.name}) for figure in changed.figures if figure.tag is None
        )
    evaluation = Evaluation(
        bundle=bundle.name,
        encoder_id=bundle.encoder_id,
        dimensions=bundle.subspaces.names,
        recipe=bundle.manifest.recipe,
        data={
            **data.described(),
            "tracks": len(heard.tracks),
            "excerpts": len(heard.tracks.excerpts),
            "left_out": dict(Counter(entry.code for entry in heard.left_out).most_common()),
            "notes": list(findings.notes),
        },
        settings={
            **settings.described(),
            **({} if reference is None else {"agreement_with": f"{reference.name} {reference.encoder_id}"}),
        },
        figures=tuple(findings.figures),
        reliability=findings.reliability,
    )
    return Measured(evaluation, heard.tracks, triplets, tuple(findings.notes))


@dataclass(frozen=True, eq=False)
class _Ears:
    """A bundle with all it takes to hear a manifest's rows."""

    bundle: ModelBundle
    decoder: Decoder
    work: Path
    settings: SuiteSettings
    threads: int
    watch: Watch | None

    def hear(
        self, manifest: Manifest, labels: Labels, what: str, condition: Condition | None, *, all_excerpts: bool = False
    ) -> Embedded:
        """Embed some rows, and tell the watch what they are."""
        watch = self.watch
        return embed_tracks(
            self.bundle,
            self.decoder,
            manifest,
            labels,
            folder=self.work,
            condition=condition,
            excerpts_per_track=None if all_excerpts else self.settings.excerpts_per_track,
            seed=self.settings.seed,
            threads=self.threads,
            watch=None if watch is None else partial(watch, what),
        )


def _note_uncalibrated(findings: Findings, bundle: ModelBundle) -> None:
    names = [tag.name for tag in bundle.tags if tag.calibration is None]
    if names:
        which = "" if len(names) == len(bundle.tags) else f": {', '.join(names)}"
        findings.note(
            f"{len(names)} of the bundle's {len(bundle.tags)} tags were not calibrated when it was made; their scores "
            f"put tracks in an order and claim to be no probabilities{which}"
        )


def _note_left_out(findings: Findings, what: str, heard: Embedded) -> None:
    """Note the rows that gave no audio; `Evaluation.data` counts those that are asked about as recorded."""
    if heard.left_out:
        counts = Counter(entry.code for entry in heard.left_out).most_common()
        codes = ", ".join(f"{code} {count}" for code, count in counts)
        findings.note(f"{what}: {len(heard.left_out)} rows left out, {codes}")


def _ask_agreement(
    findings: Findings, ears: _Ears, reference: ModelBundle, data: MeasuredData, tracks: EmbeddedTracks
) -> None:
    """Have the other bundle hear the same rows, and compare what both say of each tag."""
    what = f"agreement with {reference.name}"
    others = replace(ears, bundle=reference).hear(data.asked, data.labels, f"tracks, by {reference.name}", None).tracks

    def compared(variant: str, scores: Vectors) -> list[Figure]:
        found = agreement_figures(tracks, others, scores, variant=variant, settings=ears.settings.bootstrap)
        for reason, tags in found.left_out.items():
            findings.note(f"{what}: {len(tags)} of {len(tracks.tags)} tags left out, {reason}: {', '.join(tags)}")
        if found.excerpts < len(tracks.excerpts):
            findings.note(f"{what}: of {len(tracks.excerpts)} excerpts, {found.excerpts} are heard by both bundles")
        return found.figures

    findings.ask(what, lambda: compared(PROBABILITIES, tracks.excerpt_tag_scores))
    findings.ask(what, lambda: compared(PROXIES, proxy_scores(tracks, ears.bundle)))


def _rated(files: Sequence[Path], settings: SuiteSettings) -> dict[str, tuple[RatedTriplet, ...]]:
    """What listeners said, by the variant that figures are to have."""
    rated: dict[str, tuple[RatedTriplet, ...]] = {}
    for path in files:
        triplets = read_dim_sim(path, agreement=settings.agreement)
        is_clean = all(each.song1_vote + each.song2_vote == 1 for each in triplets)
        variant = "clean" if is_clean else "raw"
        if not is_clean and settings.agreement > 0:
            variant += f", agreement {settings.agreement:g}"
        if variant in rated:
            raise EvaluationError(f"{path} is a second file of {variant} Dim-Sim triplets; name one")
        rated[variant] = triplets
    return rated


def _ask_listeners(
    findings: Findings,
    ears: _Ears,
    data: MeasuredData,
    rated: Mapping[str, tuple[RatedTriplet, ...]],
    condition: Condition | None,
) -> None:
    """Embed the clips that were judged, of whatever side, and compare."""
    if not rated:
        return
    clips = dim_sim_clips(triplet for triplets in rated.values() for triplet in triplets)
    manifest, known = clip_manifest(data.manifest, clips)
    if not known:
        findings.note(f"Dim-Sim: none of its {len(clips)} clips is of a track of {data.name}")
        return
    what = "judged clips" if condition is None else f"judged clips after {condition.name}"
    heard = ears.hear(manifest, labels_of(manifest, data.vocabulary), what, condition, all_excerpts=True)
    vectors = clip_vectors(heard.tracks, known)
    if len(vectors) < len(clips):
        findings.note(f"Dim-Sim: {len(clips) - len(vectors)} of {len(clips)} clips have no audio here")
    for variant, triplets in rated.items():
        for similarity in ears.settings.similarities:
            findings.ask(
                f"Dim-Sim, {variant}",
                partial(
                    dim_sim_figures,
                    triplets,
                    vectors,
                    ears.bundle.subspaces,
                    variant=variant,
                    weights=ears.settings.weights,
                    similarity=similarity,
                    complete=ears.settings.complete,
                    settings=ears.settings.bootstrap,
                ),
            )
