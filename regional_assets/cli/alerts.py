"""`regional-assets alerts`: what waits for the notification relay, left where it is."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from rich.markup import escape
from rich.table import Table

_STYLE = {"critical": "red", "high": "yellow"}


def regional_alerts(messages: Iterable[bytes]) -> list[dict[str, Any]]:
    """Region, severity, title and time (ms) of each message that is a regional alert; the queue
    carries the platform's other events, too."""
    found = []
    for message in messages:
        try:
            alert = json.loads(message)
            payload = alert["payload"]
            if alert["eventType"].startswith("regional_"):
                found.append(
                    {
                        "region": str(payload["region_id"]),
                        "severity": str(alert["severity"]),
                        "title": str(payload["title"]),
                        "at": int(alert["publishedAt"]),
                    }
                )
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            continue
    return found


def alerts_table(alerts: Iterable[dict[str, Any]], when: str, words: Callable[[int], str]) -> Table:
    """The alerts as a table whose last column, headed `when`, is the time in `words`."""
    table = Table("region", "severity", "title", when)
    for alert in alerts:
        style = _STYLE.get(alert["severity"], "")
        severity = f"[{style}]{escape(alert['severity'])}[/]" if style else alert["severity"]
        table.add_row(escape(alert["region"]), severity, escape(alert["title"]), words(alert["at"]))
    return table
