"""`regional-assets inputs`: the feeds as they are in the store."""

from pathlib import Path

import click
from rich.table import Table

from regional_assets.cli.command import open_store
from regional_assets.cli.render import console, input_cells, plain
from regional_assets.intelligence.inputs import read_inputs
from regional_assets.intelligence.world import build_world
from regional_assets.runs.input_files import read_input_files
from regional_assets.store.connection import address


def load_inputs(folder: Path, now: int, if_empty: bool) -> None:
    """Writes the input files of the folder; `now` (ms) is what their times are relative to."""
    values = read_input_files(folder, now)
    with open_store() as store:
        states = read_inputs(store.read([]).values, now)
        if if_empty and any(state.size for state in states.values()):
            click.echo(f"inputs are there already at {address(store.client)}")
            return
        store.write_inputs(values)
        click.echo(f"{len(values)} keys loaded into {address(store.client)}")


def show_inputs(now: int) -> None:
    """A line per input; `now` in ms."""
    with open_store() as store:
        world, keys = build_world(store.read([]).values, now), store.keys
    table = Table("input", "key", "state", "age", "max age", "bytes", "problem", "records")
    for name, state in world.inputs.items():
        records = plain(world.tallies.get(name, ""))
        table.add_row(name, keys.input(state.spec.key), *input_cells(state, now), records)
    console().print(table)
