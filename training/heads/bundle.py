"""Music becomes a bundle: heard, fitted, calibrated, written. `head_commands` calls it.

Heads are fitted to the training side of all music. The words' probabilities are calibrated on the validation side of
the labelled music, other tunes. What is on the test side has no part in a bundle.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from index.bundle_manifest import ProvenanceEntry
from index.model import Tag
from training.datasets.manifest import Manifest, Split
from training.evaluation.embedded import EmbeddedTracks
from training.export import BundleParts, check_replaceable, write_bundle
from training.heads.encoder import HeadsEncoder, as_served
from training.heads.excerpts import UNKNOWN, LearntExcerpts, LearntMusicError, joined, learnt_excerpts
from training.heads.fitting import FittedHeads, RealExcerpts, fit_heads
from training.heads.heard import Ears, load_taggers, plain_hearing
from training.heads.proxies import proxies_of
from training.heads.recipe import HeadRecipe
from training.heads.tag_logits import TagLogits
from training.heads.words import Words, find_words
from training.log_mel import MUSICNN_LOG_MEL
from training.platt import PlattScaling, fit_platt
from training.vocabulary import SHIPPED, find_vocabulary

CARD = SHIPPED.parent / "heads" / "card.md"


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What came of it.

    Attributes:
        parity: Largest difference between the graph and torch, by output.
        losses: Of the fitting, see `FittedHeads`.
        uncalibrated: Why a word has no probability that could be trusted, by word.
        left_out: How many rows gave no audio.
    """

    parity: Mapping[str, float]
    losses: Mapping[str, float]
    uncalibrated: Mapping[str, str]
    left_out: int


def make_bundle(
    folder: Path,
    *,
    labelled: Sequence[Manifest],
    real: Manifest,
    recipe: HeadRecipe,
    work: Path,
    threads: int,
    watch: Callable[[str, int, int], None] = lambda *_: None,
) -> Fitted:
    """Make a bundle of heads on both taggers.

    The same music, recipe, threads and versions give the same bundle.

    Args:
        folder: Of the bundle, whose name is the folder's; one that is there is replaced.
        labelled: Music with one tag of each dimension, or none, in the vocabulary that the recipe names; its test side
            is not heard.
        real: Music without labels; only its training side is heard.
        recipe: How.
        work: Folder of features, to go on from.
        threads: For hearing and fitting.
        watch: Called with a stage, how much of it is done, and all of it.

    Raises:
        LearntMusicError: If there is nothing to learn from, or nothing to calibrate by.
        EvaluationError: If features cannot be kept, or a manifest gives no audio.
        HeadRecipeError: If the recipe keeps blocks or dimensions from heads that there are not.
        VocabularyError, WordsError: If the recipe's vocabularies do not ship, or do not go together.
        CalibrationError: If logits are not finite, as of too little real music.
        ExportError, ParityError, BundleError: As `write_bundle`.
        OSError: If the folder of features, or of the bundle, cannot be written.
    """
    check_replaceable(folder)
    _check_sides(labelled, real)
    torch.set_num_threads(threads)
    taggers = load_taggers()
    ears = Ears(taggers, work, threads=threads)
    values = find_vocabulary(recipe.words.values)
    words = find_words(find_vocabulary(recipe.words.vocabulary), taggers, values)
    recipe.network.check_unseen(values.dimensions, [name for name, _ in ears.hearing.blocks])
    labelled = [asked for manifest in labelled if len(asked := _without_test_side(manifest))]
    heard = [
        ears.hear(manifest, values, watch=lambda done, all_: watch("labelled music", done, all_))
        for manifest in labelled
    ]
    heard_real = ears.hear(
        real.take(real.on(Split.TRAIN)),
        values,
        excerpts_per_track=recipe.real.excerpts_per_track,
        watch=lambda done, all_: watch("real music", done, all_),
    )
    learnt, held = (
        [_on(side, each.tracks, manifest) for each, manifest in zip(heard, labelled, strict=True)]
        for side in (Split.TRAIN, Split.VALID)
    )
    music = RealExcerpts(
        features=heard_real.tracks.excerpts,
        track=heard_real.tracks.track,
        teacher=words.taught_by(ears.hearing, heard_real.tracks.excerpts),
        album=np.unique(heard_real.tracks.albums, return_inverse=True)[1],
    )
    fitted = fit_heads(
        _known(joined([learnt_excerpts(each, values.dimensions) for each in learnt]), recipe),
        music,
        recipe,
        values=values,
        taught=words.taught,
        blocks={name: ears.hearing.columns(name) for name, _ in ears.hearing.blocks},
        watch=lambda step: watch("steps", step, recipe.training.steps),
    )
    share = recipe.words.share_of_values
    network = as_served(fitted.network, fitted.subspaces, torch.from_numpy(music.features))
    tags = TagLogits(words, ears.hearing, fitted, music.features, share=share)
    scaling = _calibrated(words, tags, fitted, held)
    tags.calibrate(scaling.scale, scaling.offset)
    parity = write_bundle(
        folder,
        encoder=HeadsEncoder(ears.hearing, network, tags),
        reference=HeadsEncoder(plain_hearing(taggers), network, tags),
        parts=BundleParts(
            name=folder.name,
            sample_rate=MUSICNN_LOG_MEL.sample_rate,
            excerpt_samples=MUSICNN_LOG_MEL.excerpt_samples,
            subspaces=fitted.subspaces,
            tags=tuple(
                Tag(tag.name, tag.dimension, calibration=entry)
                for tag, entry in zip(words.vocabulary.tags, scaling.entries(recipe.words.calibrated_on), strict=True)
            ),
            proxies=proxies_of(words, fitted, music, share=share, ridge=recipe.words.ridge),
            recipe={
                "command": "facet heads fit",
                "recipe": recipe.model_dump(mode="json"),
                "labelled_tracks": sum(len(each) for each in learnt),
                "calibration_tracks": sum(len(each) for each in held),
                "real_tracks": len(heard_real.tracks),
                "weights_sha256": {name: tagger.sha256 for name, tagger in taggers.items()},
            },
            provenance=(
                *(
                    ProvenanceEntry(what=f"weights of the tagger {name}", source=tagger.source, licence=tagger.licence)
                    for name, tagger in taggers.items()
                ),
                *(ProvenanceEntry(**origin.model_dump()) for origin in recipe.origins),
                ProvenanceEntry(
                    what="names of the tags and the dimension of each",
                    source=words.vocabulary.source,
                    licence="names only: no listener's data and no audio of the sets is here",
                ),
            ),
            card=CARD.read_text(encoding="utf-8"),
        ),
    )
    return Fitted(
        parity=parity,
        losses=fitted.losses,
        uncalibrated={words.vocabulary.tag_names[tag]: why for tag, why in scaling.refused.items()},
        left_out=sum(len(each.left_out) for each in (*heard, heard_real)),
    )


def _check_sides(labelled: Sequence[Manifest], real: Manifest) -> None:
    """Before hours of hearing: is there music where it will be looked for?

    Raises:
        LearntMusicError: If there is none.
    """
    for what, manifests, side, use in (
        ("labelled", labelled, Split.TRAIN, "to learn from"),
        ("labelled", labelled, Split.VALID, "to calibrate probabilities by"),
        ("real", [real], Split.TRAIN, "to learn from"),
    ):
        if not any(len(manifest.on(side)) for manifest in manifests):
            raise LearntMusicError(
                f"no {what} music is on the side {side.value!r}, {use}; see --split-by of `facet dataset`"
            )


def _known(learnt: LearntExcerpts, recipe: HeadRecipe) -> LearntExcerpts:
    """The same, if something is known of it in every dimension.

    Raises:
        LearntMusicError: If not.
    """
    for dimension, values in learnt.values.items():
        if len(np.unique(values[values != UNKNOWN])) < 2:
            raise LearntMusicError(
                f"the labelled music to learn from has fewer than two values of {dimension!r}, as the vocabulary "
                f"{recipe.words.values!r} spells them; nothing tells them apart"
            )
    return learnt


def _without_test_side(manifest: Manifest) -> Manifest:
    """The rows that something is asked of."""
    return manifest.take(np.union1d(manifest.on(Split.TRAIN), manifest.on(Split.VALID)))


def _on(side: Split, tracks: EmbeddedTracks, manifest: Manifest) -> EmbeddedTracks:
    """The tracks that the manifest has on a side."""
    ids = {manifest.track_id[position] for position in manifest.on(side)}
    return tracks.only(np.array([track in ids for track in tracks.track_ids], dtype=np.bool_))


def _calibrated(words: Words, tags: TagLogits, fitted: FittedHeads, sets: Sequence[EmbeddedTracks]) -> PlattScaling:
    """Platt's scaling of every word that the labelled music has too, on the tunes held out."""
    held: LearntExcerpts = joined([learnt_excerpts(each, words.values.dimensions) for each in sets])
    with torch.no_grad():
        features = torch.from_numpy(held.features)
        logits = tags(features, fitted.network(features)).numpy()
    labels = np.concatenate([each.labels for each in sets])
    artists = np.concatenate([np.array(each.artists) for each in sets])
    of_track = np.zeros((len(labels), len(words.each)), dtype=np.bool_)
    for column, word in enumerate(words.each):
        if word.value is not None:
            of_track[:, column] = labels[:, word.value]
    return fit_platt(logits, of_track[held.track], artists[held.track], tracks=held.track)
