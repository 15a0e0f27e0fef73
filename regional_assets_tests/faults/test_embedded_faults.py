"""The embedded server: a disk that is full, a folder that cannot be written, what dead processes
leave behind, two projects on one machine."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from regional_assets.redis_link import embedded
from regional_assets.redis_link.errors import EmbeddedServerError
from regional_assets.runs.snapshots import take_snapshots
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.own_servers import open_store
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.waiting import eventually
from regional_assets_tests.support.worlds import NOW, sample_values


def process_id(state: Path) -> int:
    with redis.Redis.from_url(embedded.url(state)) as client:
        return int(client.info("server")["process_id"])


def kill(state: Path) -> None:
    """Ends the server as a power cut would, and waits until it is gone."""
    os.kill(process_id(state), signal.SIGKILL)
    eventually(lambda: not embedded.is_running(state))


def test_a_full_disk(folder: Path) -> None:
    """On a file system that is really full: a tmpfs, in a mount namespace that ends with the
    test."""
    unshare = shutil.which("unshare")
    enter = [unshare or "", "-m"] if os.geteuid() == 0 else [unshare or "", "-Urm"]
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(folder)]
    if not unshare or subprocess.run([*enter, *mount], capture_output=True).returncode:
        pytest.skip("this user may not mount a tmpfs")
    program = [sys.executable, "-m", "regional_assets_tests.support.full_disk", str(folder)]
    ran = subprocess.run([*enter, *program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    advice = (
        "cannot be written (No space left on device): make room on its disk (what was acknowledged "
        "is kept), or set REGIONAL_STATE_DIR to another folder"
    )
    [error] = found["errors"]
    assert f"{folder}/state/valkey {advice}" in error
    # It starts again and can be read; nothing that was acknowledged is lost, nothing is half there.
    assert found["acknowledged"] >= 16
    assert found["lost"] == []
    assert found["disagreements"] == []
    assert (found["exit_code"], found["command"]) == (
        1,
        f"Error: {folder}/state/dagster {advice}\n",
    )
    # With room again, the next run writes all.
    assert found["errors_with_room"] == []
    assert found["after"] == []


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
def test_a_disk_that_takes_only_part_of_a_write(state: Path) -> None:
    """By a limit on the size of the server's files: the write of a commit is cut."""
    import resource

    store = open_store(state)
    store.write_inputs(sample_values())
    before = take_snapshots(store, REGION_IDS, NOW).regions
    log = next((state / "valkey" / "appendonlydir").glob("*.incr.aof"))
    limit = log.stat().st_size + 30_000
    resource.prlimit(process_id(state), resource.RLIMIT_FSIZE, (limit, limit))
    cut = take_snapshots(store, REGION_IDS, NOW + 1, force=True)
    assert len(cut.failed) == len(REGION_IDS)
    assert log.stat().st_size == limit
    store.client.close()

    store = open_store(state)
    assert store.verify(REGION_IDS, NOW + 1) == {region: [] for region in REGION_IDS}
    for result in before:
        assert store.client.exists(keys.snapshot_by_id(str(result.stored_id)))
    assert take_snapshots(store, REGION_IDS, NOW + 2, force=True).failed == ()
    store.client.close()


def test_a_log_that_is_damaged_in_its_middle(state: Path, folder: Path) -> None:
    """The message's own commands bring the server back, with what was written before."""
    store = open_store(state)
    store.client.set("before", "kept")
    store.client.set("damaged", "lost")
    store.client.set("after", "lost")
    store.client.close()
    embedded.stop(state)
    log = next((state / "valkey" / "appendonlydir").glob("*.incr.aof"))
    log.write_bytes(log.read_bytes().replace(b"$7\r\ndamaged", b"X7\r\ndamaged"))
    for _ in range(2):
        with pytest.raises(EmbeddedServerError) as caught:
            embedded.ensure_running(state)
    assert f"{log} is damaged in its middle: move {state}/valkey aside" in str(caught.value)
    [commands] = re.findall("`(.*)`", str(caught.value))
    subprocess.run(commands, shell=True, cwd=folder, input=b"y\n", check=True)
    with open_store(state).client as client:
        assert list(client.scan_iter()) == [b"before"]


def without_rights(code: str, folder: Path) -> list[str]:
    """The lines that Python code prints which is no superuser; it has its imports already."""
    drop = "if os.geteuid() == 0: os.setgroups([]); os.setegid(65534); os.seteuid(65534)"
    imports = (
        "import os, sys\nfrom pathlib import Path\nfrom click.testing import CliRunner\n"
        "from regional_assets.cli import main as cli, run\n"
        "from regional_assets.redis_link import embedded"
    )
    ran = subprocess.run(
        [sys.executable, "-c", "\n".join((imports, drop, code))],
        env={**os.environ, "REGIONAL_STATE_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_a_folder_that_cannot_be_written(folder: Path) -> None:
    closed, taken = folder / "closed", folder / "taken" / "state"
    closed.mkdir(mode=0o500)
    (taken / "valkey").mkdir(parents=True)
    (taken / "valkey").chmod(0o500)
    if os.geteuid() == 0:
        os.chown(taken / "valkey", 65534, 65534)
    folder.chmod(0o755)
    found = without_rights(
        "for command in ('run', 'status', 'inputs load', 'server start'):\n"
        "    said = CliRunner().invoke(cli.main, command.split())\n"
        "    print(said.exit_code, said.output.strip())\n"
        f"try: embedded.ensure_running(Path({str(taken)!r}))\n"
        "except embedded.EmbeddedServerError as error: print(error)\n",
        closed / "state",
    )
    words = "cannot be written (Permission denied): set REGIONAL_STATE_DIR to a folder of yours"
    assert found[0] == f"1 Error: the state folder {closed}/state {words}"
    assert found[1:4] == [f"1 Error: the state folder {closed}/state/valkey {words}"] * 3
    assert found[4:] == [f"the state folder {taken}/valkey {words}"]


def test_what_a_dead_server_leaves_behind(state: Path) -> None:
    store = open_store(state)
    store.write_inputs(sample_values())
    take_snapshots(store, REGION_IDS, NOW)
    store.client.close()
    first = process_id(state)
    kill(state)
    left = {path.name for path in (state / "valkey").iterdir()}
    assert {"valkey.sock", "valkey.pid", "valkey.lock"} <= left
    store = open_store(state)
    assert process_id(state) != first
    assert store.verify(REGION_IDS, NOW) == {region: [] for region in REGION_IDS}
    assert store.client.zcard(keys.index("mena")) == 1
    store.client.close()


def stale_socket(valkey: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(valkey / "valkey.sock"))


LEFT_BEHIND: dict[str, Callable[[Path], object]] = {
    "a socket nobody listens on": stale_socket,
    "a file in the socket's place": lambda v: (v / "valkey.sock").write_text("not a socket"),
    "a lock file with a process id": lambda v: (v / "valkey.lock").write_text("1"),
    # This process lives, and is no server.
    "a process id that was given anew": lambda v: (v / "valkey.pid").write_text(str(os.getpid())),
}


@pytest.mark.parametrize("left", LEFT_BEHIND)
def test_stale_files_do_not_matter(state: Path, left: str) -> None:
    valkey = state / "valkey"
    valkey.mkdir(parents=True)
    LEFT_BEHIND[left](valkey)
    assert not embedded.is_running(state)
    assert embedded.stop(state) is False
    embedded.ensure_running(state)
    assert (valkey / "valkey.pid").read_text().strip() == str(process_id(state))
    assert embedded.stop(state) is True


def test_a_server_that_hangs_is_named(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.ensure_running(state)
    hung = process_id(state)
    monkeypatch.setattr(embedded, "START_TIMEOUT", 0.1)
    monkeypatch.setattr(embedded, "ANSWER_TIMEOUT", 0.1)
    os.kill(hung, signal.SIGSTOP)
    try:
        with pytest.raises(EmbeddedServerError, match="does not answer") as caught:
            embedded.ensure_running(state)
    finally:
        os.kill(hung, signal.SIGCONT)
    assert "valkey.pid" in str(caught.value)
    assert (state / "valkey" / "valkey.pid").read_text().strip() == str(hung)
    embedded.ensure_running(state)
    assert process_id(state) == hung


def test_two_projects_on_one_machine(folder: Path) -> None:
    states = [folder / "one", folder / "two"]
    stores = [open_store(state) for state in states]
    try:
        for store in stores:
            store.write_inputs(sample_values())
        take_snapshots(stores[0], ["mena"], NOW)
        take_snapshots(stores[1], ["europe"], NOW)
        assert [store.client.exists(keys.latest("mena")) for store in stores] == [1, 0]
        assert [store.client.exists(keys.latest("europe")) for store in stores] == [0, 1]
        # What befalls one is not the other's matter.
        other = process_id(states[1])
        kill(states[0])
        assert stores[1].client.ping()
        again = open_store(states[0])
        assert again.client.exists(keys.latest("mena")) == 1
        again.client.close()
        embedded.stop(states[0])
        assert process_id(states[1]) == other
    finally:
        for store, state in zip(stores, states, strict=True):
            store.client.close()
            embedded.stop(state)
