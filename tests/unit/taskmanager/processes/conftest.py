"""A pool of worker processes for all tests of a module: its forkserver is started once."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.worker_site import Site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    await site.pool.start()
    yield site
    await site.pool.stop()
