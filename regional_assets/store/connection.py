"""The server that the settings name, and the one place where the errors of the link become those of
this project."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from regional_assets.errors import SettingsError, StoreError
from regional_assets.redis_link import client
from regional_assets.redis_link.client import Patience
from regional_assets.redis_link.errors import AddressError, LinkError
from regional_assets.settings import StoreSettings
from regional_assets.store.keys import Keys


def connect(settings: StoreSettings) -> redis.Redis:
    """A client of the configured server, or of the embedded one (started if necessary) when there
    is no `redis_url`. Raises `SettingsError`, and `StoreError` when the embedded server does not
    start."""
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
    except AddressError as error:
        raise SettingsError(str(error)) from None
    except LinkError as error:
        raise StoreError(str(error)) from None
