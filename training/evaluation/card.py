"""What was measured, as a section of the bundle's `CARD.md`. What the export wrote about the bundle stays as it is.

The section stands between two marks, which Markdown does not show: measured again, it is replaced.
"""

from pathlib import Path

from index.bundle_manifest import CARD_FILE, MANIFEST_FILE, BundleManifest
from training.evaluation.evaluation import AS_RECORDED, Evaluation, EvaluationError, Figure, Task
from training.evaluation.key_figures import CALIBRATION, KEY_FIGURES, tagging_overall
from training.evaluation.tables import (
    DASH,
    Table,
    at_condition,
    conditions_of,
    data_of,
    described,
    facts,
    interval,
    notes_of,
    notions_of,
    number,
    told,
)

BEGIN = "<!-- measured by facet evaluate: begins -->"
END = "<!-- measured by facet evaluate: ends -->"

# What an export writes in a card that has no figures yet: untrue from the first evaluation on.
NOT_EVALUATED = "This bundle has not been evaluated unless `evaluation.json` lies beside this card."


def write_card(evaluation: Evaluation, bundle: Path) -> Path:
    """Put the section into the bundle's card, in the place of an earlier one or at the end.

    A bundle without a card gets one, which tells what its manifest says it was made from.

    Args:
        evaluation: Of this bundle.
        bundle: Its folder.

    Returns:
        The card's file.

    Raises:
        EvaluationError: If the card holds the beginning of a section without its end.
        BundleError: If there is no card, and no manifest that can be read.
    """
    path = bundle / CARD_FILE
    text = path.read_text(encoding="utf-8") if path.is_file() else _first_card(bundle)
    partial = path.with_name(f"{CARD_FILE}.partial")
    partial.write_text(with_section(text, card_section(evaluation)), encoding="utf-8")
    partial.replace(path)
    return path


def with_section(card: str, section: str) -> str:
    """A card with `section` in the place of an earlier one, or at its end.

    Raises:
        EvaluationError: If an earlier section has no end: what is the export's then cannot be told.
    """
    before, begins, rest = card.replace(NOT_EVALUATED, "").partition(BEGIN)
    _, ends, after = rest.partition(END)
    if begins and not ends:
        raise EvaluationError(
            f"{CARD_FILE} has {BEGIN!r} but not {END!r}; put the latter where the measured figures end, and write again"
        )
    parts = (before.rstrip(), f"{BEGIN}\n{section.strip()}\n{END}", after.strip())
    return "\n\n".join(part for part in parts if part) + "\n"


def card_section(evaluation: Evaluation) -> str:
    """The section: the main figures with intervals and chance, how they were measured, and what they do not tell."""
    figures = main_figures(evaluation)
    table = Table(
        header=("Task", "Measure", "Tags of", "Embedding space", "Value", "95 % interval", "Chance", "Measured over"),
        rows=tuple(
            (
                figure.task.value,
                f"{told(figure, 'metric')}{', per cent' if figure.metric.startswith('R@') else ''}",
                described("notion", figure.notion),
                told(figure, "subspace"),
                number(figure.metric, figure.value),
                interval(figure),
                DASH if figure.chance is None else number(figure.metric, figure.chance),
                f"{figure.n:,}",
            )
            for figure in figures
        ),
        text_columns=4,
    )
    limits = "\n".join(f"- {limit}" for limit in limits_of(evaluation, figures))
    return f"""## Measured

By `facet evaluate`, with the encoder `{evaluation.encoder_id}` as it is served.

{table.markdown}
All figures are in `evaluation.json`, as tables in `evaluation.md`, and drawn in the pictures beside them.

### How it was measured

{data_of(evaluation)}
{facts(evaluation.settings)}
### What these figures do not tell

{limits}
"""


def main_figures(evaluation: Evaluation) -> list[Figure]:
    """Those that the card shows, of audio as recorded, in the order of the tasks: overall, and by dimension."""
    plain = at_condition(evaluation, AS_RECORDED)
    overall = [column(plain) for _, column in (*KEY_FIGURES, CALIBRATION)]
    overall.append(plain.find(Task.CALIBRATION, "brier_score"))
    tagging = tagging_overall(plain)
    by_dimension: list[Figure | None] = []
    for notion in notions_of([plain]):
        by_dimension += [
            plain.find(Task.TAGGING, "roc_auc", notion=notion, variant=tagging.variant if tagging else None),
            plain.find(Task.CALIBRATION, "calibration_error", notion=notion),
            plain.find(Task.TAG_TRIPLETS, "accuracy", notion=notion),
            plain.find(Task.TAG_TRIPLETS, "accuracy", notion=notion, subspace=notion),
        ]
    found = [figure for figure in (*overall, *by_dimension, plain.find(Task.HUBNESS, "skewness")) if figure is not None]
    return sorted(found, key=lambda figure: list(Task).index(figure.task))


def limits_of(evaluation: Evaluation, figures: list[Figure]) -> list[str]:
    """What a reader should not conclude: found in the figures where it can be, a sentence each."""
    limits = [
        "They are of this data. Music and tags of another kind may fare better or worse.",
        "Intervals tell how much the tracks that happen to be in the data matter. They do not tell how much another "
        "training, another choice of tags or another judge would.",
    ]
    unsure = [
        ", ".join((f"{figure.task} {told(figure, 'metric')}", *_asked_of(figure)))
        for figure in figures
        if is_within_chance(figure)
    ]
    if unsure:
        limits.append(f"No better than chance, as far as this data can tell: {'; '.join(unsure)}.")
    limits += _limits_of_probabilities(evaluation)
    measured = {figure.task for figure in evaluation.figures}
    missing = [task.value for task in Task if task not in measured and task is not Task.TRAINING]
    if missing:
        limits.append(f"Not measured: {', '.join(missing)}.")
    limits += notes_of(evaluation)
    if len(conditions_of(evaluation)) < 2:
        limits.append("Not measured: what becomes of them when the audio is compressed, louder, faster or noisy.")
    return limits


def _limits_of_probabilities(evaluation: Evaluation) -> list[str]:
    """Which tags' probabilities cannot be taken at their word: those that were seen not to hold, and the useless."""
    of_tags = [
        figure
        for figure in at_condition(evaluation, AS_RECORDED).figures
        if figure.task is Task.CALIBRATION and figure.tag is not None
    ]
    wrong = [
        figure
        for figure in of_tags
        if figure.metric == "calibration_error"
        and figure.low is not None
        and figure.chance is not None
        and figure.low > figure.chance
    ]
    useless = [figure for figure in of_tags if is_within_chance(figure)]
    limits = []
    if wrong:
        found = ", ".join(f"{figure.tag} ({number(figure.metric, figure.value)})" for figure in wrong)
        limits.append(f"Tags whose probabilities did not hold here, with their calibration error: {found}.")
    if useless:
        names = ", ".join(str(figure.tag) for figure in useless)
        limits.append(
            "Tags whose probability is no better a forecast here than the share of tracks that have the tag, though "
            f"its order may be of use: {names}."
        )
    if of_tags:
        tags = {figure.tag for figure in of_tags}
        left = len(tags - {figure.tag for figure in (*wrong, *useless)})
        limits.append(
            f"The probabilities of {left} of {len(tags)} tags held here as far as this data can tell; on other music, "
            "and where tags are rarer or more frequent, they need not."
        )
    return limits


def _asked_of(figure: Figure) -> list[str]:
    return [told(figure, name) for name in ("notion", "subspace") if told(figure, name) != DASH]


def is_within_chance(figure: Figure) -> bool:
    """Whether chance lies in the interval or on its better side; False where either is not known.

    Of hubness and of calibration errors, where chance is no floor to be beaten, nothing is said.
    """
    if figure.chance is None or figure.low is None or figure.high is None or figure.task is Task.HUBNESS:
        return False
    if figure.task is Task.CALIBRATION:
        return figure.metric == "brier_score" and figure.high >= figure.chance
    return figure.low <= figure.chance


def _first_card(bundle: Path) -> str:
    manifest = BundleManifest.read(bundle / MANIFEST_FILE)
    made_from = "\n".join(f"- {entry.what}: {entry.source}. Licence: {entry.licence}." for entry in manifest.provenance)
    seconds = manifest.excerpt_samples / manifest.sample_rate
    dimensions = ", ".join(manifest.subspaces.names)
    return f"""# {manifest.name}

It takes {seconds:g} seconds of mono audio at {manifest.sample_rate} Hz and gives {manifest.subspaces.width} numbers
({dimensions}), and the probabilities of {len(manifest.tags)} tags.

Made from:

{made_from}
"""
