"""Runs with narratives on a real server: what is stored, what is cached, who waits for whom."""

import json
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from regional_assets.intelligence.stored import NO_NARRATIVE
from regional_assets.narrative.narrator import Narrator
from regional_assets.narrative.prompt import narrative_prompt
from regional_assets.narrative.settings import Provider
from regional_assets.runs import narration
from regional_assets.runs.snapshots import RunResult, take_snapshots
from regional_assets.store.connection import connect
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.verification import verify
from regional_assets.store.wire import encode
from regional_assets_tests.support.built_in import MODEL, NARRATED_REGIONS, REGION_IDS
from regional_assets_tests.support.model_server import (
    TOKENS_IN,
    TOKENS_OUT,
    Models,
    Said,
    completion,
)
from regional_assets_tests.support.stores import keys, settings
from regional_assets_tests.support.worlds import NOW, content_of, sample_values, sample_world

EMPTY = json.loads(encode(NO_NARRATIVE))
"""As it is stored."""

DEAD = Provider("dead", "http://127.0.0.1:1/v1", "m")
OTHERS = [region for region in REGION_IDS if region != "mena"]


@pytest.fixture
def loaded(valkey_store: SnapshotStore) -> SnapshotStore:
    valkey_store.write_inputs(sample_values())
    return valkey_store


def run(
    store: SnapshotStore,
    *providers: Provider,
    now: int = NOW,
    regions: Iterable[str] = REGION_IDS,
    budget: float = 30.0,
    force: bool = False,
) -> RunResult:
    narrator = Narrator(providers, budget=budget)
    return take_snapshots(store, regions, now, force=force, narrator=narrator)


def stored(store: SnapshotStore, region: str) -> dict[str, Any]:
    [found] = store.read([region], inputs=False).latest.values()
    assert found.snapshot is not None
    snapshot: dict[str, Any] = json.loads(found.snapshot.body)
    return snapshot


def cache_key(region: str) -> str:
    return keys.narrative(region, narrative_prompt(content_of(sample_world(), region)).digest)


def test_each_region_but_global_is_narrated_by_one_call(
    loaded: SnapshotStore, models: Models
) -> None:
    result = run(loaded, models.provider("good"))
    assert {r.outcome for r in result.regions} == {"written"}
    assert models.regions("good") == sorted(NARRATED_REGIONS)
    for region in result.regions:
        snapshot = stored(loaded, region.region_id)
        assert region.narration is not None
        assert snapshot["narrative"] == json.loads(encode(region.narration.narrative))
        if region.region_id == "global":
            assert region.narration.narrative == NO_NARRATIVE
            continue
        shown = {item["id"] for item in snapshot["evidence"]}
        assert set(snapshot["narrative"]["situation"]["evidence_ids"]) <= shown
        assert snapshot["narrative"]["situation"]["text"].endswith(f" in {region.region_id}.")
        assert snapshot["meta"]["narrative_provider"] == "good"
        assert snapshot["meta"]["narrative_model"] == "good-model"
        assert (region.narration.tokens_in, region.narration.tokens_out) == (TOKENS_IN, TOKENS_OUT)
        assert not region.narration.cache_hit
    found = verify(loaded.client, keys, MODEL, REGION_IDS, NOW)
    assert found == {region: [] for region in REGION_IDS}


def test_the_data_version_is_the_same_with_and_without(
    loaded: SnapshotStore, models: Models
) -> None:
    silent = take_snapshots(loaded, REGION_IDS, NOW)
    told = run(loaded, models.provider("good"), now=NOW + 1000)
    assert {r.outcome for r in told.regions} == {"duplicate"}
    for before, after in zip(silent.regions, told.regions, strict=True):
        assert before.snapshot is not None
        assert after.snapshot is not None
        assert before.snapshot.content.digest == after.snapshot.content.digest


def test_the_same_question_is_paid_for_once(loaded: SnapshotStore, models: Models) -> None:
    run(loaded, models.provider("good"))
    assert 86_300 < loaded.client.ttl(cache_key("mena")) <= 86_400
    again = run(loaded, models.provider("good"), now=NOW + 1000)
    assert {r.outcome for r in again.regions} == {"duplicate"}
    # Nobody needs to be there for it.
    forced = run(loaded, DEAD, now=NOW + 2000, force=True)
    assert {r.outcome for r in forced.regions} == {"written"}
    assert len(models.asked) == len(NARRATED_REGIONS)
    for region in forced.regions:
        if region.region_id != "global":
            assert region.narration is not None
            assert region.narration.cache_hit
            assert region.narration.tokens_in == 0
    meta = stored(loaded, "mena")["meta"]
    assert (meta["narrative_provider"], meta["narrative_model"]) == ("cache", "good-model")
    assert stored(loaded, "mena")["narrative"]["situation"]["text"] == "The situation in mena."


@pytest.mark.parametrize(
    "value", [b"", b"\xff", b"{}", b"[]", b'{"model": 1}', b"[" * 100_000, None]
)
def test_what_is_no_narrative_in_the_cache_is_a_miss(
    loaded: SnapshotStore, models: Models, value: bytes | None
) -> None:
    if value is None:
        loaded.client.lpush(cache_key("mena"), "of a wrong type")
    else:
        loaded.client.set(cache_key("mena"), value)
    [region] = run(loaded, models.provider("good"), regions=["mena"]).regions
    assert region.outcome == "written"
    assert region.narration is not None
    assert region.narration.provider == "good"
    assert region.narration.problem == ""
    assert loaded.client.type(cache_key("mena")) == b"string"


def test_what_the_cache_cites_is_checked_like_an_answer(
    loaded: SnapshotStore, models: Models
) -> None:
    run(loaded, models.provider("good"), regions=["mena"])
    kept = json.loads(loaded.client.get(cache_key("mena")) or b"")
    kept["situation"]["evidence_ids"] = ["forecast:made-up"]
    loaded.client.set(cache_key("mena"), json.dumps(kept))
    run(loaded, DEAD, regions=["mena"], now=NOW + 1, force=True)
    narrative = stored(loaded, "mena")["narrative"]
    assert narrative["situation"] == {"text": "The situation in mena.", "evidence_ids": []}


@pytest.mark.parametrize(
    ("patterns", "problem"),
    [
        (["%W~intelligence:n*"], "the cache cannot be read: Redis at "),
        (["%R~intelligence:n*"], "the cache cannot be written: Redis at "),
    ],
)
def test_a_cache_that_may_not_be_used_fails_nothing(
    loaded: SnapshotStore,
    models: Models,
    folder: Path,
    patterns: list[str],
    problem: str,
) -> None:
    loaded.client.acl_setuser(
        "narrow",
        enabled=True,
        nopass=True,
        keys=["[^i]*", "intelligence:[^n]*", *patterns],
        commands=["+@all"],
    )
    path = loaded.client.get_connection_kwargs()["path"]
    configured = settings(f"unix://narrow:x@{path}", folder)
    narrow = SnapshotStore(connect(configured), MODEL, configured)
    try:
        [region] = run(narrow, models.provider("good"), regions=["latam"]).regions
    finally:
        narrow.client.close()
        loaded.client.acl_deluser("narrow")
    assert region.outcome == "written"
    assert region.narration is not None
    assert region.narration.provider == "good"
    assert region.narration.problem.startswith(problem)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("provider", ["malformed", "failing", "refusing", "html"])
def test_a_broken_provider_leaves_the_narrative_empty_and_fails_nothing(
    loaded: SnapshotStore, models: Models, provider: str
) -> None:
    result = run(loaded, models.provider(provider))
    assert {r.outcome for r in result.regions} == {"written"}
    for region in result.regions:
        assert region.narration is not None
        snapshot = stored(loaded, region.region_id)
        assert snapshot["narrative"] == EMPTY
        assert snapshot["meta"]["narrative_provider"] == ""
        if region.region_id != "global":
            assert region.narration.problem.startswith(f"{provider}: ")
    # What was no answer is not kept.
    assert list(loaded.client.scan_iter("intelligence:narrative-cache:*")) == []


@pytest.mark.usefixtures("impatient")
def test_a_slow_region_delays_nobody_elses_commit(loaded: SnapshotStore, models: Models) -> None:
    models.held = {"mena"}
    results: list[RunResult] = []
    running = threading.Thread(
        target=lambda: results.append(run(loaded, models.provider("good"))), daemon=True
    )
    running.start()
    deadline = time.monotonic() + 20
    try:
        while loaded.client.exists(*map(keys.latest, OTHERS)) < len(OTHERS):
            assert time.monotonic() < deadline, "the other regions wait"
            time.sleep(0.02)
        assert not loaded.client.exists(keys.latest("mena"))
    finally:
        models.released.set()
        running.join()
    [result] = results
    assert {r.outcome for r in result.regions} == {"written"}
    assert [r.region_id for r in result.regions] == list(REGION_IDS)
    assert stored(loaded, "mena")["narrative"]["situation"]["text"] == "The situation in mena."


def test_a_provider_that_never_answers_costs_its_budget_and_no_more(
    loaded: SnapshotStore, models: Models
) -> None:
    result = run(loaded, models.provider("dribbling"), budget=0.5)
    assert not models.released.is_set()
    assert {r.outcome for r in result.regions} == {"written"}
    [mena] = [r for r in result.regions if r.region_id == "mena"]
    assert mena.narration is not None
    assert mena.narration.problem == "dribbling: no answer within 0.5 s"


def test_a_run_ends_with_its_budget_whatever_the_providers_do(
    loaded: SnapshotStore, models: Models
) -> None:
    models.retry_after, models.busy_for = "0.1", 99
    names = ("busy", "dribbling", "slow", "failing", "html")
    result = run(loaded, *map(models.provider, names), DEAD, budget=2)
    assert not models.released.is_set()
    assert models.awaited == []
    assert {r.outcome for r in result.regions} == {"written"}
    for region in result.regions:
        assert region.narration is not None
        assert region.narration.narrative == NO_NARRATIVE
        if region.region_id != "global":
            assert region.narration.problem.startswith("busy: ")


def test_a_kept_narrative_keeps_what_was_cut(loaded: SnapshotStore, models: Models) -> None:
    said = completion({"content": json.dumps({"situation": "Calm."})}, model="answering-model")
    models.script = [Said(said)]
    [asked] = run(loaded, models.provider("scripted"), regions=["mena"]).regions
    [kept] = run(loaded, DEAD, regions=["mena"], now=NOW + 1, force=True).regions
    assert asked.narration is not None
    assert kept.narration is not None
    assert "outlook_7d: no text" in asked.narration.cut
    assert kept.narration.cut == asked.narration.cut
    assert (asked.narration.tries, kept.narration.tries) == (1, 0)
    meta = stored(loaded, "mena")["meta"]
    assert (meta["narrative_provider"], meta["narrative_model"]) == ("cache", "answering-model")


def test_a_superseded_region_keeps_its_narrative(
    loaded: SnapshotStore, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = loaded.commit

    def late_commit(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(loaded, "commit", commit)
        loaded.client.delete("military:flights:v1")
        take_snapshots(loaded, ["mena"], NOW - 1)
        return commit(*args, **options)

    monkeypatch.setattr(loaded, "commit", late_commit)
    [region] = run(loaded, models.provider("good"), regions=["mena"]).regions
    assert region.outcome == "written"
    assert region.snapshot is not None
    assert region.snapshot.previous_id
    assert stored(loaded, "mena")["narrative"]["situation"]["text"] == "The situation in mena."
    assert len(models.asked) == 1


def test_a_region_that_cannot_be_written_is_not_asked_about(
    loaded: SnapshotStore, models: Models
) -> None:
    loaded.client.lpush(keys.latest("mena"), "x")
    result = run(loaded, models.provider("good"))
    assert [r.region_id for r in result.failed] == ["mena"]
    assert "mena" not in models.regions("good")


def test_a_prompt_that_cannot_be_made_is_that_regions_empty_narrative(
    loaded: SnapshotStore, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = narrative_prompt

    def breaking(content: Any) -> Any:
        if content.region_id == "mena":
            raise ZeroDivisionError
        return make(content)

    monkeypatch.setattr(narration, "narrative_prompt", breaking)
    result = run(loaded, models.provider("good"))
    assert {r.outcome for r in result.regions} == {"written"}
    problems = {r.region_id: r.narration.problem for r in result.regions if r.narration}
    assert problems.pop("mena") == "no prompt: ZeroDivisionError"
    assert set(problems.values()) == {""}


def test_when_off_nobody_is_asked_and_nothing_is_told(
    loaded: SnapshotStore, models: Models
) -> None:
    result = take_snapshots(loaded, REGION_IDS, NOW)
    assert models.asked == []
    assert {r.narration for r in result.regions} == {None}
    assert stored(loaded, "mena")["narrative"] == EMPTY
