"""`regional-assets inputs`: the feeds as they are in the store."""

from pathlib import Path

import click
from rich.table import Table

from regional_assets.cli.command import chosen, open_store
from regional_assets.cli.render import console, input_cells, plain
from regional_assets.intelligence.inputs import StoredValue, is_sample, read_inputs
from regional_assets.intelligence.world import build_world
from regional_assets.runs.input_files import read_input_files
from regional_assets.settings import StoreSettings
from regional_assets.store.snapshot_store import SnapshotStore

# A message names so many keys.
_NAMED = 3


def load_inputs(folder: Path, now: int, *, if_empty: bool, samples: bool, yes: bool) -> None:
    """Writes the input files of the folder; `now` (ms) is what their times are relative to.
    `samples` lets samples into a server that REDIS_URL names, and `yes` does so without asking."""
    values = read_input_files(chosen(), folder, now)
    invented = any(is_sample(StoredValue(value)) for value in values.values())
    with open_store() as store:
        states = read_inputs(store.model.inputs, store.read([]).values, now)
        if if_empty and any(state.size for state in states.values()):
            click.echo(f"inputs are there already at {store.server}")
            return
        if invented:
            _allow_samples(store, samples, yes)
        store.write_inputs(values)
        click.echo(f"{len(values)} keys loaded into {store.server}")


def _allow_samples(store: SnapshotStore, asked_for: bool, yes: bool) -> None:
    """Raises unless samples may be loaded: runs take them for real, and the relay sends their
    alerts to people."""
    where = store.server
    embedded = StoreSettings.from_environment().redis_url is None
    if not (embedded or asked_for):
        raise click.ClickException(
            f"samples are not loaded into {where}, which REDIS_URL names: they are an invented "
            "world, and alerts from it would reach people; start the feeds' writers, or unset "
            "REDIS_URL for the embedded server, or ask for samples there with --samples"
        )
    _refuse_beside_feeds(store)
    if not (embedded or yes):
        click.confirm(
            "Samples are an invented world; runs take it for real, and alerts from it, also of "
            f"severity high, reach people. Load samples into {where}?",
            abort=True,
        )
        # A feed may have come meanwhile.
        _refuse_beside_feeds(store)


def _refuse_beside_feeds(store: SnapshotStore) -> None:
    feeds = [
        store.keys.input(key)
        for key, value in store.read([]).values.items()
        if (value.data is not None or value.error) and not is_sample(value)
    ]
    if feeds:
        others = len(feeds) - _NAMED
        named = ", ".join(feeds[:_NAMED]) + (f" and {others} more" if others > 0 else "")
        raise click.ClickException(
            f"samples are not loaded into {store.server} beside feeds: {named}; give "
            "samples a server of their own (without REDIS_URL, with REGIONAL_STATE_DIR set to a "
            "new folder), or delete these keys if nothing writes them"
        )


def show_inputs(now: int) -> None:
    """A line per input; `now` in ms."""
    with open_store() as store:
        stored, keys = store.read([]), store.keys
        world = build_world(store.model, stored.values, now, stored.memory(now))
    table = Table("input", "key", "state", "age", "max age", "bytes", "problem", "records")
    for name, state in world.inputs.items():
        records = plain(world.tallies.get(name, ""))
        table.add_row(name, keys.input(state.spec.key), *input_cells(state, now), records)
    console().print(table)
