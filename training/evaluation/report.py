"""One evaluation as a page of Markdown, two pictures and a section of the bundle's card. `suite` measures it before."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from index.bundle_manifest import MANIFEST_FILE
from training.evaluation.card import write_card
from training.evaluation.comparison import (
    compared,
    retrieval_table,
    track_table,
    triplet_table,
)
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import AS_RECORDED, Evaluation, Task
from training.evaluation.key_figures import CALIBRATION, KEY_FIGURES
from training.evaluation.plots import draw_plots
from training.evaluation.projection import MOST_TRACKS, draw_projection
from training.evaluation.published import read_published
from training.evaluation.tables import (
    DASH,
    HOW_TO_READ,
    OVERALL,
    Table,
    at_condition,
    cell,
    conditions_of,
    data_of,
    facts,
    notes_of,
    notions_of,
    pivot,
    title,
)

REPORT_FILE = "evaluation.md"
PLOTS_FILE = "evaluation-plots.png"
PROJECTION_FILE = "evaluation-space.png"


def write_report(
    evaluation: Evaluation,
    tracks: EmbeddedTracks | None,
    folder: Path,
    *,
    dimension: str | None = None,
    seed: int = 0,
    most_tracks: int = MOST_TRACKS,
) -> list[Path]:
    """Write everything a person reads of an evaluation; files of an earlier one are replaced.

    Args:
        evaluation: What was found.
        tracks: What it was found on, for the picture of the space; None leaves that out.
        folder: Where the files go; it is made if it is not there. If it is a bundle's, its `CARD.md` gets a section.
        dimension: The sub-space to draw beside the complete space; None: instrument, as in the poster, or the first.
        seed: Of the picture's projection and its sample of tracks.
        most_tracks: At most so many tracks are drawn.

    Returns:
        The files written: `evaluation.md`, `evaluation-plots.png`, `evaluation-space.png`, and the card.

    Raises:
        UnknownDimensionError: If the bundle has no sub-space `dimension`.
        EvaluationError: If the card's section of an earlier evaluation has no end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [draw_plots(evaluation, folder / PLOTS_FILE)]
    if tracks is not None:
        written.append(
            draw_projection(tracks, folder / PROJECTION_FILE, dimension=dimension, seed=seed, most_tracks=most_tracks)
        )
    report = folder / REPORT_FILE
    report.write_text(evaluation_report(evaluation, pictures=[path.name for path in written]), encoding="utf-8")
    written.insert(0, report)
    if (folder / MANIFEST_FILE).is_file():
        written.append(write_card(evaluation, folder))
    return written


@dataclass(frozen=True)
class _Part:
    """A section of the details: the figures of one task as a table.

    Attributes:
        task: Whose figures.
        heading: Of the section.
        says: What the numbers mean.
        column: The attribute that is spread over the columns.
        first: The attribute that rows begin with.
    """

    task: Task
    heading: str
    says: str
    column: str
    first: str = "subspace"


_PARTS = (
    _Part(
        Task.RETRIEVAL,
        "Retrieval by space",
        "The share of a track's tags that its K nearest tracks have between them (R@K of the paper, in per cent), mean "
        "over tracks. It grows with the number of tags: compare it with chance.",
        "metric",
    ),
    _Part(
        Task.TAGGING,
        "Auto-tagging by dimension",
        "Mean over tags. `model`: the bundle's own tag scores; `prototypes`: the cosine with the mean of the training "
        "tracks that have the tag.",
        "metric",
        "variant",
    ),
    _Part(
        Task.CALIBRATION,
        "Calibration by dimension",
        "Whether the bundle's own tag probabilities can be taken at their word, mean over tags; small is good. "
        "Calibration error: how far a probability lies from the share of tracks that have the tag, in ten bins of "
        "equal mass; in brackets what exactly right probabilities would show on so few tracks. Brier score: the mean "
        "square of what a probability is wrong by; in brackets that of always giving the share.",
        "metric",
        "notion",
    ),
    _Part(
        Task.TAG_TRIPLETS,
        "Tag triplets: which sub-space tells which dimension's tags apart",
        "The share of triplets in which the track that shares a tag of the dimension is nearer than one that does not. "
        "A row is a space, a column the dimension whose tags are asked. A disentangled embedding is high where the two "
        "are the same, and at chance elsewhere.",
        "notion",
    ),
    _Part(
        Task.TRACK_TRIPLETS,
        "Track triplets",
        "The share of triplets in which another excerpt of the same track is nearer than one of another track. `within "
        "30 s`: every track is one stretch of that length, drawn at random. `same album`: the other track is of the "
        "same album.",
        "metric",
    ),
    _Part(
        Task.ARTISTS,
        "Same artist",
        "The share of tracks whose nearest other track is by the same artist, in per cent. `among the album`: of the "
        "other tracks of the album; `without the album`: of all but those.",
        "metric",
    ),
    _Part(
        Task.FACTOR_TRIPLETS,
        "Factor triplets",
        "As tag triplets, on tracks with exactly one tag in every dimension. `hard`: the negative shares every other "
        "dimension's tag with the anchor, the positive none of them.",
        "notion",
    ),
    _Part(
        Task.FACTOR_PAIRS,
        "Factor pairs",
        "Pairs of tracks of one piece that differ in one dimension alone (the column): the share in which they are "
        "nearer to each other than to a track of another piece. Wanted: high where the space (the row) is another "
        "dimension's.",
        "notion",
    ),
    _Part(
        Task.DIM_SIM,
        "Dim-Sim: listeners' judgements",
        "The share of triplets in which the excerpt that most listeners found more similar to the first is nearer.",
        "metric",
    ),
    _Part(
        Task.HUBNESS,
        "Hubness",
        "How unevenly tracks are found: the skewness of how often a track is among the nearest of others, and what "
        "else is measured of it. Low is good.",
        "metric",
    ),
    _Part(
        Task.AGREEMENT,
        "Agreement with another tagger",
        "Whether excerpts are ranked, tag by tag, as the other bundle's tag scores rank them; mean over tags, and "
        "least. `probabilities`: by the bundle's own tag scores; `proxies`: by the cosine with the tag, as a search by "
        "tag does. It does not say that either bundle is right.",
        "metric",
        "variant",
    ),
)


def evaluation_report(evaluation: Evaluation, *, pictures: Sequence[str] = ()) -> str:
    """The page: what was measured on what, the poster's tables, then every figure there is, and the settings.

    Args:
        evaluation: What was found.
        pictures: Names of picture files beside the page.
    """
    rows = compared({evaluation.bundle: [evaluation]}, read_published(), only_ours=True)
    notions = notions_of([evaluation])
    recorded = [figure for figure in evaluation.figures if figure.condition == AS_RECORDED]
    parts = [
        f"# {evaluation.bundle}, measured\n",
        f"Encoder `{evaluation.encoder_id}`, dimensions {', '.join(evaluation.dimensions)}.\n",
        data_of(evaluation),
        f"{HOW_TO_READ}\n",
        *(f"![{name}]({name})\n" for name in pictures),
        "## Training time, similarity-based retrieval and auto-tagging\n",
        retrieval_table(rows).markdown,
        "## Triplet prediction\n",
        triplet_table(rows).markdown,
        "## Track triplets and listeners\n",
        track_table(rows).markdown,
    ]
    for part in _PARTS:
        figures = [figure for figure in recorded if figure.task is part.task and figure.tag is None]
        order = (*notions, OVERALL) if part.column == "notion" else ()
        table = pivot(figures, part.column, first=part.first, columns=order)
        if table is not None:
            parts += [f"## {part.heading}\n", f"{part.says}\n", table.markdown]
    for task, heading in _BY_TAG:
        figures = [figure for figure in recorded if figure.task is task and figure.tag is not None]
        table = pivot(figures, "metric", first="tag")
        if table is not None:
            parts += [f"## {heading}\n", table.markdown]
    if evaluation.reliability:
        parts += ["## Reliability by tag\n", f"{_RELIABILITY_SAYS}\n", reliability_table(evaluation).markdown]
    robustness = robustness_table(evaluation)
    if robustness is not None:
        parts += [
            "## Robustness\n",
            "The same after a change of the audio, of all tracks alike. `evaluation.json` has every figure.\n",
            robustness.markdown,
        ]
    notes = notes_of(evaluation)
    if notes:
        parts += ["## What could not be asked\n", "\n".join(f"- {note}" for note in notes) + "\n"]
    parts += ["## Settings\n", facts(evaluation.settings)]
    return "\n".join(parts)


_BY_TAG = (
    (Task.TAGGING, "Auto-tagging by tag"),
    (Task.AGREEMENT, "Agreement by tag"),
    (Task.CALIBRATION, "Calibration by tag"),
)

_RELIABILITY_SAYS = (
    "What the bundle says → the share of these tracks that have the tag, from the tenth of the tracks that are given "
    "least to the tenth that are given most. Tracks of equal probability stand together, so that a tag may have fewer."
)


def reliability_table(evaluation: Evaluation) -> Table:
    """A row for every tag, a column for every bin."""
    bins = max(len(each) for each in evaluation.reliability.values())
    return Table(
        header=("Tag", *(str(place + 1) for place in range(bins))),
        rows=tuple(
            (
                tag,
                *(f"{each.mean_probability:.2f} → {each.share:.2f}" for each in found),
                *[DASH] * (bins - len(found)),
            )
            for tag, found in evaluation.reliability.items()
        ),
    )


def robustness_table(evaluation: Evaluation) -> Table | None:
    """A row for every change of the audio, the audio as recorded first; None where nothing was changed."""
    conditions = conditions_of(evaluation)
    if len(conditions) < 2:
        return None
    each = {condition: at_condition(evaluation, condition) for condition in conditions}
    columns = [
        (name, column)
        for name, column in (*KEY_FIGURES, CALIBRATION)
        if any(column(figures) is not None for figures in each.values())
    ]
    return Table(
        header=("Audio", *(name for name, _ in columns)),
        rows=tuple(
            (title(condition), *(cell(column(figures)) for _, column in columns)) for condition, figures in each.items()
        ),
    )
