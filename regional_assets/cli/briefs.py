"""`regional-assets brief`: the weekly briefs, written and shown."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from regional_assets.cli.command import FAILED, Group, chosen, echo_json, open_store
from regional_assets.intelligence.brief import STANDS_IN_WORDS
from regional_assets.intelligence.timing import utc

if TYPE_CHECKING:
    from regional_assets.intelligence.stored import WeeklyBrief


class _WriteByDefault(Group):
    """A group whose arguments are those of its command `write` unless they begin with another
    command's name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = ["write", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_WriteByDefault, subcommand_metavar="[write] [REGION]... | show REGION")
def brief() -> None:
    """The weekly briefs that a language model writes."""


@brief.command("write")
@click.argument("regions", nargs=-1, metavar="[REGION]...")
@click.option(
    "--force",
    is_flag=True,
    help=f"Write a brief even when the stored one is younger than {STANDS_IN_WORDS}.",
)
def write_briefs(regions: tuple[str, ...], force: bool) -> None:
    """Write the weekly briefs of REGIONs (default: all but global) in a Dagster run. The word
    `write` may be left out.

    Exits 1 when a region failed; the others are done all the same.
    """
    members = _briefed(regions or chosen().narrated)
    from regional_assets.cli.render import console
    from regional_assets.cli.run import run_briefs

    if not run_briefs(console(), chosen(), members, force=force):
        sys.exit(FAILED)


@brief.command("show")
@click.argument("region")
@click.option("--json", "as_json", is_flag=True, help="The stored JSON as it is.")
def show_brief(region: str, as_json: bool) -> None:
    """Show the weekly brief of REGION."""
    _briefed([region])
    from regional_assets.intelligence.stored import BodyError, read_weekly_brief
    from regional_assets.store.reading import read_stored_brief

    with open_store() as store:
        stored, key = read_stored_brief(store, region), store.keys.brief(region)
    if stored is None:
        raise click.ClickException(
            f"{region}: no brief yet; `regional-assets brief {region}` writes one"
        )
    try:
        found = read_weekly_brief(region, stored)
    except BodyError as error:
        raise click.ClickException(f"{key} is {error}") from None
    if as_json:
        echo_json(key, stored)
    else:
        _print_brief(found)


def _briefed(regions: Iterable[str]) -> tuple[str, ...]:
    """`regions` without repeats, all of which have briefs."""
    members = chosen().checked_regions(regions)
    for region in members:
        if region not in chosen().narrated:
            raise click.UsageError(f"{region} has no brief")
    return members


def _print_brief(found: "WeeklyBrief") -> None:
    """The brief on one screen."""
    from regional_assets.cli.render import console, plain

    screen = console()
    screen.print(
        plain(found.region_id, "bold"),
        f" {utc(found.period_start)} to {utc(found.period_end)}, by",
        plain(f"{found.model} ({found.provider})"),
    )
    for title, texts in (
        ("situation", [found.situation_recap]),
        ("regime", [found.regime_trajectory]),
        ("key developments", found.key_developments),
        ("risks", [found.risk_outlook]),
    ):
        if any(texts):
            screen.print(f"[bold]{title}[/]")
            for text in texts:
                screen.print(plain(f"  {text}"))
