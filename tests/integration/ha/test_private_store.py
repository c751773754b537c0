"""On a disk, who may read the store of several JobManagers (docs/security.md)."""

from pathlib import Path

from millstream_runtime.file_systems import locate
from tests.integration.ha.offices import SharedPlace, named, session
from tests.support.zookeeper import Ensemble
from tests.unit.jobmanager.store.samples import JOB, put_job


def test_on_a_disk_only_its_owner_reads_what_workers_will_run(ensemble: Ensemble, tmp_path: Path) -> None:
    """Others may write beside it: checkpoints lie there too, by default."""
    directory = tmp_path / "store"
    with session(ensemble.hosts) as connection:
        place = SharedPlace(connection, named(tmp_path), locate(str(directory)))
        store, _ = place.lead()
        put_job(store, JOB, b"functions", b"code")
    checkpoint = place.directory / "checkpoints" / "state"
    checkpoint.storage.write(checkpoint.path, [b"state"])
    modes = {entry.name: entry.stat().st_mode & 0o077 for entry in directory.iterdir()}
    assert modes == {"jobs": 0, "blobs": 0, "epochs": 0, "checkpoints": 0o055}
    assert directory.stat().st_mode & 0o055 == 0o055
