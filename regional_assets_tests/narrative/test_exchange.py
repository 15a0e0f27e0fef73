"""What is sent to a provider, and what of its answer is taken."""

import bz2
import gzip
import json
import tracemalloc
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from regional_assets.narrative.client import MAX_BODY
from regional_assets_tests.support.built_in import NARRATED_REGIONS
from regional_assets_tests.support.model_server import (
    SECRET,
    Asked,
    Models,
    Said,
    completion,
    narrative,
)
from regional_assets_tests.support.questions import PATIENT, ask, ask_all


def test_options_are_merged_into_the_request(models: Models) -> None:
    ask(models.provider("good"))
    ask(models.provider("good", temperature=0, reasoning={"effort": "low"}, response_format=None))
    first, second = (asked.body for asked in models.asked)
    assert first["response_format"] == {"type": "json_object"}
    assert first["temperature"] == 0.3
    assert (second["temperature"], second["reasoning"]) == (0, {"effort": "low"})
    assert "response_format" not in second


def parameters(asked: Asked) -> set[str]:
    return {"temperature", "response_format"} & asked.body.keys()


def test_a_default_that_is_refused_is_dropped_once_for_all_regions(models: Models) -> None:
    models.pace["head_start"] = PATIENT
    models.unknown = ("temperature",)
    replies = ask_all(models.provider("picky"))
    assert {reply.provider for reply in replies.values()} == {"picky"}
    first, *others = models.asked
    assert parameters(first) == {"temperature", "response_format"}
    assert len(others) == len(NARRATED_REGIONS)
    assert all(parameters(other) == {"response_format"} for other in others)


def test_defaults_are_dropped_side_by_side(models: Models) -> None:
    models.pace["head_start"] = 0
    models.unknown = ("temperature", "response_format")
    replies = ask_all(models.provider("picky"))
    assert {reply.provider for reply in replies.values()} == {"picky"}
    assert all(reply.tries <= 3 for reply in replies.values())


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refusal_that_names_nothing_drops_all_defaults(models: Models, status: int) -> None:
    models.script = [Said(b"Bad request", status)]
    reply = ask(models.provider("scripted"))
    assert (reply.provider, reply.tries) == ("scripted", 2)
    assert [parameters(asked) for asked in models.asked] == [
        {"temperature", "response_format"},
        set(),
    ]


def test_an_option_that_is_refused_is_named(models: Models) -> None:
    models.unknown = ("temperature",)
    reply = ask(models.provider("picky", temperature=2))
    assert reply.problem == (
        "picky: HTTP 400: check REGIONAL_NARRATIVE_PICKY_MODEL and REGIONAL_NARRATIVE_PICKY_OPTIONS"
    )


SAID = json.dumps(narrative("mena"))


@pytest.mark.parametrize(
    "message",
    [
        {"content": f"```json\n{SAID}\n```"},
        {"content": f"<think>Let me see {{}}</think>{SAID} Anything else?"},
        {"content": [{"type": "text", "text": SAID[:50]}, {"type": "text", "text": SAID[50:]}]},
        {"content": [{"type": "thinking", "thinking": [{"text": "?"}]}, {"text": SAID}]},
        {"content": None, "reasoning": f"I think {SAID}"},
        {"content": " ", "reasoning_content": SAID},
        {"content": [], "reasoning": SAID},
    ],
    ids=["fenced", "thought", "parts", "thinking", "reasoning", "reasoning_content", "empty"],
)
def test_an_answer_is_found_wherever_it_is(models: Models, message: dict[str, Any]) -> None:
    models.script = [Said(completion(message))]
    reply = ask(models.provider("scripted"))
    assert reply.value is not None
    assert reply.value.situation.text == "The situation in mena."
    assert (reply.provider, reply.cut) == ("scripted", ())


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (completion({"content": None}), "it has no text"),
        (completion({"content": [{"image": "x"}]}), "it has no text"),
        (completion({"content": None, "refusal": "No."}), "it refuses"),
        (
            completion({"content": SAID[:-30]}, finish="length"),
            "it has no text anywhere; it ended at its limit of tokens",
        ),
        (completion({"content": ""}, finish="content_filter"), "the provider's filter ended it"),
        (b'{"error": {"message": "sk-not-yours"}}', "it is no chat completion but an error"),
        (b'{"choices": []}', "it is no chat completion but another object"),
        (b"null", "it is no chat completion but another object"),
        (b"[1]", "it is no chat completion but another object"),
        (b"not JSON", "it is no JSON"),
        (b"\xff", "it is no JSON"),
        (b"[" * 100_000, "it is no JSON"),
    ],
)
def test_what_came_in_place_of_an_answer_is_named(
    models: Models, body: bytes, problem: str
) -> None:
    models.script = [Said(body)]
    reply = ask(models.provider("scripted"))
    assert reply.value is None
    assert reply.problem.startswith("scripted: its answer is not valid")
    assert reply.problem.endswith(problem)


def test_what_was_cut_is_told(models: Models) -> None:
    said = narrative("mena", "forecast:made-up") | {"outlook_7d": None}
    models.script = [Said(completion({"content": json.dumps(said)}, finish="length"))]
    reply = ask(models.provider("scripted"))
    assert reply.cut[1] == "balance_assessment: 1 evidence ids that it was not shown"
    assert "outlook_7d: no text" in reply.cut
    assert reply.cut[-1] == "it ended at its limit of tokens"


def test_tokens_are_counted_whatever_kind_of_number_they_are(models: Models) -> None:
    usage = {"prompt_tokens": 7.0, "completion_tokens": True}
    models.script = [Said(completion({"content": SAID}, usage=usage))]
    reply = ask(models.provider("scripted"))
    assert (reply.tokens_in, reply.tokens_out) == (7, 0)


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ({"model": "other-2026-11-01"}, "other-2026-11-01"),
        ({}, "scripted-model"),
        ({"model": None}, "scripted-model"),
        ({"model": {"name": "x"}}, "scripted-model"),
        ({"model": " <b>\u200bother\n" + "x" * 500}, "bother " + "x" * 93),
    ],
)
def test_the_model_that_answered_is_the_one_that_is_named(
    models: Models, fields: dict[str, Any], model: str
) -> None:
    models.script = [Said(completion({"content": SAID}, **fields))]
    assert ask(models.provider("scripted")).model == model


@pytest.mark.parametrize(
    "body",
    [
        completion({"content": SAID}, model=f"model {SECRET}"),
        completion({"content": json.dumps({"situation": f"It is {SECRET}."})}),
    ],
    ids=["model", "text"],
)
def test_an_answer_that_quotes_the_key_is_not_taken(models: Models, body: bytes) -> None:
    models.script = [Said(body)]
    reply = ask(models.provider("scripted", SECRET))
    assert reply.problem == (
        "scripted: its answer is not valid: it quotes the key that it was asked with"
    )
    assert SECRET not in str(reply)


GZIP = {"Content-Encoding": "gzip"}


def long() -> bytes:
    return b" " * 10 * MAX_BODY


@cache
def compressed() -> bytes:
    return gzip.compress(b" " * 200 * MAX_BODY, 1)


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("body", "headers"), [(long, {}), (compressed, GZIP)], ids=["plain", "compressed"]
)
def test_an_answer_without_end_is_left_while_it_arrives(
    models: Models, body: Callable[[], bytes], headers: dict[str, str], status: int
) -> None:
    models.script = [Said(body(), status, headers)]
    tracemalloc.start()
    try:
        reply = ask(models.provider("scripted"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reply.problem == f"scripted: its answer is longer than {MAX_BODY} bytes"
    assert peak < 10 * MAX_BODY


def test_a_charset_is_not_believed(models: Models) -> None:
    bomb = bz2.compress(b" " * 50 * MAX_BODY)
    models.script = [Said(bomb, 400, {"Content-Type": "text/plain; charset=bz2_codec"})]
    tracemalloc.start()
    try:
        reply = ask(models.provider("scripted"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (reply.provider, reply.tries) == ("scripted", 2)
    assert peak < 10 * MAX_BODY


def test_a_compressed_answer_is_read(models: Models) -> None:
    models.script = [Said(gzip.compress(completion({"content": SAID})), 200, GZIP)]
    assert ask(models.provider("scripted")).provider == "scripted"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(gzip.compress(b"")), {"Content-Encoding": "gzip, gzip"}),
        (b"not compressed", GZIP),
    ],
    ids=["compressed twice", "not compressed"],
)
def test_an_answer_that_cannot_be_decompressed_is_named(
    models: Models, body: bytes, headers: dict[str, str]
) -> None:
    models.script = [Said(body, 200, headers)]
    reply = ask(models.provider("scripted"))
    assert reply.problem == "scripted: its answer cannot be decompressed"


def test_an_answer_of_many_parts_holds_nobody_up(models: Models) -> None:
    calls = ",".join(["{}"] * 600_000)
    models.script = [Said(f'{{"choices": [{{"message": {{"tool_calls": [{calls}]}}}}]}}'.encode())]
    reply = ask(models.provider("scripted"))
    assert reply.problem == "scripted: its answer is not valid: it has no text"
    # The client's own types take 45 s for it, in which no other region is served.
    assert reply.milliseconds < 20_000


def test_a_redirect_is_not_followed(models: Models) -> None:
    models.script = [Said(b"", 307, {"Location": "/good/v1/chat/completions"})]
    reply = ask(models.provider("scripted", SECRET))
    assert reply.problem == (
        "scripted: HTTP 307, a redirect, which is not followed: "
        "check REGIONAL_NARRATIVE_SCRIPTED_BASE_URL"
    )
    assert models.regions("good") == []
