"""How the command shows what it found: tables, ages, a snapshot."""

import os
import sys
import time

from rich.console import Console
from rich.table import Table
from rich.text import Text

from regional_assets.intelligence.ground import shown
from regional_assets.intelligence.inputs import InputState
from regional_assets.intelligence.scoring import AXES
from regional_assets.intelligence.stored import Body
from regional_assets.intelligence.text import visible
from regional_assets.intelligence.timing import age, utc

_TABLE_WIDTH = 150
_FRESHNESS_STYLE = {"fresh": "green", "stale": "yellow", "held": "yellow", "missing": "red"}


def console() -> Console:
    """Standard output for tables."""
    # A file or a pipe has no width of its own; rich asks the terminal, or the variable.
    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if known else _TABLE_WIDTH)


def plain(value: object, style: str = "") -> Text:
    """`value` as it is, whatever is in it: neither markup nor an escape sequence takes effect."""
    return Text(visible(str(value)), style)


def input_cells(state: InputState, now: int) -> tuple[str | Text, ...]:
    """State, age, maximal age, size and problem of an input, as cells of a table."""
    style = _FRESHNESS_STYLE[state.freshness]
    old = "" if state.timestamp is None else age(now - state.timestamp)
    return (
        f"[{style}]{state.freshness}[/]",
        f"seen {age(now - state.seen)} ago" if state.seen else old,
        age(state.spec.max_age_minutes * 60_000),
        f"{state.size:,}",
        plain(state.problem or ""),
    )


def print_snapshot(console: Console, snapshot: Body) -> None:
    """The snapshot on one screen."""
    meta, regime, balance = snapshot.meta, snapshot.regime, snapshot.balance
    at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(snapshot.generated_at / 1000))
    console.print(plain(snapshot.region_id, "bold"), f" {at} ", plain(meta.snapshot_id))
    before = f" (before: {regime.previous_label})" if regime.previous_label else ""
    console.print(f"regime {regime.label}{before}, confidence {meta.snapshot_confidence}")
    table = Table("axis", "value", "drivers")
    drivers = [*balance.pressures, *balance.buffers]
    for axis in (*AXES, "net_balance"):
        words = "; ".join(d.description for d in drivers if d.axis == axis)
        table.add_row(axis, shown(snapshot, axis), plain(words))
    console.print(table)
    for title, items in (
        ("narrative", snapshot.narrative.texts()),
        (
            "triggers active",
            [
                t.description + (" (by last words)" if t.known is False else "")
                for t in snapshot.triggers.active
            ],
        ),
        ("triggers watching", [t.description for t in snapshot.triggers.watching]),
        ("actors", [f"{a.name} {a.leverage_score}" for a in snapshot.actors]),
        ("transmission", [f"{p.end} ({p.severity})" for p in snapshot.transmission_paths]),
        ("evidence", [e.summary for e in snapshot.evidence[:10]]),
        ("missing inputs", meta.missing_inputs),
        (
            "of these held",
            [f"{key} since {utc(at)}" for key, at in (meta.held_inputs or {}).items()],
        ),
        ("of these without a source", meta.no_source or ()),
        ("stale inputs", meta.stale_inputs),
    ):
        if items:
            console.print(f"[bold]{title}[/]")
            for item in items:
                console.print(plain(f"  {item}"))
