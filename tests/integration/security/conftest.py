"""A cluster that listens for every host, with all that makes that safe."""

from collections.abc import Generator

import pytest

from tests.support.safe_clusters import SafeCluster, safe_cluster

OPTIONS = {"taskmanager.network.handshake-timeout": "500 ms", "health.port": "0", "env.log.target": "stdout"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[SafeCluster]:
    with safe_cluster(tmp_path_factory.mktemp("safe"), options=OPTIONS) as running:
        yield running
