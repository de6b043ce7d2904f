"""The `facet` command: hands each verb to the package that owns it, and imports that package only then."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass

import click


@dataclass(frozen=True)
class Verb:
    """Where a verb's command is, and the line that `facet --help` shows without importing it.

    Attributes:
        module: Full name.
        attribute: Of the module: a click command.
        help: One line.
        extra: The optional dependencies it needs, if any.
    """

    module: str
    attribute: str
    help: str
    extra: str | None = None


VERBS: Mapping[str, Verb] = {
    "ingest": Verb("service.commands.catalogue", "ingest", "Bring files and folders of music into the catalogue."),
    "reembed": Verb(
        "service.commands.reembedding", "reembed", "Analyse the catalogue with another model, beside the old one."
    ),
    "forget": Verb("service.commands.catalogue", "forget", "Take tracks out of the catalogue; their files stay."),
    "list": Verb("service.commands.catalogue", "list_", "Show the catalogue, or what could not be ingested."),
    "serve": Verb("service.commands.serving", "serve", "Answer questions over HTTP."),
    "demo": Verb("service.commands.serving", "demo", "Answer questions about the music that ships with Facet."),
    "index": Verb("service.commands.serving", "index", "Rebuild or verify the index of the catalogue."),
    "map": Verb("service.commands.mapping", "map_", "Draw the map of the catalogue that the page shows."),
    "keys": Verb("service.commands.keys", "keys", "Make, show and revoke API keys."),
    "db": Verb("service.commands.catalogue", "db", "Look after the catalogue's database."),
    "backup": Verb("service.commands.operations", "backup", "Write the catalogue into a file, while it is served."),
    "restore": Verb("service.commands.operations", "restore", "Make a backup the catalogue again."),
    "doctor": Verb("service.commands.operations", "doctor", "Say what is wrong, and what to do about it."),
    "dataset": Verb(
        "training.dataset_commands", "dataset", "Read labelled music and write it as a manifest.", extra="training"
    ),
    "train": Verb("training.training_commands", "train", "Train a model.", extra="training"),
    "heads": Verb("training.head_commands", "heads", "Fit sub-space heads to frozen taggers.", extra="training"),
    "export": Verb("training.commands", "export", "Make a model bundle.", extra="training"),
    "evaluate": Verb(
        "training.evaluation_commands", "evaluate", "Measure a model bundle on labelled music.", extra="evaluate"
    ),
    "reproduce": Verb(
        "training.reproduction_commands", "reproduce", "Train and measure the poster's models.", extra="training"
    ),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All verbs, in the order in which one meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of a verb, or None if there is no such verb."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        command: click.Command = getattr(importlib.import_module(verb.module), verb.attribute)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb.

        Raises:
            ClickException: If it needs packages that are not installed.
        """
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            verb = VERBS.get(ctx.invoked_subcommand or "")
            if verb is None or verb.extra is None:
                raise
            raise click.ClickException(
                f"`facet {ctx.invoked_subcommand}` needs the package {error.name!r}, which comes with Facet's extra "
                f"{verb.extra!r}: pip install 'facet[{verb.extra}]'"
            ) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The verbs and their lines, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])


@click.group(cls=LazyGroup)
def main() -> None:
    """Search music by what you mean: by example, by tag, and by one dimension of the sound at a time."""


if __name__ == "__main__":
    main()
