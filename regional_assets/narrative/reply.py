"""What comes of a question to the language models."""

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Reply(msgspec.Struct, Generic[T]):
    """What came of a question: `value` is None when no provider gave a valid answer, and then
    `problem` says why, in words that hold neither a key nor anything of an answer.

    `model` is the one that answered. `tries` counts the requests, and tokens are those of all of
    them, invalid answers included; `milliseconds` is the time from asking to the reply. `cut`
    says what was left out of the question and of the answer.
    """

    value: T | None = None
    provider: str = ""
    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    tries: int = 0
    milliseconds: float = 0.0
    cut: tuple[str, ...] = ()
    problem: str = ""
