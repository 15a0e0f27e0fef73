"""`regional-assets alerts`: what waits for the notification relay, left where it is."""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec
from rich.table import Table

from regional_assets.cli.render import plain
from regional_assets.intelligence.stored import Time
from regional_assets.intelligence.text import quoted, visible

_STYLE = {"critical": "red", "high": "yellow"}


class _Event(msgspec.Struct):
    """A message of the queue, which carries the platform's other events, too."""

    eventType: str = ""
    payload: Any = None


class _Payload(msgspec.Struct):
    region_id: str
    title: str


class RegionalAlert(msgspec.Struct):
    """What is shown of a regional alert; `publishedAt` in ms."""

    payload: _Payload
    publishedAt: Time
    # The relay takes a missing one for high.
    severity: Literal["critical", "high"] = "high"


def regional_alerts(messages: Iterable[bytes]) -> tuple[list[RegionalAlert], list[str]]:
    """The regional alerts among the messages, and what is wrong with those that are damaged."""
    found: list[RegionalAlert] = []
    damaged: list[str] = []
    for position, message in enumerate(messages, 1):
        where = f"message {position}"
        try:
            event = msgspec.json.decode(message, type=_Event)
            if not event.eventType.startswith("regional_"):
                continue
            if isinstance(event.payload, dict):
                where += f" (region {visible(str(event.payload.get('region_id')))[:100]})"
            found.append(msgspec.json.decode(message, type=RegionalAlert))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            damaged.append(f"{where} is damaged: {quoted(error)}")
    return found, damaged


def alerts_table(alerts: Iterable[RegionalAlert], when: str, words: Callable[[int], str]) -> Table:
    """The alerts as a table whose last column, headed `when`, is the time in `words`."""
    table = Table("region", "severity", "title", when)
    for alert in alerts:
        table.add_row(
            plain(alert.payload.region_id),
            plain(alert.severity, _STYLE[alert.severity]),
            plain(alert.payload.title),
            words(alert.publishedAt),
        )
    return table
