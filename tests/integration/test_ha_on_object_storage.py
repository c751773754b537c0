"""The job store on an object store: fault 1 with an s3:// URI as `high-availability.storageDir`, so without a directory
that all JobManagers mount.
"""

import time
from pathlib import Path

import pytest

from millstream_runtime.file_systems import locate
from tests.integration.ha.load import Load
from tests.support.elected import SESSION_S, elected_cluster
from tests.support.object_store import ObjectStore, object_store
from tests.support.zookeeper import running_ensemble

__all__ = ["object_store"]

pytestmark = [
    pytest.mark.nightly,  # 16 s
    pytest.mark.may_leak(reason="processes that take the place of killed ones belong to the cluster"),
]


def stored(storage: str, directory: str) -> set[str]:
    """The names that lie there."""
    place = locate(storage) / directory
    return set(place.storage.entries(place.path))


def test_the_next_leader_goes_on_from_what_the_killed_one_has_stored_there(
    tmp_path: Path, object_store: ObjectStore
) -> None:
    """Same processes, same attempts; within the session timeout and 3 s a checkpoint is complete and its files are out.
    What a leader stores lies in the bucket, and nothing of it on this machine's disk.
    """
    storage = object_store.uri("ha")
    options = {"high-availability.storageDir": storage}
    with (
        running_ensemble(tmp_path / "zookeeper", servers=1) as ensemble,
        elected_cluster(tmp_path, ensemble.hosts, options=options) as cluster,
    ):
        load = Load(cluster, tmp_path)
        load.start()
        before = stored(storage, f"{tmp_path.name}/jobs")
        assert len(before) == 1
        workers, newest, files = cluster.all_workers(), load.newest(), load.published()
        leader, begun = cluster.leader(), time.monotonic()
        cluster.jobmanagers[leader].kill()
        load.until_beyond(newest, files, 20)
        took = time.monotonic() - begun
        assert cluster.leader() != leader
        assert cluster.all_workers() == workers
        assert load.attempts() == {1}
        assert load.longest_stop(begun) < 1.0
        assert took < SESSION_S + 3
        assert len(stored(storage, f"{tmp_path.name}/jobs") - before) == 1, (
            "the next leader has stored a record of its own"
        )
        assert stored(storage, f"{tmp_path.name}/epochs") == {"2"}
        load.finish()
        assert not (tmp_path / "store").exists()
