"""All that the project does in Redis."""

from pathlib import Path
from urllib.parse import quote

import pytest
from msgspec.structs import replace

from regional_assets.cli.doctor import examine
from regional_assets.intelligence.brief import Brief
from regional_assets.runs.look import look
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.runs.summary import update_summary
from regional_assets.settings import INPUT_PREFIX, KEY_PREFIX, REDIS_URL, STATE_DIR
from regional_assets.store import access
from regional_assets.store.brief_store import BriefStore
from regional_assets.store.narrative_cache import read_cache, write_cache
from regional_assets.store.past import read_histories
from regional_assets.store.reading import (
    read_regime_history,
    read_stored_brief,
    read_waiting_alerts,
)
from regional_assets.store.snapshot_store import SnapshotStore, Summary
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.stored import latest_id
from regional_assets_tests.support.stores import OneRecord, OpenStore
from regional_assets_tests.support.worlds import NOW, sample_values


def everything(store: OpenStore, folder: Path) -> None:
    """All that the project does in Redis, rare turns included."""
    store.client.script_flush()
    store.meets(OneRecord())
    store.write_inputs(sample_values())
    take_snapshots(store, REGION_IDS, NOW)
    update_summary(store, NOW)
    with pytest.raises(ZeroDivisionError):
        store.update_summary(REGION_IDS, lambda *_: 1 // 0)  # type: ignore[arg-type]
    again = take_snapshots(store, REGION_IDS, NOW + 1)
    update_summary(store, NOW + 1, again)
    # What cannot be read is written anew: from its copy, with its history, or without any.
    latest = store.keys.snapshot_by_id(latest_id(store.client, "mena") or "")
    store.client.delete(latest, store.keys.regime_history("mena"))
    take_snapshots(store, ["mena"], NOW + 2)
    latest = store.keys.snapshot_by_id(latest_id(store.client, "mena") or "")
    store.client.delete(latest, store.keys.latest_body("mena"))
    take_snapshots(store, ["mena"], NOW + 3)
    store.client.delete(store.keys.index("mena"), store.keys.latest_body("mena"))
    take_snapshots(store, ["mena"], NOW - 1, force=True)
    store.verify(REGION_IDS, NOW)
    store.verify_summary()
    look(store, NOW + 1)
    list(read_histories(store, REGION_IDS))
    read_waiting_alerts(store, 10)
    briefs = BriefStore(store)
    briefs.read(REGION_IDS)
    read_stored_brief(store, "mena")
    read_regime_history(store, "mena")
    briefs.write({"mena": Brief("", "", (), "").of("mena", NOW, "", "")})
    briefs.update_summary(REGION_IDS, lambda _: Summary({}, {}))
    write_cache(store, {"mena": "digest"}, {"mena": {}})
    read_cache(store, {"mena": "digest"})
    writer, _ = access.users(store.keys)
    path = store.client.get_connection_kwargs()["path"]
    waits = replace(store._settings, replicas=1, answer_timeout=0.5)
    # The writer itself, where there is one.
    waiting = SnapshotStore(getattr(store, "_writer", store.client), MODEL, waits)
    [result] = take_snapshots(waiting, ["mena"], NOW + 4).regions
    assert (result.error or "").startswith("not on 1 replicas yet")
    login = f"unix://{quote(writer, safe='')}:{access.PASSWORD}@{path}"
    for database in (0, 1):
        environ = {
            REDIS_URL.name: f"{login}?db={database}",
            STATE_DIR.name: str(folder),
            KEY_PREFIX.name: store.keys.prefix,
            INPUT_PREFIX.name: store.keys.input_prefix,
        }
        list(examine(environ, lambda: NOW))
