"""Can the labels of rendered music be heard? Plain features and a linear classifier, one accuracy per dimension.

    python -m training.datasets.audibility accompanied.csv

A check of the music, not of a model: input is a manifest whose tracks have exactly one tag of each dimension, such as
`rendered_set` and `accompanied_set` make. No track is judged by one of the same artist, which is the tune or the sheet.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import av
import click
import numpy as np
from numpy.typing import NDArray

from training.datasets.labels import labels_of
from training.datasets.manifest import Manifest
from training.datasets.manifest_files import read_manifest
from training.datasets.rendered.separability import held_out_accuracy, plain_features
from training.vocabulary import Vocabulary, find_vocabulary

FOLDS = 10


class NotOneTagError(ValueError):
    """A track has no tag of a dimension, or several."""


def audible_accuracy(manifest: Manifest, vocabulary: Vocabulary, *, folds: int = FOLDS) -> Mapping[str, float]:
    """Held-out accuracy of the plain classifier in each dimension.

    Args:
        manifest: Tracks of one sample rate; each has one tag of each dimension, each tag has several artists.
        vocabulary: Which tag belongs to which dimension.
        folds: Parts into which the artists are dealt; each in turn is judged by the others.

    Raises:
        NotOneTagError: If a track has no tag of a dimension, or several.
        ValueError: If a tag is in one fold only.
    """
    labels = labels_of(manifest, vocabulary)
    # Dealt out in the order in which they come first, so that folds are alike in size.
    number_of = {artist: number for number, artist in enumerate(dict.fromkeys(manifest.artist))}
    groups = [f"fold {number_of[artist] % folds}" for artist in manifest.artist]
    told: dict[str, Sequence[str]] = {}
    for dimension in vocabulary.dimensions:
        matrix, positions = labels.of_dimension(dimension), vocabulary.positions(dimension)
        if (wrong := np.flatnonzero(matrix.sum(axis=1) != 1)).size:
            raise NotOneTagError(
                f"{manifest.track_id[int(wrong[0])]} has {matrix[wrong[0]].sum()} tags of {dimension}, expected one"
            )
        told[dimension] = [vocabulary.tag_names[positions[place]] for place in matrix.argmax(axis=1)]
    features = np.stack([_features(manifest.audio(row)) for row in range(len(manifest))])
    return {dimension: held_out_accuracy(features, names, groups) for dimension, names in told.items()}


def _features(path: Path) -> NDArray[np.float64]:
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=rate)
        frames = [made for frame in container.decode(audio=0) for made in resampler.resample(frame)]
    sound = np.concatenate([frame.to_ndarray() for frame in frames], axis=1).astype(np.float64)
    return plain_features(sound, sample_rate=rate)


@click.command()
@click.argument("manifest", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.option("--vocabulary", default="rendered", show_default=True, help="Name of one that ships, or a TOML file.")
def main(manifest: Path, vocabulary: str) -> None:
    """How often a plain classifier hears each dimension's value rightly in the tracks of MANIFEST."""
    known = find_vocabulary(vocabulary)
    for dimension, accuracy in audible_accuracy(read_manifest(manifest), known).items():
        click.echo(f"{dimension:<12} {accuracy:.3f}  (by chance {1 / len(known.positions(dimension)):.3f})")


if __name__ == "__main__":
    sys.exit(main())
