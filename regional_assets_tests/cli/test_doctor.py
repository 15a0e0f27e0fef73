"""`regional-assets doctor`: on servers that give it each thing to find."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from regional_assets.cli.doctor import examine
from regional_assets.redis_link import embedded
from regional_assets.runs.clock import current_time
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store import access
from regional_assets.store.diagnosis import Finding
from regional_assets.store.keys import Keys
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.proxy import proxy
from regional_assets_tests.support.servers import free_port, redis_server
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import KEY, sample_values

Server = Callable[..., str]
INPUTS = len(MODEL.inputs)
CHECKS = (
    "settings", "model", "state folder", "reachability", "encryption", "latency", "version",
    "cluster", "role", "replication", "eviction", "persistence", "memory", "rights", "key types",
    "clock", "store", "inputs", "health", "files", "Dagster home", "Dagster storage",
    "Dagster daemon",
)  # fmt: skip


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    """Starts redis-server with the options given and returns its address."""
    with ExitStack() as running:

        def start(*options: str) -> str:
            place = folder / f"redis{free_port()}"
            place.mkdir()
            return running.enter_context(redis_server(place, *options))

        yield start


def doctor(
    url: str | None, folder: Path, now: Callable[[], int] = current_time, **environment: str
) -> dict[str, Finding]:
    """Check → finding."""
    environ = {"REGIONAL_STATE_DIR": str(folder), "REGIONAL_RETRIES": "0", **environment}
    found = list(examine(environ | ({"REDIS_URL": url} if url else {}), now))
    assert tuple(finding.check for finding in found) == CHECKS
    return {finding.check: finding for finding in found}


def verdicts(findings: dict[str, Finding]) -> dict[str, str]:
    """What is not ok."""
    return {name: f.verdict for name, f in findings.items() if f.verdict != "ok"}


def test_all_is_well_on_the_embedded_server(folder: Path) -> None:
    embedded.ensure_running(folder)
    try:
        with redis.Redis.from_url(embedded.url(folder)) as client:
            client.mset(dict(sample_values(current_time())))
        findings = doctor(None, folder)
        assert verdicts(findings) == {}
        assert findings["version"].found.startswith("Valkey 9")
        assert findings["inputs"].found == f"{INPUTS} of {INPUTS} present and fresh"
        assert "append-only" in findings["persistence"].found
    finally:
        embedded.stop(folder)


def test_where_files_go(valkey_url: str, folder: Path) -> None:
    findings = doctor(valkey_url, folder)
    assert findings["files"].found == f"go to {folder}, of this machine alone"
    for named in (folder / "files", "memory://regional"):
        findings = doctor(valkey_url, folder, REGIONAL_FILES=str(named))
        assert (findings["files"].verdict, findings["files"].found) == ("ok", str(named))
    assert list((folder / "files").iterdir()) == []
    findings = doctor(valkey_url, folder, REGIONAL_FILES="s3://bucket")
    assert findings["files"].verdict == "problem"
    assert "Install s3fs to access S3; install that driver" in findings["files"].found


def test_a_server_that_loses_and_evicts(server: Server, folder: Path) -> None:
    findings = doctor(server(*"--maxmemory 100mb --maxmemory-policy allkeys-lru".split()), folder)
    assert verdicts(findings) == {
        "eviction": "warning",
        "persistence": "warning",
        "inputs": "warning",
    }
    assert "allkeys-lru at 105 MB" in findings["eviction"].found
    assert "noeviction" in findings["eviction"].advice
    assert "appendonly yes" in findings["persistence"].advice


def test_eviction_that_never_happens_and_rdb_snapshots(server: Server, folder: Path) -> None:
    url = server("--maxmemory-policy", "volatile-ttl", "--save", "60 1")
    findings = doctor(url, folder)
    assert verdicts(findings) == {"inputs": "warning"}
    assert "without maxmemory" in findings["eviction"].found
    assert "RDB" in findings["persistence"].found


def test_a_server_that_is_full(server: Server, folder: Path) -> None:
    url = server("--maxmemory", "100mb")
    assert doctor(url, folder)["memory"].verdict == "ok"
    with redis.Redis.from_url(url) as client:
        client.set("large", bytes(20_000_000))  # So that a connection's memory does not matter.
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory", int(used * 1.05))
        assert doctor(url, folder)["memory"].verdict == "warning"
        client.config_set("maxmemory", 1)
    assert doctor(url, folder)["memory"].verdict == "problem"


def test_a_server_that_cannot_save(server: Server, folder: Path) -> None:
    url = server()
    with redis.Redis.from_url(url) as client:
        place = Path(client.config_get("dir")["dir"])
        # Of the name of the file it wants to write, even root cannot make another.
        (place / "dump.rdb").mkdir()
        client.bgsave()
        deadline = time.monotonic() + 10
        while client.info("persistence")["rdb_last_bgsave_status"] == "ok":
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finding = doctor(url, folder)["persistence"]
    assert (finding.verdict, finding.found) == (
        "problem",
        "the server cannot write its data to disk (rdb_last_bgsave_status)",
    )


def test_a_replica(server: Server, folder: Path) -> None:
    port = free_port()
    server("--port", str(port), "--bind", "127.0.0.1")
    findings = doctor(server("--replicaof", f"127.0.0.1 {port}"), folder)
    assert findings["role"].verdict == "problem"
    assert "primary" in findings["role"].advice


def test_a_cluster(server: Server, folder: Path) -> None:
    port = free_port()
    options = f"--cluster-enabled yes --bind 127.0.0.1 --port {port} --cluster-port {free_port()}"
    findings = doctor(server(*options.split()), folder)
    assert findings["cluster"].verdict == "problem"
    assert findings["reachability"].verdict == "ok"


def user(url: str, name: str) -> str:
    return url.replace("unix://", f"unix://{name}:{access.PASSWORD}@")


@pytest.fixture
def users(redis_url: str) -> str:
    """The server on which both users of `regional-assets acl` are."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url


def test_the_writer_may_do_what_is_needed(users: str, folder: Path) -> None:
    findings = doctor(user(users, "regional-writer"), folder)
    refused = dict.fromkeys(("eviction", "persistence", "memory"), "skipped")
    assert verdicts(findings) == {**refused, "inputs": "warning"}
    assert "info" in findings["memory"].found
    assert "grant" in findings["memory"].advice


def test_a_reader_may_not(users: str, folder: Path) -> None:
    findings = doctor(user(users, "regional-reader"), folder)
    assert findings["reachability"].verdict == "ok"
    assert findings["version"].verdict == "ok"
    assert findings["rights"].verdict == "problem"
    assert "scripts" in findings["rights"].found
    assert "regional-assets acl" in findings["rights"].advice
    assert {findings[name].verdict for name in ("latency", "key types", "clock")} == {"skipped"}
    assert findings["inputs"].verdict == "problem"


DEDUP = r"~dedup:[^ )]+"


@pytest.mark.parametrize(
    ("removed", "found"),
    [
        (r"\+ltrim\b", "this user may not run LTRIM"),
        (r"\+script\|load|\+unwatch", "this user may not run SCRIPT|LOAD, UNWATCH"),
        (r"\+evalsha_ro", "this user may not run scripts: "),
        (r"\+evalsha\b", "this user may not run EVALSHA"),
        ("~.*", ""),
        (
            DEDUP,
            "this user lacks rights on dedup:snapshot:v1:mena:0, dedup:snapshot:v1:east-asia:0, "
            "dedup:snapshot:v1:europe:0 and 5 more keys",
        ),
        (
            rf"%R~(?!{KEY['chokepoints']}|{keys.snapshot_by_id('')})[^ )]+",
            "this user lacks rights on risk:scores:sebuf:stale:v8, forecast:predictions:v2, "
            "supply_chain:transit-summaries:v1 and 24 more keys",
        ),
        (
            rf"\+lpush|\+ltrim|{DEDUP}",
            "this user may not run LPUSH, LTRIM; lacks rights on dedup:snapshot:v1:mena:0, ",
        ),
        (r"\+set(?= ~wm:notif)", "this user lacks rights on wm:notif:scan-dedup:0:0"),
    ],
)
def test_a_right_that_is_missing_is_named(
    server_url: str, folder: Path, removed: str, found: str
) -> None:
    with redis.Redis.from_url(server_url) as client:
        writer, _ = access.rules(keys, MODEL)
        rule = re.sub(removed, "", writer.replace("regional-writer", "limited"))
        rule += "" if found else "~* +@all"
        client.execute_command(*rule.split())
        doctor(server_url, folder)  # The script is known, so nobody has to load it.
        finding = doctor(user(server_url, "limited"), folder)["rights"]
        client.acl_deluser("limited")
    assert finding.verdict == ("problem" if found else "ok")
    assert finding.found.startswith(found)


@pytest.mark.parametrize("prefix", ["", "staging:"])
def test_rights_that_the_next_versions_need_are_a_warning(
    server_url: str, folder: Path, prefix: str
) -> None:
    with redis.Redis.from_url(server_url) as client:
        writer, _ = access.rules(Keys(prefix), MODEL)
        rule = writer.replace(f"{prefix}regional-writer", "of-before")
        rule = re.sub(r"\([^()]*regional-own[^()]*\)|~\S*regional-own\S*", "", rule)
        client.execute_command(*rule.split())
        doctor(server_url, folder)  # The script is known, so nobody has to load it.
        found = doctor(user(server_url, "of-before"), folder, REGIONAL_KEY_PREFIX=prefix)["rights"]
        client.acl_deluser("of-before")
    assert found.verdict == "warning"
    assert f"lacks rights on {prefix}intelligence:regional-own:v1:*" in found.found
    assert "`regional-assets acl`" in found.advice


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (KEY["forecasts"], "string"),
        (keys.latest("europe"), "string"),
        (keys.index("latam"), "zset"),
        (keys.regime_history("global"), "list"),
        (keys.observations("mena", "cii:IR:combined_score"), "zset"),
        (keys.brief("mena"), "string"),
        (keys.alert_queue, "list"),
        (keys.brief_seed_meta, "string"),
    ],
)
def test_a_key_of_a_wrong_type_is_named(server_url: str, folder: Path, key: str, kind: str) -> None:
    with redis.Redis.from_url(server_url) as client:
        client.hset(key, "wrong", "wrong")
        finding = doctor(server_url, folder)["key types"]
    assert finding.verdict == "problem"
    assert finding.found == f"{key} holds a hash where a {kind} belongs"


def test_what_a_run_wrote_is_of_the_right_types(store: SnapshotStore, folder: Path) -> None:
    now = current_time()
    store.write_inputs(sample_values(now))
    take_snapshots(store, REGION_IDS, now)
    url = f"unix://{store.client.get_connection_kwargs()['path']}"
    before = {key: store.client.dump(key) for key in store.client.scan_iter()}
    findings = doctor(url, folder)
    assert findings["key types"].verdict == "ok"
    assert {key: store.client.dump(key) for key in store.client.scan_iter()} == before


@pytest.mark.parametrize(
    ("seconds", "verdict", "words"),
    [
        (0.2, "ok", ""),
        (5, "warning", "5.0 s behind"),
        (-5, "warning", "5.0 s ahead"),
        (90, "problem", "90.0 s behind"),
    ],
)
def test_clocks_that_differ(
    server_url: str, folder: Path, seconds: float, verdict: str, words: str
) -> None:
    findings = doctor(server_url, folder, now=lambda: current_time() + int(seconds * 1000))
    assert findings["clock"].verdict == verdict
    assert words in findings["clock"].found


def test_a_slow_way_is_no_clock_difference(server_url: str, folder: Path) -> None:
    # TIME is answered at once, but 10 s pass until the reply is here.
    ticks = iter((0, 10_000))
    start = current_time()
    finding = doctor(server_url, folder, now=lambda: start + next(ticks, 0))["clock"]
    assert finding.verdict == "ok"


def test_samples_are_recommended_for_the_embedded_server_alone(
    server_url: str, folder: Path
) -> None:
    assert doctor(server_url, folder)["inputs"].advice == "start the feeds' writers"
    try:
        assert "`regional-assets inputs load`" in doctor(None, folder)["inputs"].advice
    finally:
        embedded.stop(folder)


def test_inputs_that_are_missing_stale_or_wrong(server_url: str, folder: Path) -> None:
    now = current_time()
    with redis.Redis.from_url(server_url) as client:
        assert doctor(server_url, folder)["inputs"].found == f"0 of {INPUTS} present"
        client.mset(dict(sample_values(now - 2 * 3_600_000)))
        client.delete(KEY["macro_signals"])
        client.set(KEY["forecasts"], "{")
        finding = doctor(server_url, folder)["inputs"]
    assert finding.verdict == "warning"
    assert finding.found.startswith(
        f"{INPUTS - 2} of {INPUTS} present; missing: forecasts (not JSON ("
    )
    assert "macro_signals; stale: risk_scores, chokepoints" in finding.found


def test_a_server_that_does_not_answer(folder: Path) -> None:
    findings = doctor(f"redis://:pass-word@127.0.0.1:{free_port()}", folder)
    assert findings["reachability"].verdict == "problem"
    assert "start it, or correct REDIS_URL" in findings["reachability"].found
    assert {findings[name].verdict for name in CHECKS[4:-4]} == {"skipped"}
    assert "pass-word" not in str(findings)


def test_a_server_that_goes_away_in_between(server_url: str, folder: Path) -> None:
    with proxy(folder, server_url) as between:

        def close_first() -> int:
            between.close()
            return current_time()

        findings = doctor(between.url, folder, now=close_first)
    assert findings["key types"].verdict == "ok"
    assert findings["clock"].verdict == "problem"
    assert findings["inputs"].verdict == "problem"


def test_settings_that_make_no_sense(server_url: str, folder: Path) -> None:
    findings = doctor(
        server_url,
        folder,
        REGIONAL_SETTLE="soon",
        REGIONAL_CONFIDENCE_FLOOR="2",
        REGIONAL_NARRATIVE_PROVIDERS="some",
    )
    assert findings["settings"].verdict == "problem"
    for name in ("REGIONAL_SETTLE", "REGIONAL_CONFIDENCE_FLOOR", "REGIONAL_NARRATIVE_SOME"):
        assert name in findings["settings"].found
    assert findings["version"].verdict == "ok"
    environ = {"REGIONAL_ANSWER_TIMEOUT": "never", "REGIONAL_STATE_DIR": str(folder)}
    wrong = list(examine(environ, current_time))
    assert [f.verdict for f in wrong] == ["problem", "ok", *["skipped"] * 17, *["ok"] * 3]
    assert doctor("http://x", folder)["reachability"].verdict == "problem"


def test_the_command(folder: Path, redis_url: str) -> None:
    def command(url: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "regional_assets.cli.main", "doctor"],
            env={**os.environ, "REDIS_URL": url, "REGIONAL_STATE_DIR": str(folder)},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )

    fine = command(redis_url)
    assert (fine.returncode, fine.stderr) == (0, "")
    assert "noeviction" in fine.stdout
    refused = command(user(redis_url, "regional-reader"))
    assert refused.returncode == 1
    assert "may not run scripts" in refused.stdout
    assert access.PASSWORD not in refused.stdout
