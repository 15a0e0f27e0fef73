"""Stores on a server that a test has."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote

import redis

from regional_assets.settings import StoreSettings
from regional_assets.store import access
from regional_assets.store.connection import connect
from regional_assets.store.identity import MetStore
from regional_assets.store.keys import Keys
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import MODEL

# Those of a store without a prefix.
keys = Keys()


def settings(url: str, folder: Path, **changes: float | str) -> StoreSettings:
    """Settings patient enough for a busy machine."""
    return StoreSettings(
        state_dir=folder,
        redis_url=url,
        **{"connect_timeout": 20.0, "answer_timeout": 20.0, **changes},  # type: ignore[arg-type]
    )


class OneRecord:
    """A record of one store, as a Dagster instance keeps it."""

    writable = True

    def __init__(self) -> None:
        self.store: MetStore | None = None

    def known(self) -> MetStore | None:
        return self.store

    def keep(self, store: MetStore) -> None:
        self.store = store

    def commits(self) -> int:
        return 0

    def met(
        self, store: MetStore, commits: int, *, emptied: bool, before: str, went_back: bool
    ) -> None:
        assert store == self.store


class OpenStore(SnapshotStore):
    """A store that closes its connections."""

    def __init__(self, url: str, folder: Path, **changes: float | str) -> None:
        configured = settings(url, folder, **changes)
        super().__init__(connect(configured), MODEL, configured)

    def meets(self, record: OneRecord) -> None:
        """From here on it is as one that was opened with this record."""
        self._unmet = record

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()


class WriterStore(OpenStore):
    """A store whose project code is the writer that `regional-assets acl` makes for it, while the
    tests around it, which arrange, spoil and look, are one who may do everything."""

    @property
    def client(self) -> redis.Redis:
        caller: str = sys._getframe(1).f_globals["__name__"]
        return self._writer if caller.startswith("regional_assets.") else self._everything

    @client.setter
    def client(self, everything: redis.Redis) -> None:
        self._everything = everything

    def __init__(self, url: str, folder: Path, **changes: float | str) -> None:
        writer, _ = access.users(Keys.of(settings(url, folder, **changes)))
        user = f"unix://{quote(writer, safe='')}:{access.PASSWORD}@"
        self._writer = connect(settings(url.replace("unix://", user), folder))
        # Logged in, so that tests that count round trips find both kinds of store the same.
        self._writer.ping()
        super().__init__(url, folder, **changes)

    def __exit__(self, *_: object) -> None:
        self._writer.close()
        self._everything.close()

    def write_inputs(self, values: Mapping[str, bytes]) -> None:
        """As the inputs' own writers do."""
        self._everything.mset({self.keys.input(key): value for key, value in values.items()})
