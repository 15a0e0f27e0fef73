"""The server that the settings name, and the one place where the errors of the link become those of
this project."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from regional_assets.errors import EmbeddedServerError, SettingsError, StoreError
from regional_assets.redis_link import client, errors
from regional_assets.redis_link.client import Patience
from regional_assets.settings import StoreSettings
from regional_assets.store.keys import Keys

# The first that fits.
_ERRORS: tuple[tuple[type[errors.LinkError], type[StoreError] | type[SettingsError]], ...] = (
    (errors.AddressError, SettingsError),
    (errors.EmbeddedServerError, EmbeddedServerError),
    (errors.LinkError, StoreError),
)


def connect(settings: StoreSettings) -> redis.Redis:
    """A client of the configured server, or of the embedded one (started if necessary) when there
    is no `redis_url`. Raises `SettingsError`, and `EmbeddedServerError`."""
    with project_errors():
        if settings.redis_url is None:
            return client.connect_embedded(settings.state_dir, patience(settings))
        prefix = Keys.of(settings).prefix
        return client.connect(settings.redis_url, patience(settings), prefix)


def patience(settings: StoreSettings) -> Patience:
    """How patient clients and their commands are by these settings."""
    return Patience(
        settings.connect_timeout,
        settings.answer_timeout,
        settings.retries,
        settings.region_deadline,
    )


@contextmanager
def project_errors() -> Iterator[None]:
    """Raises `StoreError` or `SettingsError` in the place of the link's errors, in the same
    words."""
    try:
        yield
    except errors.LinkError as error:
        kind = next(ours for theirs, ours in _ERRORS if isinstance(error, theirs))
        raise kind(str(error)) from None
