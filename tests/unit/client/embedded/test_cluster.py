"""When an embedded cluster has nothing more to do: its jobs have ended, and their clients know it."""

from collections.abc import Generator
from typing import Any, cast

import pytest

from millstream.embedded.cluster import EmbeddedCluster
from millstream.submission.gateway import Gateway
from millstream.submission.job_client import RemoteJobClient
from millstream.submission.routes import Route
from millstream_dataflow.identity import OperatorId
from millstream_runtime.messages.collect import CollectReply
from millstream_runtime.states import JobState
from tests.support.clusters import until
from tests.unit.client.submission.fake_jobmanager import JOB, FakeJobManager, serving, status

NO_CHILD = cast(Any, None)


@pytest.fixture
def fake() -> FakeJobManager:
    return FakeJobManager()


@pytest.fixture
def gateway(fake: FakeJobManager) -> Generator[Gateway]:
    with serving(fake) as port:
        gateway = Gateway(Route(f"127.0.0.1:{port}"), 10)
        yield gateway
        gateway.close()


def test_it_is_idle_when_it_is_known_how_its_job_ended_even_if_nobody_has_asked(
    fake: FakeJobManager, gateway: Gateway
) -> None:
    fake.show(status())
    cluster, client = EmbeddedCluster(NO_CHILD, gateway, {}, 2), RemoteJobClient(gateway, JOB)
    cluster.took(client, 1)
    assert not cluster.is_idle()
    fake.show(status(JobState.FINISHED))
    until(cluster.is_idle, 20, "it is idle")
    gateway.close()
    assert client.get_job_execution_result().result().get_net_runtime() == 2500


def test_it_is_not_idle_while_a_program_fetches_the_records_of_a_job_that_has_finished(
    fake: FakeJobManager, gateway: Gateway
) -> None:
    fake.show(status())
    fake.on_collect = lambda request: CollectReply(1, request.offset, [b"N."], 0, ended=False)  # None, pickled
    cluster, client = EmbeddedCluster(NO_CHILD, gateway, {}, 2), RemoteJobClient(gateway, JOB)
    cluster.took(client, 1)
    records = client.fetch_records(OperatorId("a" * 32))
    assert next(records) is None
    fake.show(status(JobState.FINISHED))
    assert client.get_job_execution_result().result(20) is not None
    assert cluster.room() == 2
    assert not cluster.is_idle()
    records.close()  # type: ignore[attr-defined]  # it is a generator, which closes
    until(cluster.is_idle, 20, "it is idle")


def test_a_client_that_the_program_has_dropped_keeps_nothing_up(fake: FakeJobManager, gateway: Gateway) -> None:
    fake.show(status(JobState.FINISHED))
    cluster = EmbeddedCluster(NO_CHILD, gateway, {}, 2)
    cluster.took(RemoteJobClient(gateway, JOB), 1)
    assert cluster.is_idle()
