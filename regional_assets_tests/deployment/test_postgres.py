"""Dagster's storage on PostgreSQL: deploy/dagster.yaml as it is, and what doctor says of it."""

import multiprocessing
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sql
from dagster_postgres import PostgresEventLogStorage

from regional_assets.cli.doctor import examine
from regional_assets.dagster_kit import heartbeat
from regional_assets.dagster_kit.liveness import end_dead_runs
from regional_assets.dagster_kit.private import latest_data_versions, read_tags, write_tag
from regional_assets.dagster_kit.reporting import PartitionReport
from regional_assets.runs.clock import current_time
from regional_assets.store.diagnosis import Finding
from regional_assets.store.state_folder import CONFIGURATION
from regional_assets_tests.support.deployment import FILES
from regional_assets_tests.support.postgres import Postgres, postgres_server
from regional_assets_tests.support.processes import running
from regional_assets_tests.support.waiting import PATIENCE, eventually

PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
MATERIALISED = dg.DagsterEventType.ASSET_MATERIALIZATION

MANY = [f"p{number}" for number in range(120)]
ALL_OF_MANY = {
    "dagster/asset_partition_range_start": MANY[0],
    "dagster/asset_partition_range_end": MANY[-1],
}

PARTITIONS = dg.StaticPartitionsDefinition(MANY)


@dg.multi_asset(specs=[dg.AssetSpec("many", partitions_def=PARTITIONS, skippable=True)])
def many(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Reports on the last fifty alone."""
    report = PartitionReport(context, dg.AssetKey("many"), MANY)
    report.all_materialised((p, {"of": p}, f"v-{p}") for p in report.partitions[70:])
    yield from report.finish()


JOB = dg.Definitions(
    [many], executor=dg.in_process_executor
).resolve_implicit_global_asset_job_def()


@pytest.fixture(scope="module")
def server(session_folder: Path) -> Iterator[Postgres]:
    with postgres_server(session_folder) as running:
        yield running


@pytest.fixture
def postgres(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> Postgres:
    """The server, with an empty database."""
    found = server.with_new_database()
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    # The storage sets it.
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "")
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE")
    return found


def storage(folder: Path, written: str) -> Finding:
    """What doctor finds with this dagster.yaml."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(written)
    nowhere = {"REDIS_URL": f"unix://{folder}/nothing.sock", "REGIONAL_RETRIES": "0"}
    found = examine({"DAGSTER_HOME": str(home), **nowhere}, current_time)
    return next(finding for finding in found if finding.check == "Dagster storage")


def test_the_file_works_and_doctor_says_what_does_not(
    postgres: Postgres, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = (FILES / "dagster.yaml").read_text()
    found = storage(folder, file)
    assert (found.verdict, found.found) == ("ok", "PostgresRunStorage answers: 0 runs")

    url = f"postgresql://dagster:{postgres.password}@127.0.0.1:{postgres.port}/{postgres.database}"
    found = storage(folder, f"storage: {{postgres: {{postgres_url: '{url}'}}}}")
    assert found.verdict == "problem"
    assert "write postgresql+psycopg2://" in found.found
    assert postgres.password not in found.found

    monkeypatch.setenv("DAGSTER_POSTGRES_DB", "missing")
    found = storage(folder, file)
    assert found.verdict == "problem"
    assert 'database "missing" does not exist' in found.found
    assert postgres.password not in found.found


@pytest.fixture
def instance(postgres: Postgres, folder: Path) -> Iterator[dg.DagsterInstance]:
    """One with the storage of deploy/dagster.yaml."""
    home = folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text((FILES / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened


@pytest.mark.parametrize("tags", [ALL_OF_MANY, {}], ids=["a range", "without partitions"])
def test_of_many_partitions_each_is_reported(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, tags: dict[str, str]
) -> None:
    """50 of 120 are materialised, 70 are not. Of a batch, which PostgreSQL stores at once, no event
    is stored by itself."""
    one_by_one = stored_singly(monkeypatch)
    result = JOB.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
    # Of a run without partitions Dagster itself plans the asset as a whole.
    single = [kind for kind in one_by_one if kind in (PLANNED, MATERIALISED)]
    assert single == ([] if tags else [PLANNED])
    assert one_by_one
    found = instance.get_status_by_partition(dg.AssetKey("many"), MANY, PARTITIONS) or {}
    assert [s.value if s else "" for s in found.values()] == ["FAILED"] * 70 + ["MATERIALIZED"] * 50
    logged = instance.all_logs(result.run_id, of_type=MATERIALISED)
    events = [entry.asset_materialization for entry in logged if entry.asset_materialization]
    assert [event.partition for event in events] == MANY[70:]
    assert [event.metadata["of"].value for event in events] == MANY[70:]
    versions = latest_data_versions(instance, dg.AssetKey("many"))
    assert versions == {name: f"v-{name}" for name in MANY[70:]}
    [record] = instance.get_asset_records([dg.AssetKey("many")])
    last = record.asset_entry.last_materialization
    assert last
    assert last.asset_materialization == events[-1]
    planned = instance.all_logs(result.run_id, of_type=PLANNED)
    each = [event.get_dagster_event().partition for event in planned]
    assert sorted(filter(None, each)) == sorted(MANY)


def test_a_planned_batch_stores_what_dagster_stores_one_by_one(
    postgres: Postgres, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the batch fails after its rows were inserted: none of them stays."""
    one_by_one = stored_singly(monkeypatch)
    with monkeypatch.context() as off:
        off.setenv("DAGSTER_EVENT_BATCH_SIZE", "0")
        plain = planned(instance)
    assert one_by_one.count(PLANNED) == len(MANY)
    one_by_one.clear()
    assert planned(instance) == plain
    assert PLANNED not in one_by_one
    postgres.query(
        """
        create sequence tries;
        create function fail_once() returns trigger language plpgsql as $$
        begin
            -- A sequence is not rolled back.
            if nextval('tries') = 1 then raise 'the disk is full'; end if;
            return new;
        end $$;
        create trigger fail_once before insert or update on asset_keys
        for each row execute function fail_once()
        """
    )
    assert planned(instance) == plain
    assert one_by_one.count(PLANNED) == len(plain)
    assert int(postgres.query("select last_value from tries")) > 1


def planned(instance: dg.DagsterInstance) -> list[dg.EventLogEntry]:
    """The events of the partitions that a new run is going to materialise, without what differs
    between runs, when Dagster knows the run as the asset's last."""
    run_id = instance.create_run_for_job(JOB, tags=ALL_OF_MANY).run_id
    [record] = instance.get_asset_records([dg.AssetKey("many")])
    assert record.asset_entry.last_run_id == run_id
    found = instance.all_logs(run_id, of_type=PLANNED)
    return [event._replace(run_id="", timestamp=0) for event in found]


def stored_singly(monkeypatch: pytest.MonkeyPatch) -> list[dg.DagsterEventType | None]:
    """The types of the events that are stored each by itself, from now on."""
    found: list[dg.DagsterEventType | None] = []
    store = PostgresEventLogStorage.store_event

    def recording(self: Any, event: dg.EventLogEntry) -> None:
        found.append(event.dagster_event_type)
        store(self, event)

    monkeypatch.setattr(PostgresEventLogStorage, "store_event", recording)
    return found


def test_the_old_lines_of_storage_and_launcher_work_and_say_the_new_ones(
    instance: dg.DagsterInstance, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = folder / "old"
    home.mkdir()
    written = (FILES / "dagster.yaml").read_text()
    (home / "dagster.yaml").write_text(written.replace(".dagster_kit.", ".defs."))
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:1/0")
    for module in ("postgres_storage", "celery_launcher"):
        # Each process says it once, when it imports the module.
        monkeypatch.delitem(sys.modules, f"regional_assets.defs.{module}", raising=False)
    planned(instance)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        with dg.DagsterInstance.from_config(str(home)) as opened:
            assert type(opened.run_launcher) is type(instance.run_launcher)
            assert opened.get_runs_count() == 1
    assert [each.category for each in said] == [FutureWarning] * 2
    for each in said:
        lines = str(each.message).split("\n", 1)[1].split("\n  ")
        assert all(line.strip() in written for line in lines)


@pytest.fixture
def connected() -> Iterator[list[object]]:
    """Grows with each connection that this process opens."""
    found: list[object] = []

    def count(connection: object, record: object) -> None:
        found.append(record)

    sql.event.listen(sql.Pool, "connect", count)
    yield found
    sql.event.remove(sql.Pool, "connect", count)


def at_once(instance: dg.DagsterInstance, connections: int = 2) -> set[int]:
    """The server's processes that answer so many connections in use at the same time."""
    storage: Any = instance.run_storage
    with ExitStack() as held:
        opened = [held.enter_context(storage.connect()) for _ in range(connections)]
        return {int(each.scalar(sql.text("select pg_backend_pid()"))) for each in opened}


def test_all_instances_of_a_process_share_the_connections_that_it_keeps(
    instance: dg.DagsterInstance, postgres: Postgres, connected: list[object]
) -> None:
    """Also where it used many at a time."""
    planned(instance)
    assert len(connected) <= 2
    connected.clear()
    with dg.DagsterInstance.from_config(instance.root_directory) as another:
        planned(another)
        assert another.get_runs_count() == instance.get_runs_count() == 2
        assert not another.all_instigator_state()
    assert connected == []

    assert len(at_once(instance, 20)) == 20
    eventually(lambda: postgres.connections() <= 2)


def test_a_run_goes_on_when_the_server_restarts(
    instance: dg.DagsterInstance, postgres: Postgres
) -> None:
    @dg.asset
    def through_a_restart(context: dg.AssetExecutionContext) -> None:
        before = at_once(context.instance)
        postgres.start("restart")
        assert not at_once(context.instance) & before

    assert dg.materialize([through_a_restart], instance=instance).success
    [record] = instance.get_asset_records([through_a_restart.key])
    assert record.asset_entry.last_materialization


def test_a_forked_process_opens_connections_of_its_own(instance: dg.DagsterInstance) -> None:
    """It neither uses nor ends those of its parent."""
    before = at_once(instance)
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    with running(fork.Process(target=lambda: theirs.send(at_once(instance)))) as child:
        assert ours.poll(PATIENCE)
        assert not ours.recv() & before
        child.join(PATIENCE)
        assert child.exitcode == 0
    assert at_once(instance) == before


def shared(file: Path) -> list[str]:
    """What an instance has of its settings, whichever machines it runs on."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return lines[lines.index("run_retries:") :]


def test_what_does_not_depend_on_the_machines_is_as_on_one() -> None:
    assert shared(FILES / "dagster.yaml") == shared(CONFIGURATION)


def test_a_run_that_has_ended_stays_as_it_did(instance: dg.DagsterInstance) -> None:
    """The process of a run that was given up comes back, and says that it succeeded."""
    run = instance.create_run_for_job(JOB, tags=ALL_OF_MANY)
    instance.report_run_failed(run, "given up")
    success = dg.DagsterEvent("PIPELINE_SUCCESS", JOB.name)
    instance.report_dagster_event(success, run.run_id)
    found = instance.get_run_by_id(run.run_id)
    assert found
    assert found.status == dg.DagsterRunStatus.FAILURE


def started(instance: dg.DagsterInstance) -> dg.DagsterRun:
    run = instance.create_run_for_job(JOB, tags=ALL_OF_MANY)
    instance.report_dagster_event(dg.DagsterEvent("PIPELINE_START", JOB.name), run.run_id)
    found = instance.get_run_by_id(run.run_id)
    assert found
    return found


def test_a_run_gives_signs_of_life(instance: dg.DagsterInstance) -> None:
    run = started(instance)

    def beat() -> str | None:
        return read_tags(instance, [run.run_id], heartbeat.TAG).get(run.run_id)

    with heartbeat.beating(instance, run.run_id):
        eventually(beat)
        first = beat()
        eventually(lambda: beat() != first)


def test_silence_counts_only_while_somebody_looks(instance: dg.DagsterInstance) -> None:
    run, healthy = started(instance), started(instance)
    seen: heartbeat.Seen = {}

    def look(since_last: float, beats: int) -> list[str]:
        nonlocal seen
        write_tag(instance, healthy.run_id, heartbeat.TAG, str(beats))
        ended, seen = heartbeat.end_silent_runs(instance, seen, since_last)
        return [one.run_id for one in ended]

    write_tag(instance, run.run_id, heartbeat.TAG, "the last")
    # The storage was away for an hour, or a clock is five minutes ahead: neither is silence.
    assert look(0, 1) == []
    assert look(3600, 2) == []
    assert look(-300, 3) == []
    assert look(30, 4) == []
    assert look(30, 5) == [run.run_id]
    assert look(30, 6) == []
    ended = instance.get_run_by_id(run.run_id)
    assert ended
    assert ended.status == dg.DagsterRunStatus.FAILURE
    [failure] = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert "no sign of life for 105 s" in failure.message


def test_a_run_without_signs_of_life_is_left(instance: dg.DagsterInstance) -> None:
    """Of a process of an earlier release."""
    run = started(instance)
    seen: heartbeat.Seen = {}
    for _ in range(5):
        ended, seen = heartbeat.end_silent_runs(instance, seen, 40)
        assert ended == []
    assert not instance.get_runs(dg.RunsFilter(run_ids=[run.run_id]))[0].is_finished


def test_the_file_of_another_machine_is_not_believed(instance: dg.DagsterInstance) -> None:
    run = started(instance)
    folder = Path(instance.root_directory) / "running"
    folder.mkdir()
    (folder / run.run_id).write_text("another machine 12")
    assert end_dead_runs(instance) == []
    assert (folder / run.run_id).exists()
