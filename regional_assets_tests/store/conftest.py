"""The tests of the store meet a cluster, too."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from regional_assets.store import access
from regional_assets.store.keys import Keys
from regional_assets_tests.support.built_in import MODEL
from regional_assets_tests.support.clusters import ClusterServers, Unprefixed, cluster
from regional_assets_tests.support.own_servers import program
from regional_assets_tests.support.servers import emptied
from regional_assets_tests.support.stores import settings


@pytest.fixture(scope="session")
def cluster_servers(session_folder: Path) -> Iterator[ClusterServers]:
    """Three primaries, with the users that `regional-assets acl` makes on each."""
    with cluster(program("valkey"), session_folder, replicas=0) as servers:
        of_store = settings(servers.url, session_folder, input_prefix=Unprefixed.prefix)
        servers.create_users(access.rules(Keys.of(of_store), MODEL))
        yield servers


@pytest.fixture(params=["valkey", "redis", "cluster"])
def server_url(request: pytest.FixtureRequest) -> str:
    """Each of the two servers, and a cluster, emptied."""
    if request.param == "cluster":
        servers: ClusterServers = request.getfixturevalue("cluster_servers")
        servers.flush()
        return servers.url
    return emptied(request.getfixturevalue(f"{request.param}_url"))
