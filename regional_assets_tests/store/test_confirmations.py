"""When a region's latest snapshot was last written or found unchanged (SPEC 6)."""

from pathlib import Path

import pytest

from regional_assets.runs.clock import current_time
from regional_assets.store.commit import Refused
from regional_assets.store.connection import connect
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import MODEL
from regional_assets_tests.support.stores import keys, settings
from regional_assets_tests.support.worlds import NOW, calm, snapshot_of

MINUTE = 60_000


def confirmed_at(store: SnapshotStore) -> int | None:
    found = store.read(["mena"], inputs=False).latest["mena"].snapshot
    assert found
    return found.confirmed_at


def test_a_confirmation_never_moves_back(store: SnapshotStore) -> None:
    """Neither by a late snapshot, which says nothing of the latest, nor by a run whose clock is
    behind that of the last confirmation."""
    first = snapshot_of(calm(NOW + MINUTE), "mena", snapshot_id="first")
    store.commit([first])
    for now, flights, expected in [
        (NOW, 1, NOW + MINUTE),  # Late.
        (NOW, 0, NOW + MINUTE),  # A duplicate of the latest, but seen before it.
        (NOW + 3 * MINUTE, 0, NOW + 3 * MINUTE),
        (NOW + 2 * MINUTE, 0, NOW + 3 * MINUTE),
        (NOW + 2 * MINUTE, 2, NOW + 3 * MINUTE),  # Newer than the latest, and written.
    ]:
        store.commit([snapshot_of(calm(now, flights), "mena", first, f"s{now}-{flights}")])
        assert confirmed_at(store) == expected


@pytest.mark.parametrize("flights", [0, 1], ids=["duplicate", "written"])
def test_a_confirmation_of_the_future_is_replaced_by_the_next(
    store: SnapshotStore, flights: int
) -> None:
    """It would keep the region from being confirmed until its time has come."""
    first = snapshot_of(calm(NOW), "mena", snapshot_id="first")
    store.commit([first])
    store.client.set(keys.confirmed("mena"), current_time() + MINUTE)
    store.commit([snapshot_of(calm(NOW + MINUTE, flights), "mena", first, "next")])
    assert confirmed_at(store) == NOW + MINUTE


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5", "inf", "nan"])
def test_a_confirmation_that_is_no_time_is_replaced_by_the_next(
    store: SnapshotStore, text: str
) -> None:
    first = snapshot_of(calm(NOW + MINUTE, 2), "mena", snapshot_id="first")
    store.commit([first])
    store.client.set(keys.confirmed("mena"), text)
    assert confirmed_at(store) is None
    # A late run knows of none.
    store.commit([snapshot_of(calm(NOW, 2), "mena", first, "late")])
    assert store.client.get(keys.confirmed("mena")) == text.encode()
    store.commit([snapshot_of(calm(NOW + 4 * MINUTE, 2), "mena", first, "same")])
    assert confirmed_at(store) == NOW + 4 * MINUTE


def test_a_number_beyond_any_time_is_no_confirmation(store: SnapshotStore) -> None:
    store.commit([snapshot_of(calm(NOW), "mena", snapshot_id="first")])
    store.client.set(keys.confirmed("mena"), "9" * 5000)
    assert confirmed_at(store) is None


@pytest.mark.parametrize("server_url", ["valkey", "redis"], indirect=True)
def test_a_duplicate_that_may_not_be_confirmed_is_refused(
    store: SnapshotStore, folder: Path
) -> None:
    store.commit([snapshot_of(calm(NOW), "mena", snapshot_id="first")])
    store.client.acl_setuser(
        "limited",
        enabled=True,
        nopass=True,
        keys=["*"],
        commands=["+@all", "-set"],
    )
    path = store.client.get_connection_kwargs()["path"]
    configured = settings(f"unix://limited:x@{path}", folder)
    limited = SnapshotStore(connect(configured), MODEL, configured)
    [reply] = limited.commit([snapshot_of(calm(NOW + MINUTE), "mena", snapshot_id="same")])
    limited.client.close()
    store.client.acl_deluser("limited")
    assert isinstance(reply, Refused)
    assert f"may not SET {keys.dedup('mena', '')}" in reply.error
