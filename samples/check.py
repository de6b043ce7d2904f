"""Asks whether the samples' labels can be heard: plain features, a linear classifier, one accuracy per dimension.

    python samples/check.py                            # each era judged by the other two, each genre by the other three
    python samples/check.py --soundfont FluidR3_GM.sf2 # all samples judged by 300 new pieces of 300 other tunes

The second takes some minutes: it composes, renders and encodes the new pieces first.
"""

import argparse
import csv
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core; set before numpy loads its BLAS

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # a checkout need not be installed

import av  # noqa: E402
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from training.datasets.rendered.design import BIT_RATES, sample_pieces  # noqa: E402
from training.datasets.rendered.factors import VALUES, Factors  # noqa: E402
from training.datasets.rendered.mp3 import quantised, write_mp3  # noqa: E402
from training.datasets.rendered.piece import write_score  # noqa: E402
from training.datasets.rendered.production import render  # noqa: E402
from training.datasets.rendered.separability import held_out_accuracy, nearest_mean, plain_features  # noqa: E402
from training.datasets.rendered.synthesis import SAMPLE_RATE, Soundfont  # noqa: E402

NEW_PIECES = 300
FIRST_NEW_SEED = 1_000  # above every seed in names.toml


def decoded(path: Path) -> NDArray[np.float64]:
    """A sample as sound, shape (2, samples)."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(frames, axis=1).astype(np.float64)


def new_pieces(soundfont: Soundfont) -> tuple[list[Factors], NDArray[np.float64]]:
    """Pieces with the samples' values of each factor, drawn independently, each of its own tune; and their features."""
    rng = np.random.default_rng(FIRST_NEW_SEED)
    heard = [piece.factors for piece in sample_pieces()]
    values = {factor: sorted({getattr(factors, factor) for factors in heard}) for factor in VALUES}
    drawn, features = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "piece.mp3"
        for number in range(NEW_PIECES):
            factors = Factors(**{factor: str(rng.choice(names)) for factor, names in values.items()})
            score = write_score(factors, rng=np.random.default_rng(FIRST_NEW_SEED + number))
            sound = quantised(render(score, soundfont, rng=np.random.default_rng((FIRST_NEW_SEED, number))))
            write_mp3(sound, path, sample_rate=SAMPLE_RATE, bit_rate=BIT_RATES[factors.era], tags={})
            drawn.append(factors)
            features.append(plain_features(decoded(path), sample_rate=SAMPLE_RATE))
    return drawn, np.stack(features)


def main() -> None:
    """The command: prints one line per dimension."""
    parser = argparse.ArgumentParser(description="Check that the samples' labels can be heard.")
    parser.add_argument("--soundfont", type=Path, help="also judge by new pieces, rendered with FluidR3_GM.sf2")
    arguments = parser.parse_args()
    with (HERE / "manifest.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    features = np.stack([plain_features(decoded(HERE / row["path"]), sample_rate=SAMPLE_RATE) for row in rows])
    others = new_pieces(Soundfont(arguments.soundfont)) if arguments.soundfont else None
    for factor in VALUES:
        labels = [row[factor] for row in rows]
        by = "genre" if factor == "era" else "era"
        share = held_out_accuracy(features, labels, [row[by] for row in rows])
        line = f"{factor:<10}  chance {1 / len(set(labels)):.2f}  {by} held out {share:.3f}"
        if others is not None:
            drawn, known = others
            told = nearest_mean(known, [getattr(factors, factor) for factors in drawn], features)
            line += f"  judged by new tunes {np.mean(told == np.array(labels)):.3f}"
        print(line)


if __name__ == "__main__":
    main()
