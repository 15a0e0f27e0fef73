"""A region's latest snapshot, read in two steps: the pointer names the snapshot, and only then is
the key of its body known (SPEC 6)."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from regional_assets.intelligence.stored import Body, BodyError, read_body
from regional_assets.intelligence.text import visible
from regional_assets.redis_link.refusals import refusal
from regional_assets.redis_link.text import as_text
from regional_assets.store.keys import Keys, is_snapshot_id
from regional_assets.store.wire import confirmation


class StoredSnapshot(msgspec.Struct, frozen=True):
    """A region's latest snapshot as it is stored under `key`. `confirmed_at` (ms) is when a run
    last wrote it or found its content unchanged; None when no run of this project did."""

    key: str
    snapshot_id: str
    body: bytes
    confirmed_at: int | None = None

    def parsed(self, region: str) -> Body:
        """The snapshot; raises `BodyError` with its key unless it is one of this region and id."""
        try:
            return read_body(region, self.snapshot_id, self.body)
        except BodyError as error:
            raise BodyError(f"{self.key} is {error}") from None


class LatestRead(msgspec.Struct, frozen=True):
    """A region's latest snapshot (None: it has none), or why it cannot be read; `lost` is then what
    the pointer holds, where the server did answer and there is no snapshot under that id."""

    snapshot: StoredSnapshot | None = None
    error: str | None = None
    lost: str | None = None

    def parsed(self, region: str) -> Body | None:
        """The snapshot, None when the region has none; raises `BodyError` with its key when it
        cannot be read."""
        if self.error:
            raise BodyError(visible(self.error))
        return self.snapshot.parsed(region) if self.snapshot else None


def copied_from(snapshot_id: str, copy: bytes) -> bool:
    """Whether `copy` is that of the snapshot with this id."""
    return f'"snapshot_id":"{snapshot_id}"'.encode() in copy


class Pointer(msgspec.Struct, frozen=True):
    """What a region's pointer and confirmation hold."""

    region: str
    held: bytes
    confirmed: bytes | None

    @property
    def snapshot_id(self) -> str:
        """The id of the latest snapshot, if the pointer holds one."""
        return as_text(self.held)

    def with_copy(self, keys: Keys, copy: bytes | None) -> LatestRead | None:
        """The snapshot, if `copy` is that of the snapshot that the pointer names. A snapshot never
        changes under its id, so the two need not be read at the same moment."""
        if not copy or not copied_from(self.snapshot_id, copy):
            return None
        return self._read(keys.latest_body(self.region), copy)

    def as_before(self, before: Mapping[str, LatestRead] | None) -> LatestRead | None:
        """What was read `before`, with the confirmation of now, if the pointer still names it."""
        read = before[self.region].snapshot if before else None
        if not read or read.snapshot_id != self.snapshot_id:
            return None
        return LatestRead(replace(read, confirmed_at=confirmation(self.confirmed)))

    def with_body(self, keys: Keys, reply: Any) -> LatestRead:
        """The same with the server's reply to a GET of the snapshot's own key."""
        pointer, key = keys.latest(self.region), keys.snapshot_by_id(self.snapshot_id)
        if not is_snapshot_id(self.snapshot_id):
            # What is no text cannot be compared with.
            lost = self.snapshot_id if self.snapshot_id.encode() == self.held else None
            return LatestRead(error=f"{pointer} holds no snapshot id; delete it", lost=lost)
        if isinstance(reply, Exception):
            return LatestRead(error=f"{key}: {refusal(reply)}")
        if reply is None:
            error = f"{pointer} names {self.snapshot_id}, but {key} is gone"
            return LatestRead(error=error, lost=self.snapshot_id)
        return self._read(key, reply)

    def _read(self, key: str, body: bytes) -> LatestRead:
        confirmed = confirmation(self.confirmed)
        return LatestRead(StoredSnapshot(key, self.snapshot_id, body, confirmed))
