"""What is taken of a model's answer: one JSON object of the shape asked for, cleaned (SPEC 8)."""

import json
from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

from regional_assets.intelligence.brief import MAX_DEVELOPMENTS, Brief
from regional_assets.intelligence.narrative import MAX_WATCH_ITEMS, Narrative, Passage
from regional_assets.intelligence.text import clean

T = TypeVar("T")

MAX_TEXT = 1_200
# More than any answer of the shape asked for, with the thoughts that some models put before it.
_MAX_ANSWER = 200_000
# So many braces are tried as the start of an object; each can cost a look at the whole answer.
_MAX_BRACES = 200


class AnswerError(ValueError):
    """An answer that is not what was asked for; the message says what it lacks and quotes nothing
    of it."""


def read_narrative(answer: str, shown: Collection[str]) -> Narrative:
    """The narrative in an answer. Evidence ids that were not `shown` are dropped, and watch items
    beyond the third; raises `AnswerError`, also when there is no text anywhere."""
    return _read(answer, lambda value: _narrative(value, shown))


def read_brief(answer: str) -> Brief:
    """The weekly brief in an answer; key developments beyond the fifth are dropped. Raises
    `AnswerError`, also when a text is missing."""
    return _read(answer, _brief)


def _read(answer: str, reader: Callable[[dict[str, Any]], T]) -> T:
    """What `reader` makes of the last JSON object in `answer` that it accepts: what models think
    aloud comes first, what they say after the object is no object."""
    if len(answer) > _MAX_ANSWER:
        raise AnswerError("it is too long")
    found: list[T] = []
    problem = AnswerError("it holds no JSON object")
    for value in _objects(answer):
        try:
            found.append(reader(value))
        except AnswerError as error:
            problem = error
    if not found:
        raise problem
    return found[-1]


def _objects(answer: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a text, outermost ones, whatever is round them."""
    decoder = json.JSONDecoder()
    start = answer.find("{")
    for _ in range(_MAX_BRACES):
        if start < 0:
            return
        try:
            value, end = decoder.raw_decode(answer, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            yield value
        start = answer.find("{", end)


def _narrative(value: dict[str, Any], shown: Collection[str]) -> Narrative:
    def section(name: str) -> Passage:
        return _passage(value.get(name), name, shown)

    items = value.get("watch_items")
    if not isinstance(items, list):
        raise AnswerError("watch_items is not a list")
    watched = [_passage(item, "a watch item", shown) for item in items]
    narrative = Narrative(
        situation=section("situation"),
        balance_assessment=section("balance_assessment"),
        outlook_24h=section("outlook_24h"),
        outlook_7d=section("outlook_7d"),
        outlook_30d=section("outlook_30d"),
        watch_items=tuple(item for item in watched if item.text)[:MAX_WATCH_ITEMS],
    )
    if not narrative.texts():
        raise AnswerError("it has no text anywhere")
    return narrative


def _passage(value: Any, name: str, shown: Collection[str]) -> Passage:
    if not isinstance(value, dict):
        raise AnswerError(f"{name} is not an object")
    text, ids = value.get("text"), value.get("evidence_ids")
    if not isinstance(text, str):
        raise AnswerError(f"{name} has no text")
    if not isinstance(ids, list):
        raise AnswerError(f"{name} has no list of evidence_ids")
    cited = dict.fromkeys(i for i in ids if isinstance(i, str) and i in shown)
    return Passage(clean(text, MAX_TEXT), tuple(cited))


def _brief(value: dict[str, Any]) -> Brief:
    developments = value.get("key_developments")
    if not isinstance(developments, list) or not all(isinstance(d, str) for d in developments):
        raise AnswerError("key_developments is not a list of texts")
    cleaned = [text for d in developments if (text := clean(d, MAX_TEXT))]
    return Brief(
        situation_recap=_text(value, "situation_recap"),
        regime_trajectory=_text(value, "regime_trajectory"),
        key_developments=tuple(cleaned[:MAX_DEVELOPMENTS]),
        risk_outlook=_text(value, "risk_outlook"),
    )


def _text(value: dict[str, Any], name: str) -> str:
    text = value.get(name)
    cleaned = clean(text, MAX_TEXT) if isinstance(text, str) else ""
    if not cleaned:
        raise AnswerError(f"{name} is no text")
    return cleaned
