"""`regional_history`: the stored snapshots of a region as one table, for people and analysts."""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.charts import line_chart
from regional_assets.defs.partitions import OWNERS, REGIONS, TAGS, backfill_policy
from regional_assets.defs.resources import SnapshotStoreResource
from regional_assets.intelligence.balance import AXES
from regional_assets.intelligence.numbers import is_number
from regional_assets.intelligence.regime import REGIME_LABELS
from regional_assets.store.errors import STORE_ERRORS, StoreError

if TYPE_CHECKING:
    import pandas as pd

    from regional_assets.store.snapshot_store import IndexRead, SnapshotStore

REGIONAL_HISTORY = dg.AssetKey("regional_history")

_NUMBERS = (*AXES, "net_balance", "confidence")
_DRAWN = ("net_balance", "coercive_pressure", "confidence")
_LAST_ROWS = 8
# Times from here on fit neither Python's dates nor pandas'.
_YEAR_10000 = 253_402_300_800_000

_DESCRIPTION = """
How a region got where it is: one table over all its stored snapshots (90 days), oldest first.

Each row is a snapshot: **time** (UTC), **regime**, the seven axes and **net_balance** (the eight
axes of the balance vector), **confidence**. The chart draws net balance, coercive pressure and
confidence; the last rows are shown under it.

* **For analysts** the table is a CSV file on the machine that ran it, at `path`:
  `pd.read_csv(path, index_col="time", parse_dates=["time"])`. It is replaced as a whole.
* **Skipped snapshots** are counted, they fail nothing: `expired` are in the index, but no longer
  stored; `unreadable` are not snapshots of this region and time.
* **When a region fails**, it alone is marked failed, and the run page says why.
"""


@dataclass(frozen=True, slots=True)
class History:
    """A region's table (index `time` in UTC; `regime`, then numbers), and how many snapshots of
    its index are not in it."""

    frame: "pd.DataFrame"
    expired: int
    unreadable: int


@dg.op(
    name="regional_history",
    out={REGIONAL_HISTORY.to_python_identifier(): dg.Out(dg.Nothing, is_required=False)},
    # After the snapshots of the same run; see below.
    tags={"dagster/priority": "-1"},
)
def _write_histories(
    context: dg.OpExecutionContext, snapshot_store: SnapshotStoreResource
) -> Iterator[dg.Output[Any]]:
    """Writes the table of each of the run's regions."""
    # A generator that yields nothing: what a plain function returns counts as an output, and
    # would materialise every partition a second time.
    yield from ()
    failed: dict[str, str] = {}
    try:
        folder = snapshot_store.settings().state_dir / "history"
        with snapshot_store.open() as store:
            for region, index in store.indexes(context.partition_keys).items():
                try:
                    metadata = _materialise(store, region, index, folder)
                # All regions would meet this one.
                except StoreError:
                    raise
                # Whatever goes wrong in one region is that region's failure, not the others' end.
                except Exception as error:
                    failed[region] = " ".join(str(error).split()) or type(error).__name__
                    context.log.error(f"{region} failed: {failed[region]}")
                    continue
                context.log_event(
                    dg.AssetMaterialization(REGIONAL_HISTORY, partition=region, metadata=metadata)
                )
    except STORE_ERRORS as error:
        # Their message says all; a traceback would only bury it.
        raise dg.Failure(str(error)) from None
    if failed:
        raise dg.Failure(
            f"{len(failed)} of {len(context.partition_keys)} regions failed: "
            + "; ".join(f"{region}: {error}" for region, error in failed.items()),
            metadata=failed,
            # Dagster would repeat all partitions; only the failed ones need another run.
            allow_retries=False,
        )


# Not made by @dg.multi_asset, which would make this step depend on the output of
# `regional_snapshot`. That step reports its partitions one by one and yields no such output, so
# Dagster would skip this one. The lineage is the spec's; in a run of both, this step comes later:
# the in-process executor takes the steps that are ready by priority.
regional_history = dg.AssetsDefinition(
    keys_by_input_name={},
    keys_by_output_name={REGIONAL_HISTORY.to_python_identifier(): REGIONAL_HISTORY},
    node_def=_write_histories,
    specs=[
        dg.AssetSpec(
            REGIONAL_HISTORY,
            deps=[REGIONAL_SNAPSHOT],
            description=_DESCRIPTION,
            group_name="snapshots",
            kinds={"python", "pandas", "redis"},
            owners=OWNERS,
            tags=TAGS,
            partitions_def=REGIONS,
            # Partitions are reported one by one, as those of `regional_snapshot` are.
            skippable=True,
        )
    ],
    backfill_policy=backfill_policy(),
)


def read_history(store: "SnapshotStore", region: str, index: "IndexRead") -> History:
    """The table of the snapshots that `index` lists. Raises `StoreError` when the server does not
    serve, and ValueError when the index could not be read."""
    import pandas as pd

    if index.error:
        raise ValueError(index.error)
    times: list[int] = []
    rows: list[list[Any]] = []
    expired = unreadable = 0
    bodies = store.bodies([snapshot_id for snapshot_id, _ in index.entries])
    for (_, at), body in zip(index.entries, bodies, strict=True):
        if body is None:
            expired += 1
            continue
        try:
            row = _row(region, at, json.loads(body))
        except (ValueError, TypeError, KeyError, RecursionError):
            unreadable += 1
            continue
        times.append(int(at))
        rows.append(row)
    frame = pd.DataFrame(
        rows,
        columns=["regime", *_NUMBERS],
        index=pd.to_datetime(times, unit="ms", utc=True).rename("time"),
    )
    # JSON has whole numbers, too, and a table without rows has no types of its own.
    frame = frame.astype({"regime": "str"} | dict.fromkeys(_NUMBERS, "float64"))
    return History(frame, expired, unreadable)


def _row(region: str, at: float, snapshot: Mapping[str, Any]) -> list[Any]:
    """Regime and numbers of a snapshot; raises ValueError, TypeError or KeyError when it is not
    one of that region and time."""
    if snapshot["region_id"] != region or snapshot["generated_at"] != at:
        raise ValueError("another snapshot")
    regime = snapshot["regime"]["label"]
    if regime not in REGIME_LABELS or not 0 <= at < _YEAR_10000:
        raise ValueError("no such regime or time")
    values = snapshot["balance"] | {"confidence": snapshot["meta"]["snapshot_confidence"]}
    for name in _NUMBERS:
        least = -1 if name == "net_balance" else 0
        if not is_number(values[name]) or not least <= values[name] <= 1:
            raise ValueError(f"{name} is out of range")
    return [regime, *(values[name] for name in _NUMBERS)]


def _materialise(
    store: "SnapshotStore", region: str, index: "IndexRead", folder: Path
) -> dict[str, Any]:
    """Writes the region's file; returns the metadata of its materialisation."""
    history = read_history(store, region, index)
    frame = history.frame
    path = folder / f"{region}.csv"
    _write(frame, path)
    times = [time.to_pydatetime() for time in frame.index]
    ends = {"first": times[0], "last": times[-1]} if times else {}
    return {
        "rows": len(frame),
        "path": dg.MetadataValue.path(path),
        **{name: dg.MetadataValue.timestamp(time) for name, time in ends.items()},
        "chart": line_chart("history", times, {name: frame[name].tolist() for name in _DRAWN}),
        "last_rows": dg.MetadataValue.md(frame.tail(_LAST_ROWS).to_markdown()),
        "expired": history.expired,
        "unreadable": history.unreadable,
    }


def _write(frame: "pd.DataFrame", path: Path) -> None:
    """Replaces the file as a whole: a reader sees the old table or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of its own name, as another run may write the same region.
    unfinished = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.csv")
    try:
        frame.to_csv(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
