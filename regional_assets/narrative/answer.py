"""What is taken from a model's answer: one JSON object of the shape asked for, as far as it goes,
cleaned (SPEC 8)."""

import json
from collections.abc import Callable, Collection
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from regional_assets.intelligence.brief import MAX_DEVELOPMENTS, Brief
from regional_assets.intelligence.stored import MAX_WATCH_ITEMS, Narrative, Passage
from regional_assets.intelligence.text import clean

T = TypeVar("T")

MAX_TEXT = 1_200
# More than any answer of the shape asked for, with the thoughts that some models put before it.
_MAX_ANSWER = 200_000
# The search for the object ends after this many characters, counting each look anew: each brace
# could start an object that reaches to the end of the answer.
_MAX_WORK = 10 * _MAX_ANSWER
_WORK_PER_BRACE = 1_000
_WORK_PER_LIMIT = 10_000
# More entries of a list are not looked at.
_MAX_ENTRIES = 50


class AnswerError(ValueError):
    """An answer that is not what was asked for; the message says what it lacks and quotes nothing
    of it."""


class Taken(msgspec.Struct, Generic[T], frozen=True):
    """What an answer gave, and what was cut of it, in words that quote nothing of it."""

    value: T
    cut: tuple[str, ...] = ()


# Reads an answer; raises `AnswerError`.
Reader: TypeAlias = Callable[[str], Taken[T]]


def read_narrative(answer: str, shown: Collection[str]) -> Taken[Narrative]:
    """The narrative in an answer. Evidence ids that were not `shown` are dropped, and watch items
    beyond the third; what is missing or of another shape is left out. Raises `AnswerError` when
    there is no text anywhere."""
    return _read(answer, lambda value: _narrative(value, shown))


def read_brief(answer: str) -> Taken[Brief]:
    """The weekly brief in an answer; key developments beyond the fifth are dropped, and what is
    missing or of another shape is left out. Raises `AnswerError` when there is no
    situation_recap."""
    return _read(answer, _brief)


def _read(answer: str, reader: Callable[[dict[str, Any]], Taken[T]]) -> Taken[T]:
    """What `reader` makes of the last JSON object in `answer` that it accepts: what models think
    aloud comes first, what they say after the object is no object. An object that it does not
    accept may be wrapped round one that it does."""
    if len(answer) > _MAX_ANSWER:
        raise AnswerError("it is too long")
    # Models put line breaks into strings, which JSON does not allow.
    decoder = json.JSONDecoder(strict=False)
    found: Taken[T] | None = None
    problem = "it holds no JSON object"
    work = 0
    start = answer.find("{")
    while start >= 0 and work < _MAX_WORK:
        work += _WORK_PER_BRACE
        end = start + 1
        try:
            value, after = decoder.raw_decode(answer, start)
            work += after - start
            found, end = reader(value), after
        except AnswerError as error:
            problem = str(error)
        except json.JSONDecodeError as error:
            work += error.pos - start
        # Nesting and numbers beyond Python's limits.
        except (RecursionError, ValueError):
            work += _WORK_PER_LIMIT
        start = answer.find("{", end)
    if found is None:
        raise AnswerError(problem)
    return found


class _Passages:
    """Reads passages, and keeps in `cut` what they lack."""

    def __init__(self, shown: Collection[str] = ()) -> None:
        self.cut: list[str] = []
        self._shown = shown

    def read(self, value: Any, name: str) -> Passage:
        """A passage of {text, evidence_ids}, or of its text alone; empty for anything else."""
        fields = value if isinstance(value, dict) else {"text": value}
        said, ids = fields.get("text"), fields.get("evidence_ids")
        text = clean(said, MAX_TEXT + 1) if isinstance(said, str) else ""
        # The shape that is asked for, repeated, has "..." for its texts.
        if not any(map(str.isalnum, text)):
            text = ""
            self.cut.append(f"{name}: no text")
        elif len(text) > MAX_TEXT:
            self.cut.append(f"{name}: what follows {MAX_TEXT} characters")
        cited = [i for i in ids if isinstance(i, str)] if isinstance(ids, list) else []
        kept = dict.fromkeys(i for i in cited if i in self._shown)
        if unknown := set(cited) - set(kept):
            self.cut.append(f"{name}: {len(unknown)} evidence ids that it was not shown")
        return Passage(text[:MAX_TEXT].rstrip(), tuple(kept))

    def read_all(self, value: Any, name: str, most: int) -> tuple[Passage, ...]:
        """The first `most` passages with a text in a list."""
        items = value if isinstance(value, list) else []
        read = [self.read(item, name) for item in items[:_MAX_ENTRIES]]
        kept = tuple(passage for passage in read if passage.text)
        if len(kept) > most:
            self.cut.append(f"{name}: {len(kept) - most} beyond {most}")
        return kept[:most]


def _narrative(value: dict[str, Any], shown: Collection[str]) -> Taken[Narrative]:
    passages = _Passages(shown)

    def section(name: str) -> Passage:
        return passages.read(value.get(name), name)

    narrative = Narrative(
        situation=section("situation"),
        balance_assessment=section("balance_assessment"),
        outlook_24h=section("outlook_24h"),
        outlook_7d=section("outlook_7d"),
        outlook_30d=section("outlook_30d"),
        watch_items=passages.read_all(value.get("watch_items"), "watch_items", MAX_WATCH_ITEMS),
    )
    if not narrative.texts():
        raise AnswerError("it has no text anywhere")
    return Taken(narrative, tuple(dict.fromkeys(passages.cut)))


def _brief(value: dict[str, Any]) -> Taken[Brief]:
    passages = _Passages()

    def text(name: str) -> str:
        return passages.read(value.get(name), name).text

    developments = passages.read_all(
        value.get("key_developments"), "key_developments", MAX_DEVELOPMENTS
    )
    brief = Brief(
        situation_recap=text("situation_recap"),
        regime_trajectory=text("regime_trajectory"),
        key_developments=tuple(passage.text for passage in developments),
        risk_outlook=text("risk_outlook"),
    )
    if not brief.situation_recap:
        raise AnswerError("it has no situation_recap")
    return Taken(brief, tuple(dict.fromkeys(passages.cut)))
