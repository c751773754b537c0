"""A pool of worker processes for all tests of a module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.shared_forkserver import SharedForkServer
from tests.support.worker_site import Site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(forkserver: SharedForkServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    with forkserver.lent():
        await site.pool.start()
    yield site
    await site.pool.stop()
