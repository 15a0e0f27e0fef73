"""What became of the records of one input (SPEC 2.3)."""

from typing import Any

import msgspec

from regional_assets.intelligence.text import clean, visible

KINDS = ("skipped", "incomplete", "unplaced")

_MAX_LABELS = 5
_MAX_LABEL = 80


class Tally(msgspec.Struct):
    """How many records an input has, and how many of them are not fully used.

    `skipped` ones cannot be used, `incomplete` ones lack a value they should have, and `unplaced`
    ones no region takes; `labels` names up to five of the places and categories that are not
    known. `undated`: its state does not fade with time, so that it leaves no last words.
    """

    records: int = 0
    skipped: int = 0
    incomplete: int = 0
    unplaced: int = 0
    labels: list[str] = msgspec.field(default_factory=list)
    undated: bool = False

    def objects(self, value: Any) -> list[dict[str, Any]]:
        """The objects of a list of records; `{}` is an empty list (a Lua round trip makes it
        one). Whatever else there is, is skipped."""
        if isinstance(value, list):
            found = [item for item in value if isinstance(item, dict)]
            self.records += len(value)
            self.skipped += len(value) - len(found)
            return found
        if value is not None and value != {}:
            self.records += 1
            self.skipped += 1
        return []

    def unknown(self, name: str) -> None:
        """Counts a record of a kind that is not known."""
        self.skipped += 1
        if len(self.labels) < _MAX_LABELS:
            self._name(visible(clean(name, _MAX_LABEL)))

    def nowhere(self, *names: Any) -> None:
        """Counts a record that no region takes; `names` are what the feed calls the place."""
        self.unplaced += 1
        if len(self.labels) < _MAX_LABELS:
            label = ", ".join(filter(None, (visible(clean(name, _MAX_LABEL)) for name in names)))
            self._name(label or "(no name)")

    def nowhere_at(self, lat: float, lon: float) -> None:
        """As `nowhere`, of a record that has a position (degrees): whole degrees are its name."""
        self.unplaced += 1
        if len(self.labels) < _MAX_LABELS:
            north, east = "N" if lat >= 0 else "S", "E" if lon >= 0 else "W"
            self._name(f"{abs(lat):.0f}°{north} {abs(lon):.0f}°{east}"[:_MAX_LABEL])

    def _name(self, label: str) -> None:
        if label not in self.labels:
            self.labels.append(label)

    @property
    def counts(self) -> dict[str, int]:
        """Those of `KINDS` that are not 0."""
        return {kind: count for kind in KINDS if (count := getattr(self, kind))}

    @property
    def unplaced_share(self) -> float:
        """The share of the records, from 0 to 1, that no region takes."""
        return self.unplaced / self.records if self.records else 0

    def __str__(self) -> str:
        words = ", ".join(f"{count} {kind}" for kind, count in self.counts.items())
        places = f" ({'; '.join(self.labels)})" if self.labels else ""
        return f"{self.records}" + (f": {words}{places}" if words else "")
