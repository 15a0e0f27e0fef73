"""A message on one line."""

from regional_assets.intelligence.text import visible


def one_line(words: object) -> str:
    """A message on one line; white space is folded, and characters that steer a terminal are made
    visible: the words may be a server's."""
    return visible(" ".join(str(words).split()))
