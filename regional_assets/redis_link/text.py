"""What a server says, as text."""

import unicodedata


def as_text(value: bytes) -> str:
    """The server's bytes as text; those that are not UTF-8 become replacement characters."""
    return value.decode("utf-8", "replace")


def one_line(words: object) -> str:
    """A message on one line; white space is folded, and characters that steer a terminal or cannot
    be seen become escapes: the words may be a server's."""
    return "".join(
        c
        if c.isprintable() or unicodedata.category(c) == "Zs"
        else c.encode("unicode_escape").decode()
        for c in " ".join(str(words).split())
    )
