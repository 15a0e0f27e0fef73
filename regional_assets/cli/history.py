"""`regional-assets history`: the regime changes of a region."""

from collections.abc import Iterable

from rich.table import Table

from regional_assets.cli.render import plain
from regional_assets.intelligence.stored import Transition
from regional_assets.intelligence.timing import utc


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
