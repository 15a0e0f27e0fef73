"""The alerts that a commit queues for the notification relay (SPEC 6, Alerts)."""

from collections.abc import Iterator
from typing import Any

import msgspec

from regional_assets.intelligence.diff import Diff
from regional_assets.intelligence.scoring import Alerts
from regional_assets.intelligence.text import words

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


class Alert(msgspec.Struct, frozen=True):
    """One message; `title` is its text and, with `event_type`, its identity."""

    event_type: str
    severity: str
    title: str
    details: dict[str, Any]

    def as_json(self, region_id: str, snapshot_id: str, triggered_at: int) -> dict[str, Any]:
        """The queued message; times are ms since the epoch."""
        return {
            "eventType": self.event_type,
            "severity": self.severity,
            "payload": {
                "title": self.title,
                "region_id": region_id,
                "snapshot_id": snapshot_id,
                "triggered_at": triggered_at,
                "details": self.details,
            },
            "publishedAt": triggered_at,
        }

    @property
    def guard_hash(self) -> str:
        """The hash under which the publisher remembers the message: h = 31·h + code unit over
        UTF-16, in signed 32-bit arithmetic, read as unsigned, in base 36."""
        h = 0
        units = f"{self.event_type}:{self.title}".encode("utf-16-le")
        for low, high in zip(units[::2], units[1::2], strict=True):
            h = (31 * h + (high << 8 | low)) & 0xFFFFFFFF
        digits = ""
        while h:
            h, digit = divmod(h, 36)
            digits = _BASE36[digit] + digits
        return digits or "0"


def alerts(label: str, changes: Diff, rules: Alerts) -> Iterator[Alert]:
    """The alerts of the changes of the region with that label, in the order in which they are
    queued."""
    shift = changes.regime_changed
    if shift:
        before = shift["from"] or "none"
        yield Alert(
            "regional_regime_shift",
            "critical" if shift["to"] in rules.critical_regimes else rules.regime_shift,
            f"{label}: regime {words(before)} → {words(shift['to'])}",
            {"from": before, "to": shift["to"]},
        )
    for activation in changes.trigger_activations:
        yield Alert(
            "regional_trigger_activation",
            rules.trigger_activation,
            f"{label}: {activation['description']}",
            {"trigger_id": activation["id"], "description": activation["description"]},
        )
    for fall in changes.corridor_breaks:
        yield Alert(
            "regional_corridor_break",
            rules.corridor_break,
            f"{label}: sea routes break down, maritime access fell from {fall['from']} "
            f"to {fall['to']}",
            dict(fall),
        )
    for failure in changes.buffer_failures:
        yield Alert(
            "regional_buffer_failure",
            rules.buffer_failure,
            f"{label}: a buffer fails, {words(failure['axis'])} is {failure['to']:g} "
            f"after {failure['from']:g}",
            dict(failure),
        )
