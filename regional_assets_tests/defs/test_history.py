"""`regional_history` through Dagster: a real instance, real runs, a real server."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import fsspec
import pandas as pd
import pytest
import redis

from regional_assets.defs.assets.history import REGIONAL_HISTORY
from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.partitions import region_partitions
from regional_assets.intelligence.scoring import AXES
from regional_assets.runs import files
from regional_assets.runs.clock import current_time
from regional_assets.runs.history import history_of
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.settings import StoreSettings
from regional_assets.store.past import read_histories
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.dagster_runs import ALL, DEFS, materialisations, values
from regional_assets_tests.support.stores import keys, settings

HOUR = 3_600_000
COLUMNS = ["regime", *AXES, "net_balance", "confidence"]


@pytest.fixture
def store(client: redis.Redis, valkey_url: str, folder: Path) -> SnapshotStore:
    return SnapshotStore(client, MODEL, settings(valkey_url, folder))


@pytest.fixture
def history_run(instance: dg.DagsterInstance) -> Callable[..., dg.ExecuteInProcessResult]:
    """Runs the job."""
    job = DEFS.resolve_job_def("regional_history_job")

    def history_run(**options: Any) -> dg.ExecuteInProcessResult:
        return job.execute_in_process(instance=instance, raise_on_error=False, **options)

    return history_run


@pytest.fixture
def taken(store: SnapshotStore) -> list[int]:
    """The times (ms), ascending, of three snapshots of all regions. They are taken newest first,
    and the inputs change in between."""
    now = current_time()
    times = [now - 6 * HOUR, now - 12 * HOUR, now - 18 * HOUR]
    for removed, at in zip(
        ("military:flights:v1", "supply_chain:chokepoints:v4", "risk:scores:sebuf:stale:v8"),
        times,
        strict=True,
    ):
        assert not take_snapshots(store, REGION_IDS, at, force=True).failed
        store.client.set(removed, json.dumps({"fetchedAt": at}))
    return sorted(times)


def table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, index_col="time", parse_dates=["time"])


def milliseconds(frame: pd.DataFrame) -> list[int]:
    return [round(time.timestamp() * 1000) for time in frame.index]


def bodies(client: redis.Redis, region: str) -> list[dict[str, Any]]:
    """The stored snapshots, oldest first."""
    ids: Any = client.zrange(keys.index(region), 0, -1)
    return [json.loads(client.get(keys.snapshot_by_id(i.decode()))) for i in ids]  # type: ignore[arg-type]


def test_one_run_writes_the_table_of_every_region(
    instance: dg.DagsterInstance,
    client: redis.Redis,
    store: SnapshotStore,
    taken: list[int],
    history_run: Callable[..., dg.ExecuteInProcessResult],
    state: Path,
) -> None:
    result = history_run(tags=ALL)
    assert result.success
    found = materialisations(instance, result.run_id, REGIONAL_HISTORY)
    assert list(found) == list(REGION_IDS)
    for region, kept in read_histories(store, REGION_IDS):
        said = values(found[region])
        stored = bodies(client, region)
        frame = history_of(region, kept).frame
        assert list(frame.columns) == COLUMNS
        assert str(frame.index.dtype) == "datetime64[us, UTC]"
        assert milliseconds(frame) == taken
        assert frame.index.is_monotonic_increasing
        for (_, row), body in zip(frame.iterrows(), stored, strict=True):
            assert row["regime"] == body["regime"]["label"]
            assert row["confidence"] == body["meta"]["snapshot_confidence"]
            assert {a: row[a] for a in (*AXES, "net_balance")} == {
                a: body["balance"][a] for a in (*AXES, "net_balance")
            }
        path = state / "history" / f"{region}.csv"
        pd.testing.assert_frame_equal(table(path), frame)
        assert said["path"] == str(path)
        assert said["rows"] == 3
        assert said["expired"] == said["unreadable"] == 0
        assert [round(said[end] * 1000) for end in ("first", "last")] == [taken[0], taken[-1]]
        assert said["net_balance"] == frame["net_balance"].iloc[-1]
        shown = [row.data for row in said["last_rows"].records]
        assert [row["time"] for row in shown] == [
            f"{time:%Y-%m-%d %H:%M:%S}" for time in frame.index
        ]
        assert [[row[name] for name in COLUMNS] for row in shown] == frame.to_numpy().tolist()
    # Only the tables are left, no unfinished file.
    assert {p.name for p in (state / "history").iterdir()} == {f"{r}.csv" for r in REGION_IDS}


def test_the_table_changes_with_the_inputs(store: SnapshotStore, taken: list[int]) -> None:
    [(_, kept)] = read_histories(store, ["mena"])
    frame = history_of("mena", kept).frame
    assert frame["maritime_access"].nunique() > 1
    assert frame["confidence"].nunique() > 1


def test_more_snapshots_than_one_answer_carries(store: SnapshotStore) -> None:
    now = current_time()
    for n in range(120):
        take_snapshots(store, ["latam"], now - n * HOUR, force=True)
    [(_, kept)] = read_histories(store, ["latam"])
    frame = history_of("latam", kept).frame
    assert milliseconds(frame) == [now - n * HOUR for n in reversed(range(120))]


def test_expired_and_unreadable_snapshots_are_skipped_and_counted(
    instance: dg.DagsterInstance,
    client: redis.Redis,
    taken: list[int],
    history_run: Callable[..., dg.ExecuteInProcessResult],
    state: Path,
) -> None:
    first, *_ = bodies(client, "mena")
    client.delete(keys.snapshot_by_id(first["meta"]["snapshot_id"]))
    meta = first["meta"]
    regime = first["regime"]
    # No text of the file can be taken for a formula: a regime is one of six words.
    formulas = {c: {"regime": regime | {"label": f"{c}1+cmd|' /C calc'!A0"}} for c in "=+-@\t\r"}
    hostile: dict[str, Any] = {
        "regime": {"regime": regime | {"label": "<script>alert(1)</script>"}},
        "region": {"region_id": "europe"},
        "time": {"generated_at": 1},
        "balance": {"balance": first["balance"] | {"capital_stress": "0.5"}},
        "range": {"balance": first["balance"] | {"net_balance": 7}},
        "nan": {"meta": meta | {"snapshot_id": "nan", "snapshot_confidence": float("nan")}},
        "evidence": {"evidence": None},
        **formulas,
    }
    hostile = {
        name: first | {"meta": meta | {"snapshot_id": name}} | fields
        for name, fields in hostile.items()
    }
    hostile |= {"another": first, "list": [first], "empty": {}}
    written = {name: json.dumps(body) for name, body in hostile.items()}
    written |= {"json": "{", "deep": "[" * 100_000, "digits": "9" * 5000, "bytes": "\udcff"}
    for name, text in written.items():
        client.set(keys.snapshot_by_id(name), text.encode("utf-8", "surrogateescape"))
        client.zadd(keys.index("mena"), {name: taken[0]})
    far = first | {"generated_at": 10**18}
    client.set(keys.snapshot_by_id("far"), json.dumps(far))
    client.sadd(keys.snapshot_by_id("a-set"), 1)
    client.zadd(keys.index("mena"), {"far": 10**18, "infinite": float("inf"), "a-set": 1})
    client.zadd(keys.index("mena"), {b"\xff": 1})

    result = history_run(partition_key="mena")
    assert result.success
    said = values(materialisations(instance, result.run_id, REGIONAL_HISTORY)["mena"])
    assert said["rows"] == len(table(state / "history" / "mena.csv")) == 2
    assert said["expired"] == 4  # the deleted, the infinite, the set, the nameless
    assert said["unreadable"] == len(written) + 1
    assert "calc" not in (state / "history" / "mena.csv").read_text()
    assert "script" not in str(said["last_rows"].records)


def test_a_region_without_snapshots_is_an_empty_table(
    instance: dg.DagsterInstance,
    client: redis.Redis,
    history_run: Callable[..., dg.ExecuteInProcessResult],
    state: Path,
) -> None:
    result = history_run(partition_key="global")
    assert result.success
    said = values(materialisations(instance, result.run_id, REGIONAL_HISTORY)["global"])
    assert said["rows"] == 0
    assert not {"first", "last", "net_balance"} & set(said)
    assert list(table(state / "history" / "global.csv").columns) == COLUMNS


def test_one_region_fails_alone_and_keeps_its_old_table(
    instance: dg.DagsterInstance,
    client: redis.Redis,
    taken: list[int],
    history_run: Callable[..., dg.ExecuteInProcessResult],
    state: Path,
) -> None:
    assert history_run(tags=ALL).success
    before = (state / "history" / "europe.csv").read_bytes()
    client.rename(keys.index("europe"), "kept")
    client.set(keys.index("europe"), "not a sorted set")
    # The folder's own trouble is one region's, too.
    (state / "history" / "latam.csv").unlink()
    (state / "history" / "latam.csv").mkdir()

    result = history_run(tags=ALL)
    assert not result.success
    done = set(REGION_IDS) - {"europe", "latam"}
    assert set(materialisations(instance, result.run_id, REGIONAL_HISTORY)) == done
    partitions = region_partitions(MODEL)
    found = instance.get_status_by_partition(REGIONAL_HISTORY, REGION_IDS, partitions) or {}
    assert {r for r, status in found.items() if status and status.value == "FAILED"} == {
        "europe",
        "latam",
    }
    [failure] = result.get_step_failure_events()
    said = failure.step_failure_data.user_failure_data
    assert said is not None
    assert (said.description or "").startswith(f"2 of {len(REGION_IDS)} regions failed: ")
    told = {name: str(value.value) for name, value in said.metadata.items()}
    assert told["europe"].startswith(f"{keys.index('europe')}: WRONGTYPE")
    assert "latam.csv" in told["latam"]
    assert (state / "history" / "europe.csv").read_bytes() == before
    assert not list((state / "history").glob(".*"))

    client.rename("kept", keys.index("europe"))
    assert history_run(partition_key="europe").success


def test_in_a_run_over_many_each_says_little(
    instance: dg.DagsterInstance,
    taken: list[int],
    history_run: Callable[..., dg.ExecuteInProcessResult],
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = materialisations(instance, history_run(tags=ALL).run_id, REGIONAL_HISTORY)
    before = (state / "history" / "mena.csv").read_bytes()
    monkeypatch.setattr("regional_assets.dagster_kit.reporting.FEW", len(REGION_IDS) - 1)
    result = history_run(tags=ALL)
    assert result.success
    for region, found in materialisations(instance, result.run_id, REGIONAL_HISTORY).items():
        everything = values(full[region])
        assert values(found) == {name: everything[name] for name in {*everything} - {"last_rows"}}
        assert len(dg.serialize_value(found)) < 2_000
    assert (state / "history" / "mena.csv").read_bytes() == before


@pytest.mark.parametrize("few", [len(REGION_IDS), 1], ids=["one by one", "as a batch"])
def test_when_the_server_stops_serving_what_is_written_is_materialised(
    instance: dg.DagsterInstance,
    client: redis.Redis,
    taken: list[int],
    history_run: Callable[..., dg.ExecuteInProcessResult],
    valkey_url: str,
    monkeypatch: pytest.MonkeyPatch,
    few: int,
) -> None:
    monkeypatch.setattr("regional_assets.dagster_kit.reporting.FEW", few)
    # A round trip brings 400 snapshots. The fourth region has more.
    gone = {f"gone-{number}": taken[0] - 1 - number for number in range(400)}
    client.zadd(keys.index(REGION_IDS[3]), gone)
    client.acl_setuser("reader", enabled=True, nopass=True, keys=["*"], commands=["+@all"])
    monkeypatch.setenv("REDIS_URL", valkey_url.replace("unix://", "unix://reader:x@"))
    write = files.write

    def written(configured: StoreSettings, name: str, content: bytes) -> str:
        if name == f"history/{REGION_IDS[2]}.csv":
            client.acl_setuser("reader", commands=["-mget"])
        return write(configured, name, content)

    monkeypatch.setattr(files, "write", written)
    try:
        result = history_run(tags=ALL)
    finally:
        client.acl_deluser("reader")
    assert not result.success
    found = materialisations(instance, result.run_id, REGIONAL_HISTORY)
    assert list(found) == list(REGION_IDS[:3])
    [failure] = result.get_step_failure_events()
    assert "refuses" in (failure.step_failure_data.error_display_string or "")


def test_its_tables_go_where_files_go(
    instance: dg.DagsterInstance,
    client: redis.Redis,
    history_run: Callable[..., dg.ExecuteInProcessResult],
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REGIONAL_FILES", "memory://history-test/")
    result = history_run(tags=ALL)
    assert result.success
    said = values(materialisations(instance, result.run_id, REGIONAL_HISTORY)["mena"])
    assert said["path"] == "memory://history-test/history/mena.csv"
    with fsspec.open(said["path"], "rt") as file:
        assert list(pd.read_csv(file, index_col="time").columns) == COLUMNS
    assert not (state / "history").exists()

    monkeypatch.setenv("REGIONAL_FILES", "nothing://x")
    [failure] = history_run(tags=ALL).get_step_failure_events()
    reasons = failure.step_failure_data.user_failure_data
    assert reasons is not None
    assert str(reasons.metadata["mena"].value).startswith(
        "nothing://x/history/mena.csv cannot be written: Protocol not known: nothing; set"
    )


def test_a_server_that_is_not_there_is_one_plain_error(
    instance: dg.DagsterInstance,
    history_run: Callable[..., dg.ExecuteInProcessResult],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS_URL", f"unix://user:secret@{folder}/nothing.sock")
    monkeypatch.setenv("REGIONAL_RETRIES", "0")
    result = history_run(tags=ALL)
    [failure] = result.get_step_failure_events()
    said = failure.step_failure_data.user_failure_data
    assert said is not None
    assert f"Redis at unix://{folder}/nothing.sock does not answer" in (said.description or "")
    for entry in instance.all_logs(result.run_id):
        assert "secret" not in str(entry)


def test_in_a_run_of_both_it_comes_after_the_snapshots(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    """As when somebody materialises everything; when a region fails, of the others."""
    client.set(keys.index("europe"), "wrong")
    both = DEFS.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection={REGIONAL_SNAPSHOT, REGIONAL_HISTORY}
    )
    result = both.execute_in_process(instance=instance, tags=ALL, raise_on_error=False)
    assert not result.success
    found = materialisations(instance, result.run_id, REGIONAL_HISTORY)
    assert set(found) == set(REGION_IDS) - {"europe"}
    assert {values(m)["rows"] for m in found.values()} == {1}


def test_the_asset_explains_itself() -> None:
    node = DEFS.resolve_asset_graph().get(REGIONAL_HISTORY)
    assert len(node.description or "") > 200
    assert node.kinds == {"python", "pandas", "redis"}
    assert node.owners == ["team:regional-intelligence"]
    assert node.group_name == "snapshots"
    assert node.parent_keys == {dg.AssetKey("regional_snapshot")}


def test_a_run_that_was_launched_without_partitions_writes_all(
    history_run: Callable[..., dg.ExecuteInProcessResult],
    instance: dg.DagsterInstance,
    client: redis.Redis,
) -> None:
    result = history_run()
    assert result.success
    assert list(materialisations(instance, result.run_id, REGIONAL_HISTORY)) == list(REGION_IDS)
