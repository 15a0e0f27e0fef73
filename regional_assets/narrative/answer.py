"""What is taken from a model's answer, whatever its server made of the protocol: one JSON object of
the shape asked for, as far as it goes, cleaned (SPEC 8)."""

import json
from collections.abc import Callable, Collection
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from regional_assets.intelligence.brief import MAX_DEVELOPMENTS, Brief
from regional_assets.intelligence.numbers import is_number
from regional_assets.intelligence.stored import MAX_WATCH_ITEMS, SECTIONS, Narrative, Passage
from regional_assets.intelligence.text import clean

T = TypeVar("T")

MAX_TEXT = 1_200
_MAX_MODEL = 100
# More than any answer of the shape asked for, with the thoughts that some models put before it.
_MAX_ANSWER = 200_000
# The search for the object ends after this many characters, counting each look anew: each brace
# could start an object that reaches to the end of the answer.
_MAX_WORK = 10 * _MAX_ANSWER
_WORK_PER_BRACE = 1_000
_WORK_PER_LIMIT = 10_000
# More entries of a list are not looked at.
_MAX_ENTRIES = 50
# The reasons of the protocol for an answer that is not whole.
_ENDED_EARLY = {
    "length": "it ended at its limit of tokens",
    "content_filter": "the provider's filter ended it",
}


class AnswerError(ValueError):
    """An answer that is not what was asked for; the message says what it lacks and quotes nothing
    of it."""


class Taken(msgspec.Struct, Generic[T], frozen=True):
    """What an answer gave, and what was cut of it, in words that quote nothing of it."""

    value: T
    cut: tuple[str, ...] = ()


# Reads an answer; raises `AnswerError`.
Reader: TypeAlias = Callable[[str], Taken[T]]


class Completion:
    """A chat completion, from a body; raises `AnswerError` for what is no JSON."""

    def __init__(self, body: bytes) -> None:
        try:
            self._value = json.loads(body)
        except (ValueError, RecursionError):
            raise AnswerError("it is no JSON") from None

    def text(self) -> str:
        """The text of the answer, or else of the thoughts: a model that was cut off while it
        thought has all of it there. Raises `AnswerError`, which says what came."""
        message = _at(self._value, "choices", 0, "message")
        if not isinstance(message, dict):
            what = "an error" if _at(self._value, "error") else "another object"
            raise AnswerError(f"it is no chat completion but {what}")
        for name in ("content", "reasoning_content", "reasoning"):
            if text := _joined(message.get(name)):
                return text
        raise AnswerError("it refuses" if message.get("refusal") else "it has no text")

    def ended_early(self) -> tuple[str, ...]:
        """Why the answer is not whole, when the server says that it is not."""
        reason = str(_at(self._value, "choices", 0, "finish_reason"))
        return (_ENDED_EARLY[reason],) if reason in _ENDED_EARLY else ()

    def model(self) -> str:
        """The name of the model that answered, cleaned; "" when the server does not say."""
        name = _at(self._value, "model")
        return clean(name, _MAX_MODEL) if isinstance(name, str) else ""

    def tokens(self, kind: str) -> int:
        """The tokens of that kind that it says it cost; 0 where it does not say."""
        count = _at(self._value, "usage", kind)
        return int(count) if is_number(count) and 0 <= count < 1 << 53 else 0


def _at(value: Any, *path: str | int) -> Any:
    """What lies there in objects and lists; None where there is no such thing."""
    try:
        for name in path:
            value = value[name]
    except (LookupError, TypeError):
        return None
    return value


def _joined(content: Any) -> str:
    """A text, or the texts of a list of parts; parts of other kinds, such as thoughts, are left
    out."""
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    return "".join(text for text in texts if isinstance(text, str)).strip()


def read_narrative(answer: str, shown: Collection[str]) -> Taken[Narrative]:
    """The narrative in an answer. Evidence ids that were not `shown` are dropped, and watch items
    beyond the third; what is missing or of another shape is left out. Raises `AnswerError` when
    there is no text anywhere."""

    def narrative(fields: "_Fields") -> Narrative:
        found = Narrative(
            **{name: fields.passage(name) for name in SECTIONS},
            watch_items=fields.passages("watch_items", MAX_WATCH_ITEMS),
        )
        if not found.texts():
            raise AnswerError("it has no text anywhere")
        return found

    return _read(answer, shown, narrative)


def read_brief(answer: str) -> Taken[Brief]:
    """The weekly brief in an answer; key developments beyond the fifth are dropped, and what is
    missing or of another shape is left out. Raises `AnswerError` when there is no
    situation_recap."""

    def brief(fields: "_Fields") -> Brief:
        developments = fields.passages("key_developments", MAX_DEVELOPMENTS)
        found = Brief(
            situation_recap=fields.passage("situation_recap").text,
            regime_trajectory=fields.passage("regime_trajectory").text,
            key_developments=tuple(passage.text for passage in developments),
            risk_outlook=fields.passage("risk_outlook").text,
        )
        if not found.situation_recap:
            raise AnswerError("it has no situation_recap")
        return found

    return _read(answer, (), brief)


def _read(answer: str, shown: Collection[str], reader: "Callable[[_Fields], T]") -> Taken[T]:
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
            fields = _Fields(value, shown)
            found, end = Taken(reader(fields), tuple(dict.fromkeys(fields.cut))), after
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


class _Fields:
    """Reads passages in the fields of an object, and keeps in `cut` what they lack."""

    def __init__(self, value: dict[str, Any], shown: Collection[str]) -> None:
        self.cut: list[str] = []
        self._value = value
        self._shown = shown

    def passage(self, name: str) -> Passage:
        """A passage of {text, evidence_ids}, or of its text alone; empty for anything else."""
        return self._passage(self._value.get(name), name)

    def passages(self, name: str, most: int) -> tuple[Passage, ...]:
        """The first `most` passages with a text in a list."""
        value = self._value.get(name)
        items = value if isinstance(value, list) else []
        read = [self._passage(item, name) for item in items[:_MAX_ENTRIES]]
        kept = tuple(passage for passage in read if passage.text)
        if len(kept) > most:
            self.cut.append(f"{name}: {len(kept) - most} beyond {most}")
        return kept[:most]

    def _passage(self, value: Any, name: str) -> Passage:
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
