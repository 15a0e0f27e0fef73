"""Addresses that would be misread are refused, and no part of them is quoted."""

from pathlib import Path

import pytest

from regional_assets.errors import SettingsError
from regional_assets.redis_link.server import server_of
from regional_assets.redis_link.url import checked
from regional_assets.store.connection import connect
from regional_assets_tests.support.stores import settings

PERCENT = "have to be percent-encoded"
DATABASE = "its database has to be one number"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://:secret/word@host:6379/0", PERCENT),
        ("redis://user:secret?word@host:6379/0", PERCENT),
        ("redis://user:secret#word@host:6379/0", PERCENT),
        ("redis://user:s@cret/word@host:6379/0", PERCENT),
        ("redis://user:secret/word@host:6379/0?ssl_ca_certs=/secret@x.pem", PERCENT),
        ("rediss://:1234/secret@host", PERCENT),
        ("unix://:secret/word@/tmp/redis.sock", PERCENT),
        ("unix://:secret@/word@/tmp/redis.sock", PERCENT),
        ("redis://host/0#secret", PERCENT),
        ("redis://host/secret", DATABASE),
        ("redis://host/0/1", DATABASE),
        ("redis://host/-1", DATABASE),
        ("redis://host/" + "9" * 5000, DATABASE),
        ("redis://host/0?db=secret", DATABASE),
        ("redis://host/0?db=1", DATABASE),
        ("unix:///tmp/redis.sock?db=-1", DATABASE),
        ("redis://host:secret/0", "its host, its port"),
        ("redis://:secret[word@host/0", "percent-encode all but letters and digits"),
        ("redis://secret%40host:6379/0", "the @ before its host may not be percent-encoded"),
        ("redis://host:" + "9" * 5000, "its host, its port"),
        ("redis://host:0/0", "its port has to be"),
        ("redis://host/0?secret", "its options cannot be read"),
        ("redis://host/0?retry=secret", r"it has options \(retry\) that are unknown"),
        ("redis://host/0?decode_responses=yes", r"\(decode_responses\)"),
        ("redis://host/0?password=x&secret=y", "it has options that are unknown"),
        ("redis://host/0?client_name=a&client_name=b", "twice"),
        ("redis://host/0?ssl_ca_certs=/etc/secret.pem", "one for rediss:// alone"),
        ("redis://host/0?socket_timeout=secret", "a value that redis-py does not know"),
        ("unix://tmp/secret.sock", "unix:// is followed by the socket's whole path"),
        ("unix://", "unix:// is followed by the socket's whole path"),
        ("redis:/secret", "expected redis://"),
        ("redis+sentinel://user:secret/word@a:1,b:2/main/0", PERCENT),
        ("redis+sentinel://:secret#word@a:1/main/0", PERCENT),
        ("redis+sentinel://a:1,b:secret/main/0", "its host, its port"),
        ("redis+sentinel://a:1,,b:2/main/0", "followed by host:port,host:port/service"),
        ("redis+sentinel://a:1,b:2", "the name of the service comes after"),
        ("redis+sentinel://a:1,b:2/0?sentinel_password=secret&sentinel_password=x", "twice"),
        ("redis+sentinel://a:1/ma%20in/0", "letters, digits"),
        ("redis+sentinel://a:1/main/secret", DATABASE),
        ("redis+sentinel://a:1/main/0/1", DATABASE),
        ("redis+sentinel://a:1/main?db=1", "comes after the service"),
        ("redis+sentinel://a:1/main/0?retry=secret", r"\(retry\)"),
        ("redis+sentinel://a:1/main/0?ssl_ca_certs=/etc/secret.pem", "one for rediss:// alone"),
        ("redis://:sec\nret@host", "without control characters"),
        ("redis://:sec\udcffret@host", "without control characters"),
    ],
)
def test_what_would_be_misread_is_refused(folder: Path, url: str, words: str) -> None:
    with pytest.raises(SettingsError, match=f"^REDIS_URL is not a Redis address: .*{words}") as no:
        connect(settings(url, folder))
    assert no.value.__cause__ is None
    said = str(no.value).replace("password", "")
    assert [part for part in ("secret", "cret", "word", "9999") if part in said] == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host", "host:6379/0"),
        ("redis://user:p%2Fa%3Fs%23s%40@host:1/2", "host:1/2"),
        ("redis://user:p@ss@host:1/", "host:1/0"),
        ("redis://[::1]:1/2", "::1:1/2"),
        ("rediss://host?db=3&ssl_cert_reqs=none", "host:6379/3"),
        (
            "redis+sentinel://user:p%2Fa@a:1,b/main/2?sentinel_username=w&sentinel_password=x%2Fy",
            "service main of the Sentinels a:1,b:26379 (primary not known yet)",
        ),
        (
            "rediss+sentinel://[::1]:1/main",
            "service main of the Sentinels ::1:1 (primary not known yet)",
        ),
        ("unix:///tmp/a@b.sock?db=3", "unix:///tmp/a@b.sock"),
        ("unix://user:pa%2Fss@/tmp/redis.sock", "unix:///tmp/redis.sock"),
    ],
)
def test_what_is_read_right_is_left_as_it_is(folder: Path, url: str, shown: str) -> None:
    assert checked(url) == url
    assert str(server_of(connect(settings(url, folder)))) == shown


def test_files_are_named_from_the_root(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    found = checked("rediss://u:p%2F@h/0?ssl_ca_certs=ca.pem&ssl_certfile=/a%20b&ssl_keyfile=c/d")
    assert found == (
        f"rediss://u:p%2F@h/0?ssl_ca_certs={folder}/ca.pem&ssl_certfile=/a%20b"
        f"&ssl_keyfile={folder}/c/d"
    )
    assert checked(found) == found
