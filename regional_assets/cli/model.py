"""`regional-assets model`: what snapshots are worked out with."""

import click

from regional_assets.cli.command import Group, chosen


@click.group(cls=Group)
def model() -> None:
    """The model: regions, inputs, scoring, triggers."""


@model.command()
@click.option("--tables", is_flag=True, help="In full: with the large tables, to keep or to send.")
def show(tables: bool) -> None:
    """Print the model in force as TOML, which REGIONAL_MODEL takes.

    Without --tables, the place names and other large tables of this version are named by their
    digest. What is probably not meant is said on standard error.
    """
    from regional_assets.intelligence.model_file import write_model
    from regional_assets.runs.models import described

    shown = chosen()
    for words in (described(shown), *shown.warnings):
        click.echo(f"# {words}", err=True)
    click.echo(write_model(shown, tables=tables), nl=False)
