"""`regional_history`: all stored snapshots of a region in one table."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
import msgspec

from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.charts import line_chart
from regional_assets.defs.partitions import (
    OWNERS,
    TAGS,
    backfill_policy,
    region_partitions,
    report_of,
)
from regional_assets.defs.resources import SnapshotStoreResource
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.scoring import AXES

if TYPE_CHECKING:
    import pandas as pd

    from regional_assets.store.past import StoredHistory
    from regional_assets.store.snapshot_store import SnapshotStore

REGIONAL_HISTORY = dg.AssetKey("regional_history")

_BALANCE = (*AXES, "net_balance")
_NUMBERS = (*_BALANCE, "confidence")
_DRAWN = ("net_balance", "coercive_pressure", "confidence")
_LAST_ROWS = 8

_DESCRIPTION = """
How a region got where it is: a table of all its stored snapshots (90 days), oldest first.

Each row is a snapshot: **time** (UTC), **regime**, the axes of the balance vector, their
**net_balance**, and **confidence**. The chart shows net balance, coercive pressure and confidence;
`last_rows` shows the newest snapshots.

* **For analysts**, the table is a CSV file, at `path` (`REGIONAL_FILES`). Read it with
  `pd.read_csv(path, index_col="time", parse_dates=["time"])`. Each run replaces it as a whole.
* **Snapshots that are skipped** are counted and fail nothing: `expired` ones are in the index but
  no longer stored; `unreadable` ones are not snapshots of this region and time.
* **When a region fails**, it alone is marked as failed, and the run page shows its error.
"""


class History(msgspec.Struct, frozen=True):
    """The table of a region (index `time` in UTC; columns `regime`, then numbers), and how many
    snapshots of its index are not in the table."""

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
    context: dg.OpExecutionContext,
    regional_model: dg.ResourceParam[Model],
    regional_store: SnapshotStoreResource,
) -> Iterator[Any]:
    """Writes the table of each of the run's regions."""
    from regional_assets.errors import FilesError
    from regional_assets.runs.files import write
    from regional_assets.store.past import read_histories

    regions = regional_model.region_ids
    report = report_of(context, REGIONAL_HISTORY, regional_model, regions, "regions failed")

    def written(store: "SnapshotStore") -> Iterator[tuple[str, Mapping[str, Any], None]]:
        settings = regional_store.settings()
        for region, stored in read_histories(store, report.partitions):
            if stored.error:
                report.failed(region, stored.error)
                continue
            try:
                history = history_of(region, stored)
                path = write(settings, f"history/{region}.csv", history.frame.to_csv().encode())
                metadata = _metadata(history, path)
                metadata |= {} if report.brief else _details(history)
            except FilesError as error:
                report.failed(region, str(error))
            # Any other error is this region's alone; the others go on.
            except Exception as error:
                report.failed(region, error)
            else:
                yield region, metadata, None

    with regional_store.open_or_fail(regional_model) as store:
        report.all_materialised(written(store))
    yield from report.finish()


def regional_history(model: Model) -> dg.AssetsDefinition:
    """The histories of the model's regions.

    Not by @dg.asset, which would make this step depend on the output of `regional_snapshot`. That
    step reports its partitions one by one and has no output, so Dagster would skip this one. The
    spec alone has the lineage. In a run of both, this step comes later, because the in-process
    executor takes the steps that are ready in the order of their priority."""
    spec = dg.AssetSpec(
        REGIONAL_HISTORY,
        deps=[REGIONAL_SNAPSHOT],
        description=_DESCRIPTION,
        group_name="snapshots",
        kinds={"python", "pandas", "redis"},
        owners=OWNERS,
        tags=TAGS,
        partitions_def=region_partitions(model),
        skippable=True,
    )
    return dg.AssetsDefinition(
        keys_by_input_name={},
        keys_by_output_name={REGIONAL_HISTORY.to_python_identifier(): REGIONAL_HISTORY},
        node_def=_write_histories,
        specs=[spec],
        backfill_policy=backfill_policy(),
    )


def history_of(region: str, stored: "StoredHistory") -> History:
    """The table of what is stored of the region, whose index was read without error."""
    import pandas as pd

    from regional_assets.intelligence.stored import BodyError, read_body

    times: list[int] = []
    rows: list[list[Any]] = []
    expired = unreadable = 0
    for snapshot_id, at, body in stored.snapshots:
        if body is None:
            expired += 1
            continue
        try:
            snapshot = read_body(region, snapshot_id, body)
        except BodyError:
            unreadable += 1
            continue
        if snapshot.generated_at != at:
            unreadable += 1
            continue
        times.append(snapshot.generated_at)
        # A regime is one of a few words, so that no cell of the file can be read as a formula.
        numbers = [getattr(snapshot.balance, name) for name in _BALANCE]
        rows.append([snapshot.regime.label, *numbers, snapshot.meta.snapshot_confidence])
    frame = pd.DataFrame(
        rows,
        columns=["regime", *_NUMBERS],
        index=pd.to_datetime(times, unit="ms", utc=True).rename("time"),
    )
    # JSON may hold whole numbers, and a table without rows has no types.
    frame = frame.astype({"regime": "str"} | dict.fromkeys(_NUMBERS, "float64"))
    return History(frame, expired, unreadable)


def _metadata(history: History, path: str) -> dict[str, Any]:
    """What a list of partitions needs; all there is when they are many."""
    times = history.frame.index
    return {
        "rows": len(times),
        "path": dg.MetadataValue.path(path),
        **({"first": _timestamp(times[0]), "last": _timestamp(times[-1])} if len(times) else {}),
        "expired": history.expired,
        "unreadable": history.unreadable,
    }


def _details(history: History) -> dict[str, Any]:
    frame = history.frame
    times = [time.to_pydatetime() for time in frame.index]
    return {
        "chart": line_chart("history", times, {name: frame[name].tolist() for name in _DRAWN}),
        "last_rows": _table(frame.tail(_LAST_ROWS)),
    }


def _timestamp(time: "pd.Timestamp") -> dg.TimestampMetadataValue:
    return dg.MetadataValue.timestamp(time.to_pydatetime())


def _table(frame: "pd.DataFrame") -> dg.TableMetadataValue:
    columns = [dg.TableColumn("time", "datetime", "UTC"), dg.TableColumn("regime", "string")]
    columns += [dg.TableColumn(name, "float") for name in _NUMBERS]
    rows = [
        dg.TableRecord({"time": f"{time:%Y-%m-%d %H:%M:%S}", **{str(n): v for n, v in row.items()}})
        for time, row in zip(frame.index, frame.to_dict("records"), strict=True)
    ]
    return dg.MetadataValue.table(rows, dg.TableSchema(columns=columns))
