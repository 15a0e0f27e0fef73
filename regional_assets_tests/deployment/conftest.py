"""Clusters of three primaries with a replica each, for the tests of a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from regional_assets.redis_link.cluster import Cluster
from regional_assets_tests.support.clusters import ClusterServers, Node, cluster
from regional_assets_tests.support.own_servers import program
from regional_assets_tests.support.stores import OpenStore
from regional_assets_tests.support.waiting import eventually


@pytest.fixture(scope="module", params=["redis", "valkey"])
def servers(request: pytest.FixtureRequest, session_folder: Path) -> Iterator[ClusterServers]:
    with cluster(program(request.param), session_folder, replicas=1) as running:
        yield running


@pytest.fixture
def store(servers: ClusterServers, folder: Path) -> Iterator[OpenStore]:
    """A store in the cluster, which is whole and empty."""
    eventually(servers.is_whole)
    servers.flush()
    with OpenStore(servers.url, folder) as opened:
        yield opened


@pytest.fixture
def nodes(store: OpenStore) -> Cluster:
    assert isinstance(store.server, Cluster)
    return store.server


@pytest.fixture
def home(servers: ClusterServers, nodes: Cluster) -> Node:
    """The node with the keys of the store."""
    return servers.at(nodes.locate())
