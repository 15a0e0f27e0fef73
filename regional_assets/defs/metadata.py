"""How things are shown in Dagster's metadata: tables, what changed, the world map."""

import base64
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from regional_assets.intelligence.text import visible

if TYPE_CHECKING:
    from regional_assets.board.view import Change, Few
    from regional_assets.board.world_map import Picture

# The columns of all tables: what is in them, and what that means. Other columns have numbers.
_COLUMNS: Mapping[str, tuple[str, str | None]] = {
    "region": ("string", None),
    "regime": ("string", None),
    "net_balance": ("float", "from -1 to 1"),
    "confidence": ("float", "from 0 to 1"),
    "active_triggers": ("int", None),
    "trigger_reason": ("string", "what caused the last snapshot"),
    "confirmed": ("string", "when it was last written or confirmed (UTC)"),
    "age_hours": ("float", "hours since then, when this table was made"),
    "time": ("datetime", "UTC"),
    **dict.fromkeys(("change", "subject", "before", "after"), ("string", None)),
}
# A table of more changes would only take up space in Dagster's storage.
_MOST_ROWS = 60
_MOST_CHARACTERS = 300


def table(names: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """The columns of those names of `rows`."""
    columns = [dg.TableColumn(name, *_COLUMNS.get(name, ("float", None))) for name in names]
    records = [
        dg.TableRecord({column.name: row[column.name] for column in columns}) for row in rows
    ]
    return dg.MetadataValue.table(records, dg.TableSchema(columns=columns))


def changes_metadata(changes: "Mapping[str, Few[Change]]") -> dict[str, Any]:
    """What changed, by region, as a table; and how many changes are not in it, if any."""
    rows = [
        {
            "region": region,
            "change": change.kind,
            "subject": visible(change.subject[:_MOST_CHARACTERS]),
            "before": visible(change.before[:_MOST_CHARACTERS]),
            "after": visible(change.after[:_MOST_CHARACTERS]),
        }
        for region, found in changes.items()
        for change in found.items
    ]
    more = max(0, len(rows) - _MOST_ROWS) + sum(found.more for found in changes.values())
    names = ("region", "change", "subject", "before", "after")
    return {
        "changes": table(names, rows[:_MOST_ROWS]),
        **({"changes_not_shown": more} if more else {}),
    }


def map_metadata(drawn: "Picture") -> dict[str, Any]:
    """The world map; where there is none, why."""
    if drawn.why_not:
        return {"no_map": drawn.why_not}
    encoded = base64.b64encode(drawn.svg.encode()).decode()
    words = f"![world map of net balances](data:image/svg+xml;base64,{encoded})"
    return {"chart": dg.MetadataValue.md(words)}
