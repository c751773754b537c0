"""Fault 4: ZooKeeper itself fails. Nobody decides without it, no task stops for it, and the job goes on."""

import time
from pathlib import Path

import pytest

from millstream_runtime.file_systems.local import TEMPORARY_SUFFIX
from tests.integration.ha.load import Load
from tests.support.elected import SESSION_S, elected_cluster
from tests.support.zookeeper import Ensemble

pytestmark = pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster")

OUTAGE_S = 20.0


def complete(directory: Path) -> set[str]:
    """The checkpoints on disk that have a `_metadata`."""
    return {path.parent.name for path in (directory / "store").rglob("chk-*/_metadata")}


def half_written(directory: Path) -> list[Path]:
    """Their `_metadata` that have no name yet."""
    return list((directory / "store").rglob(f"chk-*/._metadata.*{TEMPORARY_SUFFIX}"))


@pytest.mark.timeout(120)
def test_the_quorum_is_lost_for_twenty_seconds(own_ensemble: Ensemble, tmp_path: Path) -> None:
    """The leader pauses at once, gives up when its session could have ended, and nobody takes its place. No checkpoint
    is completed meanwhile. Afterwards somebody leads, and adopts the tasks as they are.
    """
    with elected_cluster(tmp_path, own_ensemble.hosts) as cluster:
        # A leader that waits for ZooKeeper completes none of them, but could write the `_metadata` of each.
        several: dict[str, object] = {"execution.checkpointing.max-concurrent-checkpoints": 8}
        load = Load(cluster, tmp_path, count=200_000, options=several)
        load.start()
        workers, leader, begun = cluster.all_workers(), cluster.leader(), time.monotonic()
        own_ensemble.stop_quorum()
        log = cluster.jobmanagers[leader]
        cluster.until(lambda: "this JobManager pauses" in log.tail(200), SESSION_S, "the leader pauses")
        # What it had decided before may just be taking its place on the disk, or be told.
        cluster.until(lambda: not half_written(tmp_path), 5, "the write that was under way has ended")
        there = complete(tmp_path)
        cluster.until(lambda: "leads no more" in log.tail(200), SESSION_S + 2, "the leader gives up")
        assert time.monotonic() - begun < SESSION_S + 1
        assert complete(tmp_path) == there
        published = load.published()

        def outage_is_over() -> bool:
            assert cluster.view() is None
            assert complete(tmp_path) == there
            assert load.published() == published
            return time.monotonic() > begun + OUTAGE_S

        cluster.until(outage_is_over, OUTAGE_S + 10, "the outage has lasted as long as it should")
        assert cluster.all_workers() == workers
        assert load.longest_stop(begun) < 1.0
        own_ensemble.restore_quorum()
        load.until_next_checkpoint(20)
        load.assert_undisturbed(workers, begun)
        load.finish()


@pytest.mark.timeout(120)
def test_servers_die_sessions_expire_and_disks_are_full(own_ensemble: Ensemble, tmp_path: Path) -> None:
    """One after the other, under one job: its tasks never notice."""
    with elected_cluster(tmp_path, own_ensemble.hosts) as cluster:
        load = Load(cluster, tmp_path, count=200_000)
        load.start()
        workers, begun = cluster.all_workers(), time.monotonic()

        first = own_ensemble.leader()
        assert first is not None
        own_ensemble.kill(first)
        load.until_next_checkpoint(20)
        own_ensemble.restart(first)

        own_ensemble.expire_all()
        load.until_next_checkpoint(20)

        second = own_ensemble.leader()
        assert second is not None
        own_ensemble.fill_disk(second)
        load.until_next_checkpoint(20)
        own_ensemble.fill_disk(*(number for number in own_ensemble.servers if number != second))
        cluster.until(lambda: cluster.view() is None, 20, "nobody leads")
        own_ensemble.free_disk(*own_ensemble.servers)
        load.until_next_checkpoint(30)

        load.assert_undisturbed(workers, begun)
        load.finish()
