"""The real client against every kind of provider: whom it asks, and for how long."""

import asyncio
import logging
import socket
import sys
import threading
import time
from functools import partial
from typing import Any

import pytest

from regional_assets.intelligence.stored import Narrative
from regional_assets.narrative.answer import AnswerError, Reader, Taken, read_narrative
from regional_assets.narrative.client import Client
from regional_assets.narrative.narrator import Narrator
from regional_assets.narrative.prompt import Prompt, narrative_prompt
from regional_assets.narrative.reply import Reply
from regional_assets.narrative.settings import Provider
from regional_assets_tests.support.model_server import (
    SECRET,
    TOKENS_IN,
    TOKENS_OUT,
    Models,
    Said,
)
from regional_assets_tests.support.questions import PATIENT, PROMPT, READ, ask, ask_all
from regional_assets_tests.support.worlds import content_of, sample_world


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


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("provider", "problem"),
    [
        ("malformed", "its answer is not valid: it holds no JSON object"),
        ("garbage", "its answer is not valid: it is no chat completion but another object"),
        ("html", "its answer is not valid: it is no JSON"),
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


@pytest.mark.usefixtures("impatient")
def test_a_dead_provider(models: Models) -> None:
    dead = Provider("dead", "http://127.0.0.1:1/v1", "m", head_start=0.1, backoff=0.01)
    assert ask(dead).problem == "dead: cannot be reached (see REGIONAL_NARRATIVE_DEAD_BASE_URL)"
    assert ask(dead, models.provider("good")).provider == "good"


def test_a_key_that_a_server_sends_back_is_not_logged(
    models: Models, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    models.script = [Said(b"", 418, {"X-Key": SECRET})]
    assert ask(models.provider("scripted", SECRET)).problem == "scripted: HTTP 418"
    assert SECRET not in caplog.text


def test_a_proxy_that_cannot_be_used_is_named_without_its_password(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"nonsense://me:{SECRET}@localhost")
    reply = ask(models.provider("good"))
    assert reply.problem == (
        "good: its client does not start (ValueError): check REGIONAL_NARRATIVE_GOOD_BASE_URL "
        "and the variables of proxies (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY)"
    )
    assert reply.tries == 0


@pytest.mark.parametrize("provider", ["slow", "dribbling"])
def test_a_provider_that_does_not_end_is_left_at_the_end_of_the_budget(
    models: Models, provider: str
) -> None:
    reply = ask(models.provider(provider), budget=0.5)
    assert reply.value is None
    assert reply.problem == f"{provider}: no answer within 0.5 s"
    assert models.awaited == []


def test_nobody_waits_for_a_name_that_is_not_found(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up, over = socket.getaddrinfo, threading.Event()
    awaited: list[str] = []

    def look_up_for_long(host: Any, *args: Any, **options: Any) -> Any:
        if host in ("no-such-host.invalid", b"no-such-host.invalid"):
            if not over.wait(120):
                awaited.append(str(host))
            raise socket.gaierror
        return look_up(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up_for_long)
    lost = Provider("lost", "http://no-such-host.invalid/v1", "m", connect=2, head_start=0)
    named = models.provider("good").base_url.replace("127.0.0.1", "localhost")
    try:
        replies = ask_all(lost, Provider("good", named, "m"))
        assert awaited == []
        assert {reply.provider for reply in replies.values()} == {"good"}
    finally:
        over.set()


def test_a_budget_that_ends_while_another_question_does_is_kept(models: Models) -> None:
    europe = narrative_prompt(content_of(sample_world(), "europe"))
    models.held = {"europe"}

    def read_until_both_budgets_are_over(_: str) -> Taken[Narrative]:
        time.sleep(1)
        raise AnswerError

    questions: dict[str, tuple[Prompt, Reader[Narrative]]] = {
        "mena": (PROMPT, read_until_both_budgets_are_over),
        "europe": (europe, READ),
    }
    replies: dict[str, Reply[Narrative]] = {}
    for batch in Narrator([models.provider("good")], budget=0.9).ask(questions):
        replies |= batch
    assert replies["europe"].problem == "good: no answer within 0.9 s"


def test_a_slow_provider_leaves_the_reserve_to_the_next(models: Models) -> None:
    # A second of it.
    reply = ask(models.provider("dribbling"), models.provider("good"), budget=6)
    assert reply.provider == "good"


def test_the_first_may_use_all_but_a_reserve(models: Models) -> None:
    names = ("first", "second", "third", "fourth")
    url = models.provider("dribbling").base_url
    reply = ask(*(Provider(name, url, "m") for name in names), budget=0.9)
    # Less 0.16 s for each of the three.
    assert reply.problem.startswith("first: no answer within 0.42 s; second: ")


def test_nothing_is_kept_for_those_that_have_refused(models: Models) -> None:
    first, second, third = map(models.provider, ("malformed", "refusing", "failing"))

    async def twice() -> list[Reply[Narrative]]:
        async with Client([first, second, third]) as client:
            replies = [await client.ask(PROMPT, READ, PATIENT)]
            models.held = {"mena"}
            return [*replies, await client.ask(PROMPT, READ, 0.9)]

    _, reply = asyncio.run(twice())
    refused = "refusing: HTTP 401: check REGIONAL_NARRATIVE_REFUSING_API_KEY"
    assert reply.problem.startswith(f"malformed: no answer within 0.74 s; {refused}; failing: ")


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


@pytest.mark.usefixtures("impatient")
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


@pytest.mark.usefixtures("impatient")
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
    monkeypatch.setitem(sys.modules, "httpx2", None)
    reply = ask(models.provider("good"))
    assert reply.value is None
    assert "pip install 'httpx2>=2.16,<3'" in reply.problem


def test_no_question_costs_nothing(models: Models) -> None:
    assert list(Narrator([models.provider("good")]).ask({})) == []
