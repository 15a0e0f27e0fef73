"""How the command shows what it found: tables, ages, a snapshot."""

import sys
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from regional_assets.intelligence.balance import AXES
from regional_assets.intelligence.inputs import InputState
from regional_assets.intelligence.narrative import SECTIONS

_TABLE_WIDTH = 150
_FRESHNESS_STYLE = {"fresh": "green", "stale": "yellow", "missing": "red"}


def console() -> Console:
    """Standard output for tables."""
    # Into a file or a pipe, tables are as wide as they need to be.
    return Console(width=None if sys.stdout.isatty() else _TABLE_WIDTH)


def input_cells(state: InputState, now: int) -> tuple[str, ...]:
    """State, age, maximal age, size and problem of an input, as cells of a table."""
    style = _FRESHNESS_STYLE[state.freshness]
    return (
        f"[{style}]{state.freshness}[/]",
        "" if state.timestamp is None else age(now - state.timestamp),
        age(state.spec.max_age_minutes * 60_000),
        f"{state.size:,}",
        state.problem or "",
    )


def age(milliseconds: float) -> str:
    """A time span in its largest fitting unit; a negative one is `ahead`."""
    seconds = abs(milliseconds) / 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            text = f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
            break
    else:
        text = f"{seconds:.0f} s"
    return text if milliseconds >= 0 else f"{text} ahead"


def _narrative_texts(narrative: dict[str, Any]) -> list[str]:
    watched = narrative["watch_items"]
    passages = [*(narrative[name] for name in SECTIONS), *watched]
    return [passage["text"] for passage in passages if passage["text"]]


def print_snapshot(console: Console, snapshot: dict[str, Any]) -> None:
    """The snapshot (its stored form) on one screen."""
    meta, regime, balance = snapshot["meta"], snapshot["regime"], snapshot["balance"]
    at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(snapshot["generated_at"] / 1000))
    console.print(f"[bold]{snapshot['region_id']}[/]  {at}  {meta['snapshot_id']}")
    before = f" (before: {regime['previous_label']})" if regime["previous_label"] else ""
    console.print(f"regime {regime['label']}{before}, confidence {meta['snapshot_confidence']}")
    table = Table("axis", "value", "drivers")
    drivers = [*balance["pressures"], *balance["buffers"]]
    for axis in (*AXES, "net_balance"):
        table.add_row(
            axis,
            f"{balance[axis]:.3f}",
            "; ".join(d["description"] for d in drivers if d["axis"] == axis),
        )
    console.print(table)
    for title, items in (
        ("narrative", _narrative_texts(snapshot["narrative"])),
        ("triggers active", [t["description"] for t in snapshot["triggers"]["active"]]),
        ("triggers watching", [t["description"] for t in snapshot["triggers"]["watching"]]),
        ("actors", [f"{a['name']} {a['leverage_score']}" for a in snapshot["actors"]]),
        (
            "transmission",
            [f"{p['end']} ({p['severity']})" for p in snapshot["transmission_paths"]],
        ),
        ("evidence", [e["summary"] for e in snapshot["evidence"][:10]]),
        ("missing inputs", meta["missing_inputs"]),
        ("stale inputs", meta["stale_inputs"]),
    ):
        if items:
            console.print(f"[bold]{title}[/]")
            for item in items:
                console.print(f"  {item}", markup=False, highlight=False)
