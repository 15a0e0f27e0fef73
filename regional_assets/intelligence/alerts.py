"""The alerts that a commit queues for the notification relay (SPEC 6, Alerts)."""

from collections.abc import Iterator, Mapping, Sequence

from regional_assets.intelligence.diff import Diff
from regional_assets.intelligence.geography import Region
from regional_assets.intelligence.scoring import Alerts, Severity
from regional_assets.intelligence.stored import Alert, AlertPayload
from regional_assets.intelligence.text import words


def alerts(
    region: Region,
    changes: Diff,
    rules: Alerts,
    snapshot_id: str,
    at: int,
    back: Sequence[str] = (),
) -> Iterator[Alert]:
    """The alerts of the region's changes, in the order in which they are queued; `at` in ms. They
    name the inputs that are `back` since the snapshot before: what changed may be older."""
    silence = {"after_silence_of": ", ".join(back)} if back else {}

    def alert(
        kind: str, severity: Severity, title: str, details: Mapping[str, str | float]
    ) -> Alert:
        payload = AlertPayload(
            f"{region.label}: {title}", region.id, snapshot_id, at, {**details, **silence}
        )
        return Alert(
            eventType=f"regional_{kind}", severity=severity, payload=payload, publishedAt=at
        )

    if shift := changes.regime_changed:
        before = shift.before or "none"
        yield alert(
            "regime_shift",
            "critical" if shift.after in rules.critical_regimes else rules.regime_shift,
            f"regime {words(before)} → {words(shift.after)}",
            {"from": before, "to": shift.after},
        )
    for activation in changes.trigger_activations:
        yield alert(
            "trigger_activation",
            rules.trigger_activation,
            activation.description,
            {"trigger_id": activation.id, "description": activation.description},
        )
    for fall in changes.corridor_breaks:
        yield alert(
            "corridor_break",
            rules.corridor_break,
            f"sea routes break down, maritime access fell from {fall.before} to {fall.after}",
            {"corridor_id": fall.corridor_id, "from": fall.before, "to": fall.after},
        )
    for failure in changes.buffer_failures:
        yield alert(
            "buffer_failure",
            rules.buffer_failure,
            f"a buffer fails, {words(failure.axis)} is {failure.after:g} after {failure.before:g}",
            {"axis": failure.axis, "from": failure.before, "to": failure.after},
        )
