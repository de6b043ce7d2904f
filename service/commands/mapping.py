"""`facet map`: draws the map that the page shows. What takes long to import is imported inside."""

import click

from service.commands.command_line import command_settings, in_plain_words


@click.command("map")
def map_() -> None:
    """Draw the map of the catalogue: of all dimensions together, and of each. A running service takes it up by itself.

    Tracks that come later are placed among their neighbours at once; draw anew now and then. On one core,
    100,000 tracks take a minute or so for each map.
    """
    settings = command_settings()
    with in_plain_words():
        from index.bundle_manifest import BundleError
        from index.model import DeviceUnavailableError
        from service.bundles.keeping import answering_bundle
        from service.catalogue.repository import Catalogue
        from service.map.drawing import draw_map, maps_folder

        with Catalogue.open(settings.catalogue_url) as catalogue:
            try:
                bundle = answering_bundle(settings, catalogue, threads=settings.threads)
            except (BundleError, DeviceUnavailableError) as error:
                raise click.ClickException(str(error)) from error
            folder = maps_folder(settings.maps_dir, catalogue=catalogue, encoder_id=bundle.encoder_id)
            try:
                published = draw_map(catalogue, bundle, folder, tell=click.echo)
            except OSError as error:
                raise click.ClickException(f"the map cannot be written: {error}") from error
    click.echo(f"published {published}")
