"""`verify` sees what is wrong with the summary and its record for health checks."""

from collections.abc import Callable

import pytest
import redis

from regional_assets.store.keys import DAY
from regional_assets.store.snapshot_store import SnapshotStore, Summary
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import NOW


def write_summary(store: SnapshotStore) -> None:
    row = {"region": "mena", "regime": "calm", "confidence": 0.5, "active_triggers": 0}
    summary = {"regions": [{**row, "trigger_reason": "scheduled_6h"}], "generatedAt": NOW}
    meta = {"fetchedAt": NOW, "recordCount": 1}
    store.update_summary(REGION_IDS, lambda *_: Summary(summary, meta))


def test_the_summary_expires(store: SnapshotStore) -> None:
    client = store.client
    assert store.verify_summary() == []
    write_summary(store)
    assert store.verify_summary() == []
    for name in (keys.summary, keys.summary_seed_meta):
        client.expire(name, 7 * DAY)
        whole = f"{store.keys.prefix}{name}"
        expected = f"{whole} expires in 7 days, and should in 0 to 1 days"
        assert store.verify_summary() == [expected]
        client.persist(name)
        assert store.verify_summary() == [f"{whole} has no expiry, and would stay for ever"]
        client.expire(name, DAY)


@pytest.mark.parametrize("name", [keys.summary, keys.summary_seed_meta])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda c, name: c.delete(name), "is absent"),
        (lambda c, name: (c.delete(name), c.lpush(name, "x"), c.expire(name, 60)), "is no string"),
        (lambda c, name: c.set(name, "x", keepttl=True), "JSON is malformed"),
        (lambda c, name: c.set(name, "{}", keepttl=True), "missing required field"),
        (lambda c, name: c.set(name, "[" * 100_000, keepttl=True), "Expected `object`"),
        (lambda c, name: c.set(name, c.get(name).replace(b't":1', b't":-1')), "Expected `int`"),
    ],
)
def test_a_damaged_summary_is_named(
    store: SnapshotStore,
    name: str,
    damage: Callable[[redis.Redis, str], object],
    said: str,
) -> None:
    write_summary(store)
    damage(store.client, name)
    [problem, *_] = store.verify_summary()
    assert problem.startswith(f"{store.keys.prefix}{name} is ")
    assert said in problem
