"""The table of all stored snapshots of a region, as a CSV file."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import pandas as pd

from regional_assets.errors import FilesError
from regional_assets.intelligence.scoring import AXES
from regional_assets.intelligence.stored import BodyError, read_body
from regional_assets.runs import files
from regional_assets.settings import StoreSettings
from regional_assets.store.past import StoredHistory, read_histories
from regional_assets.store.snapshot_store import SnapshotStore

_BALANCE = (*AXES, "net_balance")
NUMBERS = (*_BALANCE, "confidence")


class History(msgspec.Struct, frozen=True):
    """The table of a region (index `time` in UTC; columns `regime`, then `NUMBERS`), and how many
    snapshots of its index are not in the table; `path` is where it was written."""

    frame: pd.DataFrame
    expired: int
    unreadable: int
    path: str = ""


def write_histories(
    store: SnapshotStore, settings: StoreSettings, regions: Sequence[str]
) -> Iterator[tuple[str, History | Exception | str]]:
    """Writes the table of each region as `history/<region>.csv`; of one that fails, why. Raises
    `StoreError` when the server is unavailable."""
    for region, stored in read_histories(store, regions):
        found: History | Exception | str = stored.error or ""
        if not stored.error:
            try:
                history = history_of(region, stored)
                content = history.frame.to_csv().encode()
                path = files.write(settings, f"history/{region}.csv", content)
                found = msgspec.structs.replace(history, path=path)
            except FilesError as error:
                found = str(error)
            # Any other error is this region's alone; the others go on.
            except Exception as error:
                found = error
        yield region, found


def history_of(region: str, stored: StoredHistory) -> History:
    """The table of what is stored of the region, whose index was read without error."""
    times: list[int] = []
    rows: list[list[Any]] = []
    expired = unreadable = 0
    for snapshot_id, at, body in stored.snapshots:
        if body is None:
            expired += 1
            continue
        snapshot = None
        with suppress(BodyError):
            snapshot = read_body(region, snapshot_id, body)
        if snapshot is None or snapshot.generated_at != at:
            unreadable += 1
            continue
        times.append(snapshot.generated_at)
        # A regime is one of a few words, so that no cell of the file can be read as a formula.
        # A number of what is not known would be read as one.
        unknown = snapshot.meta.unknown_axes or {}
        numbers = [None if n in unknown else snapshot.balance.axis(n) for n in _BALANCE]
        rows.append([snapshot.regime.label, *numbers, snapshot.meta.snapshot_confidence])
    frame = pd.DataFrame(
        rows,
        columns=["regime", *NUMBERS],
        index=pd.to_datetime(times, unit="ms", utc=True).rename("time"),
    )
    # JSON may hold whole numbers, and a table without rows has no types.
    frame = frame.astype({"regime": "str"} | dict.fromkeys(NUMBERS, "float64"))
    return History(frame, expired, unreadable)
