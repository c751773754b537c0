"""Which cluster a job gets, and how all of them end."""

from typing import Any

import pytest

from millstream.embedded.cluster import EmbeddedCluster
from millstream.embedded.clusters import Clusters
from millstream_dataflow.configuration import Configuration


class FakeCluster:
    """One without a process."""

    def __init__(self, settings: dict[str, str], slots: int) -> None:
        self.settings = settings
        self.slots = slots
        self.taken = 0
        self.ends: list[str] = []
        self.interrupted = False

    def room(self) -> int:
        return self.slots - self.taken

    def is_idle(self) -> bool:
        return self.taken == 0

    def is_gone(self) -> bool:
        return False

    def stop(self) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.ends.append("stopped")

    def kill(self) -> None:
        self.ends.append("killed")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[FakeCluster]:
    made: list[FakeCluster] = []

    def start(_: Configuration, settings: dict[str, str], slots: int) -> Any:  # noqa: ANN401  # it stands for a real one
        made.append(FakeCluster(settings, slots))
        return made[-1]

    monkeypatch.setattr(EmbeddedCluster, "start", start)
    return made


def take(clusters: Clusters, needed: int) -> None:
    taken: Any = clusters.for_job(Configuration(), needed)
    taken.taken += needed


def test_several_jobs_at_once_share_a_cluster(started: list[FakeCluster]) -> None:
    clusters = Clusters()
    take(clusters, 1)
    take(clusters, 1)
    assert [cluster.slots for cluster in started] == [2]


def test_a_job_that_finds_no_room_gets_another(started: list[FakeCluster]) -> None:
    clusters = Clusters()
    take(clusters, 16)
    take(clusters, 1)
    assert [cluster.ends for cluster in started] == [[], []]


def test_ctrl_c_while_they_end_kills_them(started: list[FakeCluster]) -> None:
    clusters = Clusters()
    take(clusters, 16)
    take(clusters, 16)
    started[0].interrupted = True
    clusters.stop()
    assert [cluster.ends for cluster in started] == [["killed"], ["stopped"]]
