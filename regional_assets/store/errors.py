"""Errors that a user of the store can do something about. Imports no client."""

from regional_assets.intelligence.text import visible
from regional_assets.settings import SettingsError


class StoreError(RuntimeError):
    """The store cannot be used; the message names the server (never a password) and what to do
    next."""


STORE_ERRORS = (StoreError, SettingsError)


def one_line(words: object) -> str:
    """A message on one line; white space is folded, and characters that steer a terminal are made
    visible: the words may be a server's."""
    return visible(" ".join(str(words).split()))
