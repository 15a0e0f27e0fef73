"""Errors that a user of the store can do something about. Imports no client."""

from regional_assets.settings import SettingsError


class StoreError(RuntimeError):
    """The store cannot be used; the message names the server (never a password) and what to do
    next."""


STORE_ERRORS = (StoreError, SettingsError)


def one_line(words: object) -> str:
    """A message on one line; white space is folded."""
    return " ".join(str(words).split())
