"""`regional-assets history`: the regime changes of a region."""

from collections.abc import Iterable

from rich.table import Table

from regional_assets.cli.render import plain, utc
from regional_assets.intelligence.stored import BodyError, Transition, read_transition
from regional_assets.store.reading import read_regime_history
from regional_assets.store.snapshot_store import SnapshotStore


def regime_changes(store: SnapshotStore, region: str) -> tuple[list[Transition], list[str]]:
    """The entries of the region's regime history, and what is wrong with those that are damaged."""
    found: list[Transition] = []
    damaged: list[str] = []
    for position, entry in enumerate(read_regime_history(store, region), 1):
        try:
            found.append(read_transition(region, entry))
        except BodyError as error:
            damaged.append(f"{store.keys.regime_history(region)}: entry {position} is {error}")
    return found, damaged


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
