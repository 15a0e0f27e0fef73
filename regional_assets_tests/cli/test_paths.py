"""Folders and files as users name them: relative, missing, impossible; and one UI per folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import trustme

from regional_assets.cli.doctor import examine
from regional_assets.redis_link import embedded
from regional_assets.runs.clock import current_time
from regional_assets.store.state_folder import CONFIGURATION, daemons, running_ui
from regional_assets_tests.support.commands import Command, Finished, commands
from regional_assets_tests.support.servers import free_port, redis_server, stop_group
from regional_assets_tests.support.ui import COMMAND, IN_BACKGROUND
from regional_assets_tests.support.waiting import eventually


@pytest.fixture
def command(folder: Path) -> Iterator[Command]:
    """Runs `regional-assets` in a folder of its own, its state in a folder named relatively."""
    with commands(folder, "state") as run:
        yield run


def in_one_line(found: Finished, words: str) -> bool:
    said = found.stdout + found.stderr
    return found.returncode == 1 and said.count("\n") == 1 and words in said


BAD_FOLDERS = ("~no-such-user/x", os.fsdecode(b"/tmp/\xff"))


@pytest.mark.parametrize("setting", ["REGIONAL_STATE_DIR", "DAGSTER_HOME"])
@pytest.mark.parametrize("named", BAD_FOLDERS)
@pytest.mark.parametrize("arguments", ["run mena", "ui"])
def test_a_folder_that_cannot_be(
    command: Command, setting: str, named: str, arguments: str
) -> None:
    found = command(*arguments.split(), **{setting: named})
    assert in_one_line(found, f"{setting}={named!r}: expected a folder, its path in UTF-8")


@pytest.mark.parametrize("arguments", ["run mena", "ui"])
def test_a_dagster_home_that_is_a_file(command: Command, folder: Path, arguments: str) -> None:
    (folder / "file").touch()
    found = command(*arguments.split(), DAGSTER_HOME="file")
    assert in_one_line(found, f"DAGSTER_HOME={folder}/file cannot be used (File exists): name a")


def test_a_dagster_home_that_deploy_makes_is_its_owners_alone(folder: Path) -> None:
    home = folder / "a" / "home"
    environment = {**os.environ, "DAGSTER_HOME": str(home), "REDIS_URL": "redis://unused"}
    # What it would start is not there; the folder is made before.
    ended = subprocess.run(
        ["sh", CONFIGURATION.parent / "deploy" / "start", "nothing"],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 2
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "dagster.yaml").stat().st_mode & 0o077 == 0


def test_a_dagster_home_that_is_relative_and_missing(command: Command, folder: Path) -> None:
    command("inputs", "load")
    assert command("run", "mena", DAGSTER_HOME="a/home").returncode == 0
    assert (folder / "a" / "home" / "dagster.yaml").resolve() == CONFIGURATION
    assert (folder / "a" / "home" / "history").is_dir()
    own = folder / "own"
    own.mkdir()
    assert command("run", "mena", DAGSTER_HOME="own").returncode == 0
    assert not (own / "dagster.yaml").exists()


@pytest.mark.parametrize("arguments", ["run mena", "ui", "adopt"])
@pytest.mark.parametrize("settings", ["storage: {sqllite: {}}", "storage: ["])
def test_a_wrong_dagster_yaml(
    command: Command, folder: Path, settings: str, arguments: str
) -> None:
    (folder / "home").mkdir()
    (folder / "home" / "dagster.yaml").write_text(settings)
    found = command(*arguments.split(), DAGSTER_HOME="home")
    assert in_one_line(found, f"Dagster's instance of {folder}/home cannot be opened (see its ")


def test_a_dotenv_file_that_is_not_text(command: Command, folder: Path) -> None:
    (folder / ".env").write_bytes(b"REDIS_URL=\xff")
    assert in_one_line(command("status"), ".env cannot be read")


DEEP = 900


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"at": "{now-99999999999d|iso}"}', "{now-99999999999d|iso} is before 1970"),
        ('{"at": "{now-99999999999d}"}', "{now-99999999999d} is before 1970"),
        ('{"at": "{now-' + "9" * 5000 + 'm}"}', "is before 1970"),
        ('{"at": ' + "9" * 5000 + "}", "Exceeds the limit"),
        ("[" * 100_000, "nested too deeply"),
        ("[" * DEEP + "]" * DEEP, "nested too deeply"),
    ],
    ids=range(6),
)
def test_input_files_that_cannot_be_loaded(
    command: Command, folder: Path, content: str, words: str
) -> None:
    inputs = folder / "inputs"
    inputs.mkdir()
    (inputs / "forecasts.json").write_text(content)
    found = command("inputs", "load", "inputs")
    assert in_one_line(found, "inputs/forecasts.json: ")
    assert words in found.stderr
    assert len(found.stderr) < 200


@contextmanager
def running(folder: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """`regional-assets ui`, started in `folder`, its state in a folder named relatively."""
    with (folder / "ui.log").open("wb") as log:
        process = subprocess.Popen(
            [*IN_BACKGROUND, *COMMAND, "ui", "--port", str(free_port())],
            env={**os.environ, "REGIONAL_STATE_DIR": "state", **environment},
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            stop_group(process)
            embedded.stop(folder / "state")
            # Shown when the test fails.
            print((folder / "ui.log").read_text(errors="replace"))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="/proc is Linux's")
def test_two_uis_on_one_folder(command: Command, folder: Path) -> None:
    home = folder / "a" / "home"
    environ = {"DAGSTER_HOME": str(home), "REGIONAL_STATE_DIR": str(folder / "state")}

    def daemon_check() -> str:
        [finding] = [f for f in examine(environ, current_time) if f.check == "Dagster daemon"]
        return f"{finding.verdict}: {finding.found}"

    with running(folder, DAGSTER_HOME="a/home") as first:
        eventually(lambda: home.exists() and "http" in (running_ui(home) or ""))
        where = running_ui(home) or ""
        assert where.startswith("http://127.0.0.1:")
        assert where.endswith(f"(process {first.pid})")
        (folder / "same").symlink_to("a")
        second = command("ui", DAGSTER_HOME="same/home")
        assert in_one_line(second, f"runs already, at {where}: end it first")
        eventually(lambda: "the daemon is process" in daemon_check() or first.poll() is not None)
        assert daemon_check().startswith(f"ok: the UI runs at {where}")
        other = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", "--empty-workspace"],
            env={**os.environ, **environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            eventually(lambda: f"2 daemons run on {home}" in daemon_check())
            assert daemon_check().startswith("problem: ")
        finally:
            other.kill()
            other.wait()
        # Its daemon outlives it.
        os.kill(first.pid, signal.SIGKILL)
        eventually(lambda: running_ui(home) is None)
        # Nothing of it outlives it for long.
        eventually(lambda: not daemons(home))


def test_a_daemon_outlives_a_ui_that_cannot_take_it_along(folder: Path, command: Command) -> None:
    home = folder / "home"
    home.mkdir()
    (folder / "same").symlink_to("home")
    daemon = subprocess.Popen(
        [sys.executable, "-m", "dagster._daemon", "run", "--empty-workspace"],
        env={**os.environ, "DAGSTER_HOME": str(folder / "same")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: daemons(home) == [daemon.pid])
        said = command("ui", DAGSTER_HOME=str(home))
        assert in_one_line(said, f"a daemon of {home} runs already, in process {daemon.pid}")
    finally:
        daemon.kill()
        daemon.wait()


def test_what_we_make_is_its_owners_alone(folder: Path, command: Command) -> None:
    home = folder / "a" / "home"
    command("inputs", "load")
    command("run", "mena", DAGSTER_HOME=str(home))
    assert [oct(path.stat().st_mode & 0o777) for path in (home, home / "running")] == ["0o700"] * 2


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="/proc is Linux's")
def test_a_program_that_a_daemon_starts_is_no_second_daemon(folder: Path) -> None:
    """Between fork and exec it has the daemon's command line; on a busy machine for long."""
    code = "import os, time; os.fork(); print(flush=True); time.sleep(600)"
    forked = subprocess.Popen(
        [sys.executable, "-c", code, "dagster._daemon"],
        env={**os.environ, "DAGSTER_HOME": str(folder)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert forked.stdout
        # Both are there.
        assert forked.stdout.read(2) == b"\n\n"
        assert daemons(folder) == [forked.pid]
    finally:
        os.killpg(forked.pid, signal.SIGKILL)
        forked.communicate()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="/proc is Linux's")
def test_files_of_the_address_are_found_in_scheduled_runs(folder: Path) -> None:
    """The UI changes its folder, and its children have that one."""
    ca, pem = trustme.CA(), folder / "server.pem"
    ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(pem)
    ca.cert_pem.write_to_path(folder / "ca.pem")
    port = free_port()
    options = f"--tls-port {port} --tls-cert-file {pem} --tls-key-file {pem} --tls-auth-clients no"
    with redis_server(folder, *options.split(), "--tls-ca-cert-file", str(folder / "ca.pem")):
        url = f"rediss://localhost:{port}/0?ssl_ca_certs=ca.pem"
        with running(folder, REDIS_URL=url) as ui:
            home = folder / "state" / "dagster"
            eventually(lambda: home.exists() and running_ui(home))
            eventually(lambda: Path(f"/proc/{ui.pid}/cwd").resolve() == home)
            eventually(lambda: psutil.Process(ui.pid).children())
            [child] = psutil.Process(ui.pid).children()
            eventually(lambda: "dev" in child.cmdline())
            inherited = Path(f"/proc/{child.pid}/environ").read_text().split("\0")
        settings = dict(line.split("=", 1) for line in inherited if "=" in line)
        status = subprocess.run(
            [*COMMAND, "inputs", "status"], env=settings, cwd=home, capture_output=True, check=False
        )
    assert (status.returncode, status.stderr) == (0, b"")
    assert settings["REDIS_URL"] == url.replace("ca.pem", f"{folder}/ca.pem")
