"""`regional-assets history`: the regime changes of a region."""

import json
from collections.abc import Iterable

import click
import msgspec
from rich.table import Table

from regional_assets.cli.command import fail_with, open_store
from regional_assets.cli.render import console, plain
from regional_assets.intelligence.stored import Transition
from regional_assets.intelligence.timing import utc
from regional_assets.store.reading import read_regime_history, regime_changes


def show_history(region: str, as_json: bool) -> None:
    """The stored regime changes of the region, and what is wrong with those that are damaged."""
    with open_store() as store:
        changes, damaged = regime_changes(store, region, read_regime_history(store, region))
    if as_json:
        click.echo(json.dumps([msgspec.to_builtins(change) for change in changes], indent=2))
    elif changes:
        console().print(history_table(changes))
    elif not damaged:
        click.echo(f"{region}: no regime change is stored")
    fail_with(damaged, err=as_json)


def history_table(changes: Iterable[Transition]) -> Table:
    """The regime changes in their order."""
    table = Table("when", "from", "to", "why", "snapshot")
    for change in changes:
        table.add_row(
            utc(change.transitioned_at),
            change.previous_label or "none",
            change.label,
            plain(change.transition_driver),
            plain(change.snapshot_id),
        )
    return table
