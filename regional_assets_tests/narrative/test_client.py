"""The real client against every kind of provider."""

import logging
import sys
import threading
import time
from functools import partial

import openai
import pytest

from regional_assets.intelligence.narrative import Narrative
from regional_assets.narrative.answer import read_narrative
from regional_assets.narrative.client import Reply, retry_after
from regional_assets.narrative.narrator import Narrator
from regional_assets.narrative.prompt import narrative_prompt
from regional_assets.narrative.settings import Provider
from regional_assets_tests.support.model_server import SECRET, TOKENS_IN, TOKENS_OUT, Models
from regional_assets_tests.support.worlds import content_of, sample_world

PATIENT = 30.0
PROMPT = narrative_prompt(content_of(sample_world(), "mena"))
READ = partial(read_narrative, shown=PROMPT.evidence_ids)

assert openai  # imported before any budget starts


def ask(*providers: Provider, budget: float = PATIENT) -> Reply[Narrative]:
    [replies] = Narrator(providers, budget=budget).ask({"mena": (PROMPT, READ)})
    return replies["mena"]


def test_a_good_answer(models: Models) -> None:
    reply = ask(models.provider("good", SECRET))
    assert reply.value is not None
    assert reply.value.situation.text == "The situation in mena."
    assert reply.value.situation.evidence_ids[0] in PROMPT.evidence_ids
    assert (reply.provider, reply.model, reply.problem) == ("good", "good-model", "")
    assert (reply.tokens_in, reply.tokens_out) == (TOKENS_IN, TOKENS_OUT)
    assert reply.milliseconds > 0
    [asked] = models.asked
    assert asked.body["model"] == "good-model"
    assert [m["role"] for m in asked.body["messages"]] == ["system", "user"]
    assert asked.headers["authorization"] == f"Bearer {SECRET}"


def test_invented_evidence_is_dropped(models: Models) -> None:
    reply = ask(models.provider("lying"))
    assert reply.value is not None
    assert len(reply.value.situation.evidence_ids) == 1
    assert set(reply.value.situation.evidence_ids) <= PROMPT.evidence_ids


@pytest.mark.parametrize(
    ("provider", "problem"),
    [
        ("malformed", "its answer is not valid: it holds no JSON object"),
        ("garbage", "its answer is not valid (AttributeError)"),
        ("html", "its answer is not valid (AttributeError)"),
        ("refusing", "HTTP 401: check REGIONAL_NARRATIVE_REFUSING_API_KEY"),
        ("failing", "HTTP 500"),
    ],
)
def test_a_broken_provider_is_told_plainly_and_the_next_is_asked(
    models: Models, provider: str, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    alone = ask(models.provider(provider, SECRET))
    assert alone.value is None
    assert alone.problem == f"{provider}: {problem}"
    reply = ask(models.provider(provider, SECRET), models.provider("good", SECRET))
    assert reply.value is not None
    assert (reply.provider, reply.problem) == ("good", "")
    said = f"{alone} {reply} {caplog.text}"
    assert SECRET not in said
    assert "sk-not-yours" not in said


def test_tokens_of_invalid_answers_count(models: Models) -> None:
    reply = ask(models.provider("malformed"), models.provider("good"))
    assert (reply.tokens_in, reply.tokens_out) == (2 * TOKENS_IN, 2 * TOKENS_OUT)


def test_a_dead_provider(models: Models) -> None:
    dead = Provider("dead", "http://127.0.0.1:1/v1", "m")
    assert ask(dead).problem == "dead: cannot be reached (see REGIONAL_NARRATIVE_DEAD_BASE_URL)"
    assert ask(dead, models.provider("good")).provider == "good"


@pytest.mark.parametrize("provider", ["slow", "dribbling"])
def test_a_provider_that_does_not_end_is_left_at_the_end_of_the_budget(
    models: Models, provider: str
) -> None:
    reply = ask(models.provider(provider), budget=0.5)
    assert reply.value is None
    assert reply.problem == f"{provider}: no answer within 0.5 s"
    assert models.awaited == []


def test_a_slow_provider_leaves_its_share_to_the_next(models: Models) -> None:
    reply = ask(models.provider("dribbling"), models.provider("good"), budget=4)
    assert reply.provider == "good"


def test_a_retry_after_that_fits_is_honoured(models: Models) -> None:
    models.retry_after = "1"
    reply = ask(models.provider("busy"), models.provider("good"))
    assert reply.provider == "busy"
    first, second = models.asked
    assert second.at - first.at >= 1


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("3600", "HTTP 429, to be tried again in 3.6e+03 s"),
        (None, "HTTP 429, without saying when to try again"),
        ("soon", "HTTP 429, without saying when to try again"),
    ],
)
def test_a_retry_after_that_does_not_fit_goes_to_the_next(
    models: Models, header: str | None, problem: str
) -> None:
    models.retry_after = header
    reply = ask(models.provider("busy"), models.provider("good"))
    assert reply.provider == "good"
    assert models.regions("busy") == ["mena"]
    models.busy_for = 9
    assert ask(models.provider("busy")).problem == f"busy: {problem}"


def test_a_provider_that_is_always_busy_is_not_asked_for_ever(models: Models) -> None:
    models.busy_for = 99
    reply = ask(models.provider("busy"), models.provider("good"))
    assert reply.provider == "good"
    assert len(models.regions("busy")) == 3


def test_keys_of_the_environment_go_to_nobody(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID"):
        monkeypatch.setenv(f"OPENAI_{name}", "sk-of-another")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer sk-of-another")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert ask(models.provider("good")).value
    assert ask(models.provider("good", SECRET)).value
    without, with_key = (asked.headers for asked in models.asked)
    assert "authorization" not in without
    assert with_key["authorization"] == f"Bearer {SECRET}"
    assert "sk-of-another" not in f"{without} {with_key}"


def test_all_regions_are_asked_at_once(models: Models) -> None:
    regions = ("mena", "europe", "latam")
    models.held = set(regions)
    come: list[int] = []
    questions = {}
    for region in regions:
        prompt = narrative_prompt(content_of(sample_world(), region))
        questions[region] = (prompt, partial(read_narrative, shown=prompt.evidence_ids))

    def release_when_all_have_come() -> None:
        deadline = time.monotonic() + 10
        while len(models.asked) < len(regions) and time.monotonic() < deadline:
            time.sleep(0.01)
        come.append(len(models.asked))
        models.released.set()

    watching = threading.Thread(target=release_when_all_have_come)
    watching.start()
    replies: dict[str, Reply[Narrative]] = {}
    for batch in Narrator([models.provider("good")], budget=PATIENT).ask(questions):
        replies |= batch
    watching.join()
    assert come == [len(regions)]
    assert [replies[r].value and replies[r].provider for r in regions] == ["good"] * 3


def test_an_abandoned_question_is_ended(models: Models) -> None:
    models.held = {"mena"}
    europe = narrative_prompt(content_of(sample_world(), "europe"))
    batches = Narrator([models.provider("good")], budget=PATIENT).ask(
        {"mena": (PROMPT, READ), "europe": (europe, READ)}
    )
    assert set(next(batches)) == {"europe"}
    assert threads() == ["narrator"]
    batches.close()
    assert threads() == []


def test_nothing_is_left_behind(models: Models) -> None:
    ask(models.provider("slow"), budget=0.2)
    assert threads() == []


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "narrator"]


def test_without_the_client_every_reply_says_how_to_install_it(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    reply = ask(models.provider("good"))
    assert reply.value is None
    assert "pip install 'openai>=3,<4'" in reply.problem


def test_no_question_costs_nothing(models: Models) -> None:
    assert list(Narrator([models.provider("good")]).ask({})) == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": " 7 "}, 7),
        ({"retry-after": "9" * 400}, 999_999_999),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"retry-after": "Thu, 01 Jan 99999 00:00:00 GMT"}, None),
    ],
)
def test_reading_retry_after(header: dict[str, str], seconds: float | None) -> None:
    assert retry_after(header) == seconds


def test_reading_retry_after_as_a_date_ahead() -> None:
    at = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 100))
    assert 90 < (retry_after({"retry-after": at}) or 0) <= 100
