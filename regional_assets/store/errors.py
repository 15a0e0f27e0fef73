"""What a user of the store can do something about; each message says what. Imports no client."""

from regional_assets.settings import SettingsError


class StoreError(RuntimeError):
    """The store cannot be used; the message names the server (never a password) and says what
    to do."""


STORE_ERRORS = (StoreError, SettingsError)
