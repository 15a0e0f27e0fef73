"""TLS: the server's certificate is verified; what is wrong with it is said, and what to do."""

import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
import trustme

from regional_assets.cli.doctor import examine
from regional_assets.errors import SettingsError, StoreError
from regional_assets.runs.clock import current_time
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.connection import connect
from regional_assets.store.diagnosis import Finding
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import MODEL
from regional_assets_tests.support.servers import free_port, redis_server
from regional_assets_tests.support.stores import settings
from regional_assets_tests.support.waiting import eventually
from regional_assets_tests.support.worlds import NOW, sample_values

PASSWORD = "pass-word-of-tls"

Server = Callable[..., int]


@pytest.fixture
def ca(folder: Path) -> trustme.CA:
    """A private CA; its certificate is in ca.pem."""
    made = trustme.CA()
    made.cert_pem.write_to_path(folder / "ca.pem")
    return made


@pytest.fixture
def server(folder: Path, ca: trustme.CA) -> Iterator[Server]:
    """Starts a Redis server with a certificate and returns its port."""
    with ExitStack() as running:

        def start(certificate: trustme.LeafCert, *options: str) -> int:
            port = free_port()
            pem = folder / "server.pem"
            certificate.private_key_and_cert_chain_pem.write_to_path(pem)
            tls = f"--bind 127.0.0.1 --tls-port {port} --tls-cert-file {pem} --tls-key-file {pem}"
            tls += f" --tls-ca-cert-file {folder}/ca.pem --requirepass {PASSWORD}"
            clients = [] if "--tls-auth-clients" in options else ["--tls-auth-clients", "no"]
            running.enter_context(redis_server(folder, *tls.split(), *clients, *options))
            return port

        yield start


def url(port: int, host: str = "localhost", options: str = "") -> str:
    return f"rediss://:{PASSWORD}@{host}:{port}/0{options}"


def refusal(folder: Path, redis_url: str) -> str:
    """What a user is told."""
    configured = settings(redis_url, folder, retries=0, connect_timeout=3.0, answer_timeout=3.0)
    store = SnapshotStore(connect(configured), MODEL, configured)
    with pytest.raises(StoreError) as caught:
        store.read(["mena"])
    store.client.close()
    message = str(caught.value)
    assert PASSWORD not in message
    return message


def test_a_private_ca_is_named_in_the_url(folder: Path, ca: trustme.CA, server: Server) -> None:
    port = server(ca.issue_cert("localhost", "127.0.0.1"))
    for host in ("localhost", "127.0.0.1"):
        configured = settings(url(port, host, f"?ssl_ca_certs={folder}/ca.pem"), folder)
        store = SnapshotStore(connect(configured), MODEL, configured)
        assert store.read(["mena"]).latest["mena"].error is None
        store.client.close()


def test_a_cluster_speaks_tls(folder: Path, ca: trustme.CA, server: Server) -> None:
    certificate = ca.issue_cert("localhost", "127.0.0.1")
    port = server(
        *(certificate, "--cluster-enabled", "yes", "--tls-cluster", "yes"),
        *("--cluster-port", str(free_port())),
    )
    with redis.Redis.from_url(url(port, options=f"?ssl_ca_certs={folder}/ca.pem")) as node:
        node.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        eventually(lambda: node.execute_command("CLUSTER INFO")["cluster_state"] == "ok")
    address = url(port).replace("rediss", "rediss+cluster")
    configured = settings(f"{address}?ssl_ca_certs={folder}/ca.pem", folder)
    with connect(configured) as client:
        store = SnapshotStore(client, MODEL, configured)
        store.write_inputs(sample_values())
        assert all(value.data for value in store.read([]).values.values())
        assert take_snapshots(store, ["mena"], NOW).failed == ()
    words = refusal(folder, address)
    assert f"Redis at localhost:{port} of cluster localhost:{port} (slot 2953 not found" in words
    assert "has a certificate that is not accepted (" in words


def test_a_ca_that_is_not_trusted(folder: Path, ca: trustme.CA, server: Server) -> None:
    port = server(ca.issue_cert("localhost"))
    trustme.CA().cert_pem.write_to_path(folder / "other.pem")
    for options in ("", f"?ssl_ca_certs={folder}/other.pem"):
        message = refusal(folder, url(port, options=options))
        assert f"Redis at localhost:{port}/0 has a certificate that is not accepted (" in message
        assert message.endswith(
            "): name the file of the CA that signed it in REDIS_URL, as "
            "rediss://...?ssl_ca_certs=/path/ca.pem"
        )


def test_a_certificate_for_another_host(folder: Path, ca: trustme.CA, server: Server) -> None:
    port = server(ca.issue_cert("redis.example.org"))
    for host in ("localhost", "127.0.0.1"):
        message = refusal(folder, url(port, host, f"?ssl_ca_certs={folder}/ca.pem"))
        assert f"certificate is not valid for '{host}'" in message
        assert message.endswith("put the host name in REDIS_URL that it was issued for")


@pytest.mark.parametrize(
    ("not_before", "not_after", "words"),
    [(2020, 2021, "certificate has expired"), (2090, 2091, "certificate is not yet valid")],
)
def test_a_certificate_of_another_time(
    folder: Path, ca: trustme.CA, server: Server, not_before: int, not_after: int, words: str
) -> None:
    period = [datetime(year, 1, 1, tzinfo=UTC) for year in (not_before, not_after)]
    port = server(ca.issue_cert("localhost", not_before=period[0], not_after=period[1]))
    message = refusal(folder, url(port, options=f"?ssl_ca_certs={folder}/ca.pem"))
    assert words in message
    assert message.endswith("renew it on the server, unless this machine's clock is wrong")


def test_a_port_without_tls(folder: Path, ca: trustme.CA, server: Server) -> None:
    plain = free_port()
    server(ca.issue_cert("localhost"), "--port", str(plain))
    message = refusal(folder, url(plain, options=f"?ssl_ca_certs={folder}/ca.pem"))
    assert "a port without TLS stays silent like this, redis:// is for it" in message


@pytest.mark.parametrize("reset", [True, False])
def test_a_server_that_closes_the_connection(folder: Path, ca: trustme.CA, reset: bool) -> None:
    """As one that wants a certificate does, when its words why are lost."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost").configure_cert(context)

    def close_one() -> None:
        plain, _ = listening.accept()
        with context.wrap_socket(plain, server_side=True) as connection:
            # Waits for the first command; to close while it is unread resets.
            connection.recv(1)
            linger = struct.pack("ii", reset, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        closing = threading.Thread(target=close_one)
        closing.start()
        port = listening.getsockname()[1]
        message = refusal(folder, url(port, options=f"?ssl_ca_certs={folder}/ca.pem"))
        closing.join()
    assert message.endswith("gets it by ssl_certfile=... and ssl_keyfile=... in REDIS_URL")


def test_a_server_that_wants_a_certificate_of_ours(
    folder: Path, ca: trustme.CA, server: Server
) -> None:
    port = server(ca.issue_cert("localhost"), "--tls-auth-clients", "yes")
    options = f"?ssl_ca_certs={folder}/ca.pem"
    assert "ssl_certfile" in refusal(folder, url(port, options=options))
    ca.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(folder / "client.pem")
    options += f"&ssl_certfile={folder}/client.pem&ssl_keyfile={folder}/client.pem"
    configured = settings(url(port, options=options), folder)
    store = SnapshotStore(connect(configured), MODEL, configured)
    assert store.read(["mena"]).latest["mena"].error is None
    store.client.close()


def test_files_of_a_ca_that_are_none(folder: Path) -> None:
    (folder / "empty.pem").write_text("no certificate")
    for name, why in (("absent.pem", "No such file"), ("empty.pem", "it holds no certificate")):
        with pytest.raises(SettingsError, match=f"ssl_ca_certs names {folder}/{name}: {why}"):
            connect(settings(url(1, options=f"?ssl_ca_certs={folder}/{name}"), folder))


def test_a_value_that_makes_no_sense_does_not_switch_verification_off(folder: Path) -> None:
    with pytest.raises(SettingsError, match="REDIS_URL is not a Redis address"):
        connect(settings(url(1, options="?ssl_cert_reqs=maybe"), folder))


def test_the_command_says_the_same(folder: Path, ca: trustme.CA, server: Server) -> None:
    port = server(ca.issue_cert("localhost"))
    found = subprocess.run(
        [sys.executable, "-m", "regional_assets.cli.main", "status"],
        env={**os.environ, "REDIS_URL": url(port), "REGIONAL_RETRIES": "0"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1
    assert "ssl_ca_certs=/path/ca.pem" in found.stderr
    assert PASSWORD not in found.stdout + found.stderr
    assert "Traceback" not in found.stderr


def test_the_password_is_not_sent_to_a_server_that_is_not_verified(
    folder: Path, ca: trustme.CA, server: Server
) -> None:
    port = server(ca.issue_cert("localhost"))
    refusal(folder, url(port))
    with redis.Redis.from_url(url(port, options=f"?ssl_ca_certs={folder}/ca.pem")) as admin:
        assert admin.info("commandstats").get("cmdstat_auth", {"calls": 0})["calls"] <= 1


@pytest.mark.parametrize(
    ("options", "verdict"),
    [("", "ok"), ("&ssl_cert_reqs=none", "warning"), ("&ssl_check_hostname=false", "warning")],
)
def test_doctor_tells_whether_it_is_verified(
    folder: Path, ca: trustme.CA, server: Server, options: str, verdict: str
) -> None:
    port = server(ca.issue_cert("localhost"))
    redis_url = url(port, options=f"?ssl_ca_certs={folder}/ca.pem{options}")
    assert encryption(redis_url).verdict == verdict


def test_doctor_warns_of_a_password_in_the_open(
    folder: Path, ca: trustme.CA, server: Server
) -> None:
    port = free_port()
    server(ca.issue_cert("localhost"), "--port", str(port))
    # Linux takes 0.0.0.0 for this machine; it is no address of the loopback.
    for host, verdict in (("127.0.0.1", "ok"), ("localhost", "ok"), ("0.0.0.0", "warning")):
        assert encryption(f"redis://:{PASSWORD}@{host}:{port}/0").verdict == verdict


def encryption(redis_url: str) -> Finding:
    found = {f.check: f for f in examine({"REDIS_URL": redis_url}, current_time)}
    assert found["reachability"].verdict == "ok"
    assert PASSWORD not in str(found)
    return found["encryption"]
