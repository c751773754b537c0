"""A fake JobManager that listens, and a gateway to it."""

from collections.abc import Generator

import pytest

from millstream.submission.gateway import Gateway
from millstream.submission.routes import Route
from tests.unit.client.submission.fake_jobmanager import FakeJobManager, serving


@pytest.fixture
def fake() -> FakeJobManager:
    return FakeJobManager()


@pytest.fixture
def port(fake: FakeJobManager) -> Generator[int]:
    with serving(fake) as number:
        yield number


@pytest.fixture
def gateway(port: int) -> Generator[Gateway]:
    gateway = Gateway(Route(f"127.0.0.1:{port}"), 10)
    yield gateway
    gateway.close()
