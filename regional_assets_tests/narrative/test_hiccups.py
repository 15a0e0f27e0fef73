"""Providers that fail for a moment, are busy, or refuse: who is asked again, and who is not."""

import asyncio
import time

import pytest

from regional_assets.narrative.client import Endpoint, retry_after
from regional_assets.narrative.reply import Reply
from regional_assets_tests.support.built_in import NARRATED_REGIONS
from regional_assets_tests.support.model_server import (
    Models,
    Said,
)
from regional_assets_tests.support.questions import PATIENT, PROMPT, READ, ask, ask_all

HICCUPS = [*(Said(b"{}", status) for status in (408, 429, 500, 502, 503, 504)), Said(None)]


def test_a_retry_after_that_fits_is_honoured(models: Models) -> None:
    models.retry_after = "1"
    reply = ask(models.provider("busy"), models.provider("good"))
    assert reply.provider == "busy"
    first, second = models.asked
    assert second.at - first.at >= 1


@pytest.mark.parametrize("header", [{"Retry-After": "0.9"}, {"retry-after-ms": "900"}])
def test_a_pause_shorter_than_a_second_is_honoured(models: Models, header: dict[str, str]) -> None:
    models.script = [Said(b"{}", 503, header)]
    assert ask(models.provider("scripted")).tries == 2
    first, second = models.asked
    assert second.at - first.at >= 0.9


def test_a_retry_after_that_does_not_fit_goes_to_the_next(models: Models) -> None:
    models.retry_after = "3600"
    reply = ask(models.provider("busy"), models.provider("good"))
    assert reply.provider == "good"
    assert models.regions("busy") == ["mena"]
    models.busy_for = 9
    problem = "HTTP 429, to be tried again in 3600 s"
    assert ask(models.provider("busy")).problem == f"busy: {problem}"


@pytest.mark.parametrize("header", [None, "soon"])
def test_without_a_retry_after_it_is_tried_again(models: Models, header: str | None) -> None:
    models.retry_after = header
    reply = ask(models.provider("busy"))
    assert (reply.provider, reply.tries) == ("busy", 2)
    first, second = models.asked
    # Less the jitter.
    assert second.at - first.at >= 0.25
    models.busy_for = 9
    assert (
        ask(models.provider("busy")).problem == "busy: HTTP 429, without saying when to try again"
    )


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("said", HICCUPS, ids=lambda said: str(said.status if said.body else 0))
def test_a_hiccup_is_survived(models: Models, said: Said) -> None:
    models.script = [said]
    reply = ask(models.provider("scripted"), models.provider("good"))
    assert (reply.provider, reply.tries, reply.problem) == ("scripted", 2, "")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("said", HICCUPS, ids=lambda said: str(said.status if said.body else 0))
def test_after_three_hiccups_the_next_is_asked(models: Models, said: Said) -> None:
    models.script = [said] * 3
    reply = ask(models.provider("scripted"), models.provider("good"))
    assert (reply.provider, reply.tries) == ("good", 4)


@pytest.mark.usefixtures("impatient")
def test_a_closed_connection_is_named(models: Models) -> None:
    models.script = [Said(None)] * 3
    assert ask(models.provider("scripted")).problem == "scripted: the connection broke"


@pytest.mark.usefixtures("impatient")
def test_a_provider_that_is_always_busy_is_not_asked_for_ever(models: Models) -> None:
    models.busy_for = 99
    reply = ask(models.provider("busy"), models.provider("good"))
    assert reply.provider == "good"
    assert len(models.regions("busy")) == 3


REFUSALS = [
    *(Said(b"{}", status) for status in (401, 402, 403, 404)),
    Said(b'{"error": {"code": "insufficient_quota"}}', 429),
    Said(b"{}", 429, {"Retry-After": "3600"}),
    Said(b"", 302, {"Location": "/good/v1/chat/completions"}),
]


@pytest.mark.parametrize("said", REFUSALS, ids=lambda said: str(said.status))
def test_what_one_region_is_refused_no_other_asks_for(models: Models, said: Said) -> None:
    # As long as it takes on a busy machine.
    models.pace["head_start"] = PATIENT
    models.script = [said] * len(NARRATED_REGIONS)
    replies = ask_all(models.provider("scripted"), models.provider("good"))
    assert len(models.regions("scripted")) == 1
    assert {reply.provider for reply in replies.values()} == {"good"}
    assert sum(reply.tries for reply in replies.values()) == 1 + len(NARRATED_REGIONS)
    alone = ask_all(models.provider("scripted"))
    [problem] = {reply.problem for reply in alone.values()}
    assert problem.startswith(f"scripted: HTTP {said.status}")


@pytest.mark.usefixtures("impatient")
def test_a_busy_provider_is_not_asked_by_all_regions(models: Models) -> None:
    models.pace["head_start"] = PATIENT
    models.retry_after, models.busy_for = None, 99
    replies = ask_all(models.provider("busy"), models.provider("good"))
    assert len(models.regions("busy")) == 3
    assert {reply.provider for reply in replies.values()} == {"good"}


def test_all_questions_wait_for_a_busy_provider(models: Models) -> None:
    models.pace["head_start"] = 0
    models.script = [Said(b"{}", 429, {"Retry-After": "2"})]
    busy = Endpoint(models.provider("scripted"))

    async def ask_twice() -> None:
        ends = time.monotonic() + PATIENT
        first = asyncio.create_task(busy.ask(PROMPT, READ, ends, Reply()))
        while not busy.free_at:
            await asyncio.sleep(0.01)
        await busy.ask(PROMPT, READ, ends, Reply())
        await first
        await busy.close()

    asyncio.run(ask_twice())
    first, *others = models.asked
    assert len(others) == 2
    assert all(other.at - first.at >= 2 for other in others)


def test_a_question_that_is_not_understood_is_no_refusal_of_others(models: Models) -> None:
    # The first without parameters, too.
    models.script = [Said(b"{}", 400), Said(b"{}", 400)]
    replies = ask_all(models.provider("scripted"), models.provider("good"))
    providers = sorted(reply.provider for reply in replies.values())
    assert providers == ["good"] + ["scripted"] * (len(NARRATED_REGIONS) - 1)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": " 7 "}, 7),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500.5", "retry-after": "2"}, 1.5005),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2),
        ({"retry-after-ms": "soon"}, None),
        ({"retry-after": "9" * 400}, 999_999_999),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"retry-after": "Sunday, 06-Nov-94 08:49:37 GMT"}, 0),
        ({"retry-after": "Thu, 01 Jan 99999 00:00:00 GMT"}, None),
    ],
)
def test_reading_retry_after(header: dict[str, str], seconds: float | None) -> None:
    assert retry_after(header) == seconds


@pytest.mark.parametrize("zone", [" GMT", " -0000", ""])
def test_reading_retry_after_as_a_date_ahead(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    at = time.strftime(f"%a, %d %b %Y %H:%M:%S{zone}", time.gmtime(time.time() + 100))
    try:
        assert 90 < (retry_after({"retry-after": at}) or 0) <= 100
    finally:
        monkeypatch.undo()
        time.tzset()
