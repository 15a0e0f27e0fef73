"""`docs/reference.md` is what the code says, and what a real run leaves behind."""

from fnmatch import fnmatchcase

import dagster as dg
import pytest
import redis

from regional_assets.defs.partitions import range_tags
from regional_assets_tests.support.built_in import NARRATED_REGIONS, REGION_IDS
from regional_assets_tests.support.dagster_runs import ALL, WITH_BRIEFS, materialisations, run
from regional_assets_tests.support.model_server import Models, configure
from regional_assets_tests.support.stored import set_version
from regional_assets_tests.support.stores import keys
from scripts.make_docs_reference import METADATA, PAGE, key_rows, page

# What a model of one's own leaves out: cli/test_model.py.
ALWAYS, RESCORED, GONE, _, DUPLICATE, NARRATED, FAILED = map(frozenset, METADATA.values())


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def fields(instance: dg.DagsterInstance, *, force: bool = False) -> list[set[str]]:
    """The metadata fields of each region in a run over all of them."""
    found = materialisations(instance, run(instance, tags=ALL, force=force).run_id)
    assert set(found) == set(REGION_IDS)
    return [set(materialisation.metadata) for materialisation in found.values()]


def test_the_metadata_fields_are_those_of_a_run(
    instance: dg.DagsterInstance,
    client: redis.Redis,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    everywhere = [ALWAYS] * len(REGION_IDS)
    assert fields(instance) == everywhere
    assert fields(instance) == [always | DUPLICATE for always in everywhere]
    for region in REGION_IDS:
        set_version(client, region, "scoring_version", "1.1.0")
    assert fields(instance, force=True) == [always | RESCORED for always in everywhere]
    configure(monkeypatch, models.environment("malformed"))
    told = fields(instance, force=True)
    asked = [region in NARRATED_REGIONS for region in REGION_IDS]
    client.delete("military:flights:v1")
    gone = fields(instance, force=True)
    assert all(found & GONE == {"held"} for found in gone)
    assert told == [ALWAYS | NARRATED | (FAILED if region else set()) for region in asked]


def test_the_keys_are_those_of_a_run(
    instance: dg.DagsterInstance,
    client: redis.Redis,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs = set(client.scan_iter())
    configure(monkeypatch, models.environment("good"))
    assert run(instance, tags=ALL).success
    briefs = WITH_BRIEFS.resolve_job_def("regional_brief_job")
    weekly = range_tags(NARRATED_REGIONS[0], NARRATED_REGIONS[-1])
    assert briefs.execute_in_process(instance=instance, tags=weekly).success
    client.hset(keys.health, "daemon", "what it saw")
    rows = {pattern: (kind, expiry) for pattern, kind, expiry, _ in key_rows()}
    found = set()
    for key in set(client.scan_iter()) - inputs:
        name = key.decode()
        # `latest` beside the times of snapshots: the longer pattern says more.
        pattern = max((row for row in rows if fnmatchcase(name, row)), key=len, default=name)
        kind, expiry = rows[pattern]
        found.add(pattern)
        assert client.type(key) == kind.encode(), name
        left = client.ttl(key)
        assert left == -1 if expiry is None else expiry - 300 < left <= expiry, name
    assert found == set(rows)
