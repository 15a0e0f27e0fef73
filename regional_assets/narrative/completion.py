"""What a chat completion holds, whatever the server made of the protocol."""

import json
from typing import Any

from regional_assets.intelligence.numbers import is_number
from regional_assets.intelligence.text import clean
from regional_assets.narrative.answer import AnswerError

_MAX_MODEL = 100
# The reasons of the protocol for an answer that is not whole.
_ENDED_EARLY = {
    "length": "it ended at its limit of tokens",
    "content_filter": "the provider's filter ended it",
}


def decoded(body: bytes) -> dict[str, Any]:
    """The completion in a body; raises `AnswerError`."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise AnswerError("it is no JSON") from None
    return value if isinstance(value, dict) else {}


def text_of(completion: dict[str, Any]) -> str:
    """The text of the answer. A model that was cut off while it thought, or whose server takes its
    answer for thoughts, has all of its text there. Raises `AnswerError`, which says what came."""
    message = _choice(completion).get("message")
    if not isinstance(message, dict):
        what = "an error" if "error" in completion else "another object"
        raise AnswerError(f"it is no chat completion but {what}")
    for name in ("content", "reasoning_content", "reasoning"):
        if text := _joined(message.get(name)):
            return text
    raise AnswerError("it refuses" if message.get("refusal") else "it has no text")


def ended_early(completion: dict[str, Any]) -> tuple[str, ...]:
    """Why the answer is not whole, when the server says that it is not."""
    reason = str(_choice(completion).get("finish_reason"))
    return (_ENDED_EARLY[reason],) if reason in _ENDED_EARLY else ()


def model_of(completion: dict[str, Any]) -> str:
    """The name of the model that answered, cleaned; "" when the server does not say."""
    name = completion.get("model")
    return clean(name, _MAX_MODEL) if isinstance(name, str) else ""


def tokens_of(completion: dict[str, Any]) -> tuple[int, int]:
    """The tokens in and out that a completion says it cost; 0 where it does not say."""
    usage = _object(completion.get("usage"))
    return _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))


def quota_is_used_up(body: bytes) -> bool:
    """Whether that is what the body of an error says."""
    try:
        value = decoded(body)
    except AnswerError:
        return False
    error = _object(value.get("error", value))
    return "insufficient_quota" in (error.get("code"), error.get("type"))


def _choice(completion: dict[str, Any]) -> dict[str, Any]:
    choices = completion.get("choices")
    return _object(choices[0] if isinstance(choices, list) and choices else None)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _joined(content: Any) -> str:
    """A text, or the texts of a list of parts; parts of other kinds, such as thoughts, are left
    out."""
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    return "".join(text for text in texts if isinstance(text, str)).strip()


def _count(value: Any) -> int:
    return int(value) if is_number(value) and 0 <= value < 1 << 53 else 0
