"""Redis with failover through Sentinels: what was acknowledged stays (docs/deployment.md)."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from regional_assets.errors import StoreError
from regional_assets.intelligence.snapshot import complete
from regional_assets.redis_link.server import server_of
from regional_assets.runs.clock import current_time
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.commit import Duplicate, Unreplicated, Written
from regional_assets.store.diagnosis import Finding, diagnose
from regional_assets_tests.support.built_in import MODEL
from regional_assets_tests.support.own_servers import program
from regional_assets_tests.support.sentinels import SERVICE, Service, service
from regional_assets_tests.support.servers import free_port
from regional_assets_tests.support.stored import indexed, listed
from regional_assets_tests.support.stores import OpenStore, keys, settings
from regional_assets_tests.support.waiting import eventually
from regional_assets_tests.support.worlds import (
    NOW,
    as_previous,
    content_of,
    sample_values,
    sample_world,
    snapshots_of,
)
from regional_assets_tests.support.writers import Writer, writing

REGIONS = ["mena", "europe"]
REPLICAS = 2
EACH = 20


@pytest.fixture(params=["redis", "valkey"])
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def running(kind: str, folder: Path) -> Iterator[Service]:
    with service(program(kind), folder) as found:
        yield found


def more(writers: list[Writer]) -> None:
    """Returns when each has had so many more snapshots acknowledged."""
    wanted = [len(writer.acknowledged) + EACH for writer in writers]
    eventually(
        lambda: (
            any(writer.unexpected for writer in writers)
            or all(len(w.acknowledged) >= n for w, n in zip(writers, wanted, strict=True))
        ),
        timeout=90,
    )


def assert_nothing_lost_or_doubled(running: Service, writers: list[Writer], folder: Path) -> None:
    with OpenStore(running.url, folder) as store:
        for writer in writers:
            index = indexed(store.client, writer.region)
            assert set(writer.acknowledged) <= set(index)
            assert len(writer.acknowledged) == len(set(writer.acknowledged))
            history = listed(store.client, keys.regime_history(writer.region))
            assert len(history) == len(set(history))
        queue = listed(store.client, keys.alert_queue)
        assert len(queue) == len(set(queue))
        assert store.verify(REGIONS, NOW) == {region: [] for region in REGIONS}


@pytest.mark.parametrize(
    ("kind", "fault"), [("valkey", "kill"), ("redis", "freeze"), ("redis", "planned")]
)
def test_no_acknowledged_commit_is_lost(running: Service, folder: Path, fault: str) -> None:
    """WAIT for all replicas that are left."""
    primary = running.primary()
    # A planned failover keeps both replicas, so that all can be waited for.
    replicas = REPLICAS if fault == "planned" else REPLICAS - 1
    with writing(running.url, folder, REGIONS, replicas) as writers:
        more(writers)
        if fault == "planned":
            running.fail_over()
        else:
            primary.signal(signal.SIGKILL if fault == "kill" else signal.SIGSTOP)
        eventually(lambda: running.has_moved(primary))
        more(writers)
        if fault == "freeze":
            primary.signal(signal.SIGCONT)
            eventually(primary.is_replica)
            more(writers)
    assert_nothing_lost_or_doubled(running, writers, folder)


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_a_repeated_commit_waits_for_the_replicas_too(kind: str, folder: Path) -> None:
    """WAIT is true at once on a connection that wrote nothing, so a commit that finds all in its
    place, or a duplicate, still writes."""
    with service(program(kind), folder, replicas=1, sentinels=0) as running:
        primary, replica = running.servers
        url = f"redis://{primary.address}/0"
        snapshot = snapshots_of(sample_world())["mena"]
        content = content_of(sample_world(), "mena")
        duplicate = complete(content, as_previous(snapshot), "another-id")
        replica.signal(signal.SIGSTOP)
        for again in (snapshot, snapshot, duplicate, duplicate):
            # On a connection of its own each time.
            with OpenStore(url, folder, replicas=1, answer_timeout=1.0) as store:
                [reply] = store.commit([again])
            assert isinstance(reply, Unreplicated)
            assert reply.error.startswith("not on 1 replicas yet, but on 0; run it again, nothing")
        replica.signal(signal.SIGCONT)
        with OpenStore(url, folder, replicas=1, answer_timeout=20.0) as store:
            replies = [store.commit([again])[0] for again in (snapshot, duplicate)]
            assert indexed(store.client, "mena") == [snapshot.snapshot_id]
            assert indexed(replica.client, "mena") == [snapshot.snapshot_id]
        assert replies == [Written(None, late=False), Duplicate(of=snapshot.snapshot_id)]


def test_a_run_fails_until_the_replicas_have_it(folder: Path) -> None:
    with service(program("redis"), folder, replicas=1, sentinels=0) as running:
        primary, replica = running.servers
        replica.signal(signal.SIGSTOP)
        url = f"redis://{primary.address}/0"
        with OpenStore(url, folder, replicas=1, answer_timeout=1.0) as store:
            store.write_inputs(sample_values())
            [result] = take_snapshots(store, ["mena"], NOW).regions
        assert result.failed
        assert (result.error or "").startswith("not on 1 replicas yet")
        replica.signal(signal.SIGCONT)
        with OpenStore(url, folder, replicas=1, answer_timeout=20.0) as store:
            [result] = take_snapshots(store, ["mena"], NOW + 1000).regions
            assert result.outcome == "duplicate"
            assert indexed(replica.client, "mena") == [result.stored_id]


def test_what_is_wrong_has_words_of_its_own(folder: Path) -> None:
    with service(program("redis"), folder, replicas=1) as running:
        for sentinel in running.sentinels:
            sentinel.client.execute_command("ACL", "SETUSER", "watcher", "on", ">pa/ss", "+@all")
        login = f"{running.url}?sentinel_username=watcher&sentinel_password=pa%2Fss"
        with OpenStore(login, folder) as store:
            assert store.read([], inputs=False).latest == {}
            named = ",".join(sentinel.address for sentinel in running.sentinels)
            assert str(server_of(store.client)) == (
                f"service {SERVICE} of the Sentinels {named} (primary {running.primary().address})"
            )
        words = _refused(login + "-secret", folder)
        assert words.startswith(f"no Sentinel of the service {SERVICE} answers (127")
        assert "secret" not in words
        assert "know no service other" in _refused(running.url.replace(SERVICE, "other"), folder)
        nobody = f"redis+sentinel://127.0.0.1:{free_port()}/{SERVICE}/0"
        assert f"no Sentinel of the service {SERVICE} answers (127" in _refused(nobody, folder)
        server = f"redis+sentinel://{running.servers[0].address}/{SERVICE}/0"
        assert "it is no Sentinel" in _refused(server, folder)
        assert "redis+sentinel://host:port" in _refused(
            f"redis://{running.sentinels[0].address}", folder
        )

        found = _replication(running.url, folder, replicas=1)
        assert (found.verdict, found.advice) == ("ok", "")
        assert "1 replicas in step, 1 have to have each commit; 3 of 3 Sentinels" in found.found
        assert _replication(running.url, folder).verdict == "warning"
        assert _replication(running.url, folder, replicas=2).advice.startswith("every commit fails")
        for sentinel in running.sentinels[:2]:
            sentinel.signal(signal.SIGKILL)
        found = _replication(running.url, folder, replicas=1)
        assert (found.verdict, found.advice) == (
            "problem",
            "start Sentinels: 2 of 3 have to agree on a failover",
        )

        for each in running.servers:
            each.signal(signal.SIGKILL)
        eventually(
            lambda: "name no primary that is alive" in _refused(running.url, folder), timeout=60
        )


def _refused(url: str, folder: Path) -> str:
    with (
        OpenStore(url, folder, retries=1, region_deadline=1.0) as store,
        pytest.raises(StoreError) as refused,
    ):
        store.read(["mena"], inputs=False)
    return str(refused.value)


def _replication(url: str, folder: Path, **changes: int) -> Finding:
    findings = diagnose(settings(url, folder, **changes), MODEL, current_time, lambda: None)
    return next(finding for finding in findings if finding.check == "replication")
