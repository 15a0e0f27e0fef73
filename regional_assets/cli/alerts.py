"""`regional-assets alerts`: what waits for the notification relay, left where it is."""

from collections.abc import Callable, Iterable
from typing import Any

import click
import msgspec
from rich.table import Table

from regional_assets.cli.command import fail_with, open_store
from regional_assets.cli.render import console, plain
from regional_assets.intelligence.stored import Alert
from regional_assets.intelligence.text import quoted, visible
from regional_assets.intelligence.timing import age
from regional_assets.store.reading import read_waiting_alerts, remove_alerts

_MOST = 1000
_ALL = 1_000_000
_STYLE = {"critical": "red", "high": "yellow"}


class _Event(msgspec.Struct):
    """A message of the queue, which carries the platform's other events, too."""

    eventType: str = ""
    payload: Any = None


def show_alerts(now: int) -> None:
    """The alerts of the queue, and what is wrong with those that are damaged; `now` in ms."""
    with open_store() as store:
        waiting, queue = read_waiting_alerts(store, _MOST), store.keys.alert_queue
    found, damaged = regional_alerts(waiting.messages)
    if found:
        console().print(alerts_table(found, "age", lambda at: age(now - at)))
    more = waiting.total - len(waiting.messages)
    click.echo(
        f"{len(found)} regional alerts wait in {queue}, among {waiting.total} messages"
        + (f", of which the last {more} were not looked at" if more else "")
    )
    fail_with([f"{queue}: {problem}" for problem in damaged])


def drop(before: int) -> None:
    """Takes the regional alerts from before that time (ms) out of the queue."""
    with open_store() as store:
        waiting = read_waiting_alerts(store, _ALL).messages
        old = [m for m in waiting if any(a.publishedAt < before for a in regional_alerts([m])[0])]
        dropped = remove_alerts(store, old)
        click.echo(f"{dropped} regional alerts taken out of {store.keys.alert_queue}")


def regional_alerts(messages: Iterable[bytes]) -> tuple[list[Alert], list[str]]:
    """The regional alerts among the messages, and what is wrong with those that are damaged."""
    found: list[Alert] = []
    damaged: list[str] = []
    for position, message in enumerate(messages, 1):
        where = f"message {position}"
        try:
            event = msgspec.json.decode(message, type=_Event)
            if not event.eventType.startswith("regional_"):
                continue
            if isinstance(event.payload, dict):
                where += f" (region {visible(str(event.payload.get('region_id')))[:100]})"
            found.append(msgspec.json.decode(message, type=Alert))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            damaged.append(f"{where} is damaged: {quoted(error)}")
    return found, damaged


def alerts_table(alerts: Iterable[Alert], when: str, words: Callable[[int], str]) -> Table:
    """The alerts as a table whose last column, headed `when`, is the time in `words`."""
    table = Table("region", "severity", "title", when)
    for alert in alerts:
        table.add_row(
            plain(alert.payload.region_id),
            plain(alert.severity, _STYLE.get(alert.severity, "")),
            plain(alert.payload.title),
            words(alert.publishedAt),
        )
    return table
