"""`facet reembed`: a catalogue is analysed with another model bundle. What takes long to import is imported inside."""

import signal
from collections import Counter
from typing import TYPE_CHECKING

import click

from service.commands.command_line import Stop, command_settings, in_plain_words, stopping_on_signals
from service.ingest.terminal_text import printable
from service.settings import Settings

if TYPE_CHECKING:
    from index.analysis import Analyser
    from service.catalogue.repository import Catalogue

FAILURES_SHOWN = 10


@click.command()
@click.option("--switch", is_flag=True, help="Have it answer at the end whatever could not be analysed.")
@click.pass_context
def reembed(context: click.Context, *, switch: bool) -> None:
    """Analyse the whole catalogue with the model bundle of FACET_MODEL, beside the one that answers.

    A running service does the same in the background, with one thread; this is quicker. It goes on where it was
    interrupted. The bundle that answered goes on until all is done; then the new one takes over, in every process
    at once. If more than one track in twenty cannot be analysed, it waits until that is mended, or --switch is given.

    Exit status: 0 if the bundle answers now; 1 if not; 130 after Ctrl-C.
    """
    settings = command_settings(threads_per_library=1)
    with in_plain_words(), stopping_on_signals() as stop:
        from index.bundle_manifest import BundleError
        from index.decoder import DecoderStartError
        from index.model import DeviceUnavailableError
        from service.bundles.keeping import want_bundle
        from service.catalogue.repository import Catalogue
        from service.listening import open_analyser

        try:
            with (
                open_analyser(settings, workers=settings.threads) as analyser,
                Catalogue.open(settings.catalogue_url) as catalogue,
            ):
                goes_over = want_bundle(settings, catalogue, analyser.bundle)
                if goes_over is not None:
                    click.echo(goes_over, err=True)
                _embed(settings, catalogue, analyser, stop)
                answers = _conclude(catalogue, analyser, whatever_is_lost=switch)
        except (BundleError, DeviceUnavailableError, DecoderStartError) as error:
            raise click.ClickException(str(error)) from error
    if stop.is_set() and not answers:
        context.exit(128 + (stop.signal_number or signal.SIGINT))
    context.exit(0 if answers else 1)


def _embed(settings: Settings, catalogue: "Catalogue", analyser: "Analyser", stop: Stop) -> None:
    """Do it, and show how far it is."""
    from concurrent.futures import ThreadPoolExecutor

    from rich.console import Console

    from service.bundles.embedding import Embedder
    from service.ingest.progress import shown_progress

    progress = catalogue.bundles.progress(analyser.bundle.encoder_id)
    console = Console(stderr=True, highlight=False)
    with (
        ThreadPoolExecutor(settings.threads, thread_name_prefix="embedder") as executor,
        shown_progress(progress.tracks - progress.embedded, console) as advance,
    ):
        embedder = Embedder(catalogue, analyser, executor=executor, workers=settings.threads)
        for result in embedder.run(stop=stop, again=True, first=True):
            advance(result)


def _conclude(catalogue: "Catalogue", analyser: "Analyser", *, whatever_is_lost: bool) -> bool:
    """Change over if that can be, and say how it stands."""
    encoder_id, name = analyser.bundle.encoder_id, analyser.bundle.name
    with catalogue.writing() as writing:
        answers = writing.bundles.change_over(encoder_id, whatever_is_lost=whatever_is_lost)
    progress = catalogue.bundles.progress(encoder_id)
    click.echo(f"{progress.embedded} of {progress.tracks} tracks are analysed with {name}; {progress.failed} failed")
    failures = catalogue.bundles.failures(encoder_id, limit=progress.failed)
    for code, count in sorted(Counter(each.code for each in failures).items()):
        click.echo(f"  {code} {count}")
    paths = {track.id: track.path for track in catalogue.tracks([each.track_id for each in failures]).values()}
    for each in failures[:FAILURES_SHOWN]:
        click.echo(f"{printable(str(paths.get(each.track_id, each.track_id)))}: {printable(each.message)}")
    if len(failures) > FAILURES_SHOWN:
        click.echo(f"and {len(failures) - FAILURES_SHOWN} more")
    if answers:
        click.echo(f"{name} answers")
    elif progress.is_complete:
        click.echo("the model before it answers on: too many failed; mend that and run this again, or with --switch")
    else:
        click.echo("the model before it answers on until the rest is done")
    return answers
