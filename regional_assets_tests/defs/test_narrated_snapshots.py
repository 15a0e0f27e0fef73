"""Narratives through Dagster: metadata, and that no key is anywhere."""

import logging

import dagster as dg
import pytest
import redis

from regional_assets_tests.support.built_in import NARRATED_REGIONS, REGION_IDS
from regional_assets_tests.support.dagster_runs import (
    ALL,
    everything_said,
    materialisations,
    run,
    values,
)
from regional_assets_tests.support.model_server import (
    SECRET,
    TOKENS_IN,
    TOKENS_OUT,
    Models,
    configure,
)


def test_what_a_narrative_cost_is_in_the_metadata(
    instance: dg.DagsterInstance,
    client: redis.Redis,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    configure(monkeypatch, models.environment("refusing", "good", key=SECRET))
    result = run(instance, tags=ALL)
    assert result.success
    found = materialisations(instance, result.run_id)
    said = values(found["mena"])
    assert said["narrative_provider"] == "good"
    assert said["narrative_model"] == "good-model"
    assert said["narrative_tokens"] == {"in": TOKENS_IN, "out": TOKENS_OUT}
    assert said["narrative_cache_hit"] is False
    assert said["narrative_milliseconds"] > 0
    assert said["narrative_cut"] == []
    assert "narrative_problem" not in said
    in_all = said["narratives_of_run"]
    assert in_all["tokens"] == {
        "in": len(NARRATED_REGIONS) * TOKENS_IN,
        "out": len(NARRATED_REGIONS) * TOKENS_OUT,
    }
    assert in_all["tries"] == len(models.asked)
    tries = [values(one)["narrative_tries"] for one in found.values()]
    assert sum(tries) == in_all["tries"]
    assert values(found["global"])["narrative_provider"] == ""
    assert {asked.headers["authorization"] for asked in models.asked} == {f"Bearer {SECRET}"}

    again = run(instance, tags=ALL, force=True)
    said = values(materialisations(instance, again.run_id)["mena"])
    assert (said["narrative_provider"], said["narrative_cache_hit"]) == ("cache", True)
    assert said["narrative_tokens"] == {"in": 0, "out": 0}
    for run_id in (result.run_id, again.run_id):
        for text in everything_said(instance, run_id, caplog, capfd):
            assert SECRET not in text


@pytest.mark.parametrize(
    ("provider", "problem"),
    [
        ("refusing", "refusing: HTTP 401: check REGIONAL_NARRATIVE_REFUSING_API_KEY"),
        ("malformed", "malformed: its answer is not valid: it holds no JSON object"),
    ],
)
def test_a_broken_provider_fails_no_region_and_shows_no_secret(
    instance: dg.DagsterInstance,
    client: redis.Redis,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    provider: str,
    problem: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    configure(monkeypatch, models.environment(provider, key=SECRET))
    result = run(instance, tags=ALL)
    assert result.success
    found = materialisations(instance, result.run_id)
    assert set(found) == set(REGION_IDS)
    assert values(found["mena"])["narrative_problem"] == problem
    for text in everything_said(instance, result.run_id, caplog, capfd):
        assert SECRET not in text
        assert "sk-not-yours" not in text


def test_settings_that_cannot_be_understood_fail_no_region(
    instance: dg.DagsterInstance,
    client: redis.Redis,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configure(monkeypatch, {"REGIONAL_NARRATIVE_PROVIDERS": "groq"})
    result = run(instance, partition_key="mena")
    assert result.success
    said = values(materialisations(instance, result.run_id)["mena"])
    assert said["narrative_problem"].startswith("REGIONAL_NARRATIVE_GROQ_BASE_URL is not set: ")


def test_when_off_the_metadata_does_not_speak_of_it(
    instance: dg.DagsterInstance, client: redis.Redis, models: Models
) -> None:
    result = run(instance, partition_key="mena")
    said = values(materialisations(instance, result.run_id)["mena"])
    assert not [name for name in said if name.startswith("narrative")]
