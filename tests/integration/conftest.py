"""A test that fails leaves no job behind: it would keep the slots that the next test waits for."""

from collections.abc import Generator

import pytest

from tests.support.clusters import Cluster


@pytest.fixture(autouse=True)
def no_job_is_left(request: pytest.FixtureRequest) -> Generator[None]:
    cluster = request.getfixturevalue("cluster") if "cluster" in request.fixturenames else None
    yield
    if isinstance(cluster, Cluster):
        cluster.cancel_all()
