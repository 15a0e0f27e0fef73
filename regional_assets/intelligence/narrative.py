"""The narrative of a snapshot: a region in words (SPEC 8)."""

from typing import Any

import msgspec

SECTIONS = ("situation", "balance_assessment", "outlook_24h", "outlook_7d", "outlook_30d")
MAX_WATCH_ITEMS = 3


class Passage(msgspec.Struct, frozen=True):
    """A text and the ids of the evidence it rests on."""

    text: str = ""
    evidence_ids: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The passage as it is stored."""
        return {"text": self.text, "evidence_ids": list(self.evidence_ids)}


class Narrative(msgspec.Struct, frozen=True):
    """A snapshot's narrative; `provider` and `model` name who wrote it ("" for nobody)."""

    situation: Passage = Passage()
    balance_assessment: Passage = Passage()
    outlook_24h: Passage = Passage()
    outlook_7d: Passage = Passage()
    outlook_30d: Passage = Passage()
    watch_items: tuple[Passage, ...] = ()
    provider: str = ""
    model: str = ""

    def texts(self) -> list[str]:
        """The texts that are not empty."""
        sections = [getattr(self, name) for name in SECTIONS]
        return [passage.text for passage in (*sections, *self.watch_items) if passage.text]

    def as_json(self) -> dict[str, Any]:
        """The snapshot's `narrative` block; who wrote it is in the snapshot's `meta`."""
        sections = {name: getattr(self, name).as_json() for name in SECTIONS}
        return {**sections, "watch_items": [item.as_json() for item in self.watch_items]}


EMPTY = Narrative()
